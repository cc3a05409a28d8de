#include "api/who.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "api/login.h"
#include "api/plain.h"
#include "base/clock.h"

void api_caller_take(struct net_http_request *request, struct api_caller *ret_caller)
{
    struct api_caller caller = {0};
    pid_t pid;
    caller.is_local = net_http_peer(request, &caller.uid, &caller.gid, &pid);
    if (!caller.is_local) {
        const struct net_peer_cert *cert = net_http_peer_cert(request);
        (void)snprintf(caller.address, sizeof caller.address, "%s", net_http_address(request));
        if (cert != NULL && cert->verified) {
            caller.has_certificate = true;
            memcpy(caller.certificate, cert->fingerprint, sizeof caller.certificate);
        }
    }
    *ret_caller = caller;
}

static bool in_group(uid_t uid, gid_t gid, gid_t wanted)
{
    if (wanted == (gid_t)-1)
        return false;
    if (gid == wanted)
        return true;
    struct passwd pw, *found = NULL;
    char text[4096];
    if (getpwuid_r(uid, &pw, text, sizeof text, &found) != 0 || found == NULL)
        return false;
    gid_t groups[256];
    int len = (int)ARRAY_LEN(groups);
    if (getgrouplist(pw.pw_name, gid, groups, &len) < 0)
        len = (int)ARRAY_LEN(groups);
    for (int i = 0; i < len; i++) {
        if (groups[i] == wanted)
            return true;
    }
    return false;
}

/* Root, the daemon's own user, and members of the socket's group administrate; the name stays the
 * caller's own. */
static struct vault_actor local_actor(const struct api_config *config,
                                      const struct api_caller *caller)
{
    struct vault_actor actor = vault_actor_local(caller->uid, config->uid);
    if (actor.role == VAULT_ROLE_NOBODY && in_group(caller->uid, caller->gid, config->socket_group))
        actor.role = VAULT_ROLE_ADMINISTRATOR;
    return actor;
}

bool api_cookie(const struct net_http_request *request, const char *name,
                char ret_value[API_COOKIE_MAX])
{
    const char *at = net_http_header(request, "Cookie");
    size_t name_len = strlen(name);
    bool found = false;
    while (at != NULL && *at != '\0') {
        at += strspn(at, " ;");
        size_t len = strcspn(at, ";");
        if (len > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
            size_t value_len = len - name_len - 1;
            if (found || value_len >= API_COOKIE_MAX)
                return false;
            memcpy(ret_value, at + name_len + 1, value_len);
            ret_value[value_len] = '\0';
            found = true;
        }
        at += len;
    }
    return found;
}

static bool find_client(struct api *api, const struct api_caller *caller,
                        enum vault_client_kind kind, struct vault_client *ret_client)
{
    return caller->has_certificate &&
           vault_client_by_certificate(api_clients(api), caller->certificate, ret_client) ==
               ERR_OK &&
           ret_client->kind == kind;
}

enum err api_browser_admitted(struct api *api, const struct api_caller *caller,
                              struct err_detail *detail)
{
    struct vault_client client;
    if (!api_daemon(api)->settings->https.login_certificate ||
        find_client(api, caller, VAULT_CLIENT_BROWSER, &client))
        return ERR_OK;
    return err_set(detail, ERR_DENIED,
                   "people need a certificate here: claviger client create --kind browser --p12");
}

static enum err person(struct api *api, struct net_http_request *request,
                       const struct api_caller *caller, enum vault_action action,
                       const struct session *session, struct err_detail *detail)
{
    if (net_http_method(request) != NET_HTTP_GET &&
        !sessions_csrf_fits(session, net_http_header(request, "X-Claviger-CSRF")))
        return err_set(detail, ERR_DENIED, "the header X-Claviger-CSRF is missing or wrong");
    TRY(api_browser_admitted(api, caller, detail));
    if (session->must_change && action != VAULT_SESSION)
        return err_set(detail, ERR_DENIED, "the password must be changed first");
    return ERR_OK;
}

enum err api_who(struct api *api, struct net_http_request *request, const struct api_caller *caller,
                 enum vault_action action, struct vault_actor *ret_actor,
                 struct session *ret_session, struct err_detail *detail)
{
    char token[API_COOKIE_MAX];
    struct vault_client station;
    ret_session->number = 0;
    if (caller->is_local) {
        *ret_actor = local_actor(api_config(api), caller);
        return ERR_OK;
    }
    if (caller->is_plain) {
        char name[VAULT_ACTOR_MAX + 1];
        api_plain_name(caller->address, name, sizeof name);
        *ret_actor = vault_actor_station(name);
        return ERR_OK;
    }
    if (api_cookie(request, API_COOKIE, token) &&
        sessions_find(logins_sessions(api_logins(api)), token, logins_now(), ret_session) ==
            ERR_OK) {
        *ret_actor = vault_actor_person(ret_session->name, ret_session->role);
        return person(api, request, caller, action, ret_session, detail);
    }
    ret_session->number = 0;
    if (find_client(api, caller, VAULT_CLIENT_STATION, &station)) {
        *ret_actor = vault_actor_station(station.name);
        return ERR_OK;
    }
    return err_set(detail, ERR_UNAUTHENTICATED, "log in first");
}

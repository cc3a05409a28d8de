#include <stdio.h>
#include <string.h>

#include "api/events.h"
#include "api/json.h"
#include "api/login.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "base/clock.h"
#include "crypto/pwhash.h"

/* One's own session: seeing it, ending it, the password; and what happens meanwhile. */

static enum err get_session(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)detail;
    const struct vault_actor *actor = &call->fleet.actor;
    if (call->session->number != 0)
        return api_give(api_session_json(call->api, call->session), ret_answer);
    return api_give(json_pack("{s:s s:s s:n s:b s:n s:b}", "user", actor->name, "role",
                              vault_role_name(actor->role), "csrf", "must_change", 0, "expires",
                              "factory", api_factory_state(call->api) != NULL),
                    ret_answer);
}
API_HANDLER(get_session)

static enum err need_session(const struct api_call *call, struct err_detail *detail)
{
    return call->session->number != 0
               ? ERR_OK
               : err_set(detail, ERR_STATE, "there is no session on this connection");
}

static enum err note(struct api_call *call, uint16_t kind, const char *text,
                     struct err_detail *detail)
{
    const struct keeper_note event = {.kind = kind, .text = text};
    return keeper_note_event(call->fleet.keeper, call->fleet.actor.name, &event, detail);
}

static enum err log_out(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    TRY(need_session(call, detail));
    sessions_end(logins_sessions(api_logins(call->api)), call->session->number);
    api_events_sweep(call->api);
    TRY(net_http_set_header(call->http, "Set-Cookie",
                            API_COOKIE "=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"));
    TRY(net_http_set_header(call->http, "Clear-Site-Data", "\"cache\", \"storage\""));
    return note(call, AUDIT_LOGOUT, call->fleet.actor.name, detail);
}
API_HANDLER(log_out)

static enum err check_old(struct api_call *call, const char *old, struct err_detail *detail)
{
    struct vault_person person;
    char source[LOCKOUT_SOURCE_MAX];
    int64_t wait_s = 0;
    (void)snprintf(source, sizeof source, "session %llu",
                   (unsigned long long)call->session->number);
    enum err err = logins_check(api_logins(call->api), api_store(call->api), call->session->name,
                                bytes_str(old), source, true, &person, &wait_s, detail);
    if (err == ERR_RATE)
        return err_set(detail, ERR_ATTEMPTS, "wait %lld s", (long long)wait_s);
    /* 401 would say that the session is over */
    return err == ERR_UNAUTHENTICATED ? err_set(detail, ERR_DENIED, "the old password is wrong")
                                      : err;
}

static enum err set_password(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    const char *old = NULL, *new = NULL;
    char verifier[PWHASH_VERIFIER_MAX + 1];
    struct vault_person person;
    const bool no = false;
    struct session session = *call->session;
    struct sessions *sessions = logins_sessions(api_logins(call->api));
    TRY(need_session(call, detail));
    TRY(api_text(call, "old", &old, detail));
    TRY(api_text(call, "new", &new, detail));
    TRY(check_old(call, old, detail));
    if (strcmp(old, new) == 0)
        return err_set(detail, ERR_ARGUMENT, "the new password is the old one");
    TRY(vault_password_check(new, session.name, detail));
    TRY(pwhash_verifier_make(bytes_str(new), verifier, detail));
    const struct vault_person_change change = {.verifier = verifier, .must_change = &no};
    enum err err =
        vault_person_change(api_store(call->api), session.name, &change, &person, detail);
    explicit_bzero(verifier, sizeof verifier);
    TRY(err);
    sessions_end_person(sessions, session.name, session.number);
    sessions_changed(sessions, session.number);
    api_events_sweep(call->api);
    TRY(note(call, AUDIT_USER_CHANGED, "password", detail));
    session.must_change = false;
    return api_give(api_session_json(call->api, &session), ret_answer);
}
API_HANDLER(set_password)

/* ---- events ---- */

static bool may_listen(const struct vault_actor *actor, enum api_topic topic)
{
    static const enum vault_action actions[API_TOPIC_COUNT] = {
        [API_TOPIC_STATUS] = VAULT_STATUS,
        [API_TOPIC_LINE] = VAULT_FACTORY_READ,
        [API_TOPIC_JOBS] = VAULT_JOB,
        [API_TOPIC_AUDIT] = VAULT_AUDIT_READ,
    };
    return vault_may(actor, actions[topic], NULL) == ERR_OK;
}

static bool names(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; *at != '\0'; at += strcspn(at, ",")) {
        at += *at == ',';
        if (strcspn(at, ",") == len && strncmp(at, name, len) == 0)
            return true;
    }
    return false;
}

static size_t words(const char *list)
{
    size_t count = *list != '\0';
    for (; *list != '\0'; list++)
        count += *list == ',';
    return count;
}

/* `wanted` or, without, all that one may. */
static enum err choose_topics(const struct vault_actor *actor, const char *wanted,
                              unsigned *ret_topics, struct err_detail *detail)
{
    unsigned topics = 0;
    size_t found = 0;
    for (unsigned i = 0; i < API_TOPIC_COUNT; i++) {
        const char *name = api_topic_name((enum api_topic)i);
        bool named = wanted != NULL && names(wanted, name);
        bool may = may_listen(actor, (enum api_topic)i);
        found += named;
        if (named && !may)
            return err_set(detail, ERR_DENIED, "%s may not listen to '%s'", actor->name, name);
        if (may && (named || wanted == NULL))
            topics |= 1u << i;
    }
    if (wanted != NULL && (found == 0 || found != words(wanted)))
        return err_set(detail, ERR_ARGUMENT,
                       "topics '%.64s': a list of status, line, jobs and audit is wanted", wanted);
    *ret_topics = topics;
    return ERR_OK;
}

static enum err listen_events(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    struct events_listener listener = {.actor = &call->fleet.actor,
                                       .session = call->session->number,
                                       .last = net_http_header(call->http, "Last-Event-ID")};
    TRY(choose_topics(&call->fleet.actor, net_http_query(call->http, "topics"), &listener.topics,
                      detail));
    TRY(events_listen(api_events(call->api), call->http, &listener, detail));
    return ERR_STREAMED;
}
API_HANDLER(listen_events)

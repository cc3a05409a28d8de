#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/certify.h"
#include "api/json.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/pem.h"
#include "crypto/pwhash.h"
#include "vault/clients.h"

/* Machines that connect to the KMIP service: records of vault/clients.h, and their certificates. */

static const struct {
    const char *name;
    uint32_t bit;
} permissions[] = {
    {"read", VAULT_MAY_READ},     {"create", VAULT_MAY_CREATE},   {"use", VAULT_MAY_USE},
    {"manage", VAULT_MAY_MANAGE}, {"destroy", VAULT_MAY_DESTROY}, {"certify", VAULT_MAY_CERTIFY},
};

static const char *const kinds[] = {
    [VAULT_CLIENT_KMIP] = "kmip",
    [VAULT_CLIENT_STATION] = "station",
    [VAULT_CLIENT_BROWSER] = "browser",
};

static const char *kind_name(enum vault_client_kind kind)
{
    return (size_t)kind < ARRAY_LEN(kinds) && kinds[kind] != NULL ? kinds[kind] : "kmip";
}

static const char *const placements[] = {
    [VAULT_IN_STORE] = "vault",
    [VAULT_IN_TOKEN] = "token",
};

static struct vault_clients *clients_of(const struct api_call *call)
{
    return api_clients(call->api);
}

#define CERT_MAX  ((size_t)64 * 1024)
#define KMIP_PORT 5696

/* ---- a record as JSON ---- */

static json_t *permissions_json(uint32_t may)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(permissions); i++) {
        if ((may & permissions[i].bit) != 0)
            (void)json_array_append_new(list, json_string(permissions[i].name));
    }
    return list;
}

static json_t *groups_json(struct vault_clients *clients, const struct vault_eyes *eyes)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < eyes->count; i++) {
        char name[VAULT_CLIENT_NAME_MAX + 1];
        vault_group_name(clients, eyes->groups[i], name);
        (void)json_array_append_new(list, json_string(name));
    }
    return list;
}

static json_t *date_json(int64_t seconds)
{
    return json_of_time(seconds == VAULT_NO_DATE ? 0 : seconds);
}

static json_t *certificate_json(const uint8_t fingerprint[32])
{
    static const uint8_t none[32];
    if (memcmp(fingerprint, none, sizeof none) == 0)
        return json_null();
    return json_of_hex(fingerprint, 32);
}

static json_t *client_json(struct vault_clients *clients, const struct vault_client *client)
{
    const char *placement =
        client->placement < ARRAY_LEN(placements) ? placements[client->placement] : NULL;
    return json_pack(
        "{s:s s:s s:b s:o s:o s:s s:o s:b s:s s:b s:o s:o s:o}", "name", client->name, "kind",
        kind_name(client->kind), "enabled", client->disabled == VAULT_NO_DATE, "permissions",
        permissions_json(client->may), "groups", groups_json(clients, &client->eyes), "placement",
        placement != NULL ? placement : "vault", "certificate",
        certificate_json(client->certificate), "has_password", client->has_password, "notify",
        client->notify, "put", client->put, "created", date_json(client->created), "disabled",
        date_json(client->disabled), "not_after", date_json(client->not_after));
}

/* ---- reading ---- */

/* vault_client_each gives disabled ones too and is not called back from, so what is found is
 * copied: an administrator's list, not a request's path. */
struct found {
    const char *wanted; /* NULL: all */
    struct vault_client *list;
    size_t len, cap;
    bool failed;
};

static void take_client(void *ctx, const struct vault_client *client)
{
    struct found *found = ctx;
    if (found->failed || (found->wanted != NULL && strcmp(found->wanted, client->name) != 0))
        return;
    if (found->len == found->cap) {
        size_t cap = found->cap != 0 ? found->cap * 2 : 16;
        struct vault_client *list = reallocarray(found->list, cap, sizeof *list);
        found->failed = list == NULL;
        if (found->failed)
            return;
        found->list = list;
        found->cap = cap;
    }
    found->list[found->len++] = *client;
}

static enum err find(struct api_call *call, const char *name, struct vault_client *ret_client,
                     struct err_detail *detail)
{
    struct found found = {.wanted = name};
    vault_client_each(clients_of(call), take_client, &found);
    enum err err = found.failed     ? ERR_NO_MEMORY
                   : found.len == 0 ? err_set(detail, ERR_NOT_FOUND, "no client '%.64s'", name)
                                    : ERR_OK;
    if (err == ERR_OK)
        *ret_client = found.list[0];
    free(found.list);
    return err;
}

static enum err list_clients(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)detail;
    struct found found = {0};
    vault_client_each(clients_of(call), take_client, &found);
    AUTO(json_freep) json_t *array = json_array();
    for (size_t i = 0; i < found.len; i++)
        (void)json_array_append_new(array, client_json(clients_of(call), &found.list[i]));
    free(found.list);
    return found.failed ? ERR_NO_MEMORY
                        : api_give(json_pack("{s:O}", "clients", array), ret_answer);
}
API_HANDLER(list_clients)

static enum err show(struct api_call *call, const char *name, json_t **ret_answer,
                     struct err_detail *detail)
{
    struct vault_client client;
    TRY(find(call, name, &client, detail));
    return api_give(client_json(clients_of(call), &client), ret_answer);
}

static enum err show_client(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    return show(call, net_http_param(call->http, "name"), ret_answer, detail);
}
API_HANDLER(show_client)

/* ---- changing ---- */

static enum err note(struct api_call *call, uint16_t kind, const char *name, const char *what,
                     struct err_detail *detail)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%s%s%.400s", name, *what != '\0' ? ": " : "", what);
    const struct keeper_note event = {.kind = kind, .text = text};
    return keeper_note_event(call->fleet.keeper, call->fleet.actor.name, &event, detail);
}

/* What a body says of a record, and the memory it needs. */
struct wanted {
    struct vault_client_new spec;
    const char *groups[VAULT_GROUPS_MAX];
    char verifier[PWHASH_VERIFIER_MAX + 1];
    uint8_t fingerprint[32];
    bool put;
};

static enum err read_permissions(const struct api_call *call, uint32_t *ret_may,
                                 struct err_detail *detail)
{
    const json_t *list = json_object_get(call->body, "permissions"), *item;
    uint32_t may = 0;
    size_t i;
    if (list == NULL)
        return ERR_OK;
    if (!json_is_array(list) || json_array_size(list) == 0)
        return err_set(detail, ERR_ARGUMENT, "field 'permissions': a list of texts wanted");
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);
        uint32_t bit = 0;
        for (size_t k = 0; k < ARRAY_LEN(permissions); k++) {
            if (name != NULL && strcmp(permissions[k].name, name) == 0)
                bit = permissions[k].bit;
        }
        if (name != NULL && strcmp(name, "all") == 0)
            bit = VAULT_MAY_ALL;
        if (bit == 0)
            return err_set(detail, ERR_ARGUMENT,
                           "permission '%.32s': one of read, create, use, manage, destroy, "
                           "certify or all is wanted",
                           name != NULL ? name : "");
        may |= bit;
    }
    *ret_may = may;
    return ERR_OK;
}

static enum err read_groups(const struct api_call *call, struct wanted *wanted,
                            struct err_detail *detail)
{
    const json_t *list = json_object_get(call->body, "groups"), *item;
    size_t i;
    if (list == NULL)
        return ERR_OK;
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > VAULT_GROUPS_MAX)
        return err_set(detail, ERR_ARGUMENT, "field 'groups': 1 to %d texts wanted",
                       VAULT_GROUPS_MAX);
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);
        if (name == NULL || *name == '\0' || strlen(name) > VAULT_CLIENT_NAME_MAX)
            return err_set(detail, ERR_ARGUMENT, "field 'groups': a name has 1 to %d bytes",
                           VAULT_CLIENT_NAME_MAX);
        wanted->groups[wanted->spec.groups_len++] = name;
    }
    wanted->spec.groups = wanted->groups;
    return ERR_OK;
}

static enum err read_placement(const struct api_call *call, uint32_t *ret_placement,
                               struct err_detail *detail)
{
    const char *text = NULL;
    TRY(api_text_optional(call, "placement", &text, detail));
    if (text == NULL)
        return ERR_OK;
    for (uint32_t i = VAULT_IN_STORE; i < ARRAY_LEN(placements); i++) {
        if (strcmp(text, placements[i]) == 0) {
            *ret_placement = i;
            return ERR_OK;
        }
    }
    return err_set(detail, ERR_ARGUMENT, "placement '%.32s': vault or token is wanted", text);
}

/* "host:port", a name or an address; "[2001:db8::1]:5700". */
static enum err check_notify(const char *text, size_t cap, struct err_detail *detail)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;
    if (*text == '\0')
        return ERR_OK;
    if (colon == NULL || colon == text || end == colon + 1 || *end != '\0' || port == 0 ||
        port > UINT16_MAX || strlen(text) >= cap || strpbrk(text, " \t\r\n/@") != NULL)
        return err_set(detail, ERR_ARGUMENT, "notify '%.64s': HOST:PORT is wanted", text);
    return ERR_OK;
}

static enum err read_put(const struct api_call *call, struct wanted *wanted,
                         struct err_detail *detail)
{
    const json_t *put = json_object_get(call->body, "put");
    if (put == NULL)
        return ERR_OK;
    if (!json_is_boolean(put))
        return err_set(detail, ERR_ARGUMENT, "field 'put': true or false wanted");
    wanted->put = json_is_true(put);
    wanted->spec.put = &wanted->put;
    return ERR_OK;
}

static enum err read_wanted(const struct api_call *call, struct wanted *wanted,
                            struct err_detail *detail)
{
    struct vault_client_new *spec = &wanted->spec;
    const char *password = NULL, *certificate = NULL;
    TRY(read_permissions(call, &spec->may, detail));
    TRY(read_groups(call, wanted, detail));
    TRY(read_placement(call, &spec->placement, detail));
    TRY(api_text_optional(call, "notify", &spec->notify, detail));
    if (spec->notify != NULL)
        TRY(check_notify(spec->notify, sizeof((struct vault_client *)0)->notify, detail));
    TRY(read_put(call, wanted, detail));
    TRY(api_text_optional(call, "certificate", &certificate, detail));
    if (certificate != NULL) {
        TRY(api_fingerprint(certificate, wanted->fingerprint, &spec->not_after, detail));
        spec->certificate = wanted->fingerprint;
    }
    TRY(api_text_optional(call, "password", &password, detail));
    if (password == NULL)
        return ERR_OK;
    TRY(pwhash_verifier_make(bytes_str(password), wanted->verifier, detail));
    spec->password_verifier = wanted->verifier;
    return ERR_OK;
}

static enum err certify(struct api_call *call, const char *name, const char *request_pem,
                        struct api_certified *ret_made, struct err_detail *detail)
{
    char who[VAULT_CLIENT_NAME_MAX + 16];
    uint64_t days = API_DAYS_DEFAULT;
    TRY(api_number_optional(call, "days", API_DAYS_MAX, &days, detail));
    if (days == 0)
        return err_set(detail, ERR_ARGUMENT, "field 'days': at least 1");
    (void)snprintf(who, sizeof who, "client %s", name);
    const struct api_certify wanted = {.who = who,
                                       .request_pem = request_pem,
                                       .profile = X509_CLIENT,
                                       .cn = name,
                                       .days = (unsigned)days};
    return api_certify(call, &wanted, ret_made, detail);
}

/* The port that the KMIP service says it listens on ("tls 127.0.0.1:5696, 3 connections"); 0: it
 * does not run. */
static unsigned long kmip_port(const struct api_daemon *daemon)
{
    const char *name = NULL;
    char text[256];
    for (unsigned n = 0;
         daemon->service != NULL && daemon->service(daemon->ctx, n, &name, text, sizeof text);
         n++) {
        if (strcmp(name, "kmip") != 0)
            continue;
        text[strcspn(text, ",")] = '\0';
        const char *colon = strrchr(text, ':');
        return colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;
    }
    return 0;
}

/* Where clients find this server: the first name in its certificate. */
static json_t *server_json(const struct api_daemon *daemon)
{
    AUTO(buf_done) struct buf pem = {0};
    AUTO(buf_done) struct buf der = {0};
    struct x509_info info;
    unsigned long port = kmip_port(daemon);
    if (daemon->cert_file == NULL || file_read(daemon->cert_file, CERT_MAX, &pem, NULL) != ERR_OK)
        return json_null();
    struct bytes text = buf_view(&pem);
    if (pem_decode("CERTIFICATE", &text, &der, NULL) != ERR_OK ||
        x509_cert_parse(buf_view(&der), &info, NULL) != ERR_OK)
        return json_null();
    struct bytes name = info.dns_count != 0 ? info.dns[0] : info.cn;
    return json_pack("{s:s# s:I}", "host", (const char *)name.data, name.len, "port",
                     (json_int_t)(port != 0 && port <= UINT16_MAX ? port : KMIP_PORT));
}

static void put_certificate(const struct api_call *call, json_t *answer,
                            const struct api_certified *made)
{
    (void)json_object_set_new(answer, "server", server_json(api_daemon(call->api)));
    (void)json_object_set_new(answer, "certificate_pem",
                              json_stringn((const char *)made->pem.data, made->pem.len));
    (void)json_object_set_new(answer, "ca_pem",
                              json_stringn((const char *)made->ca_pem.data, made->ca_pem.len));
    (void)json_object_set_new(answer, "not_after", json_of_time(made->not_after));
}

/* It goes into a certificate's subject, into audit records and into file names. */
static enum err check_name(const char *name, struct err_detail *detail)
{
    size_t len = strlen(name);
    bool good = len != 0 && len <= VAULT_CLIENT_NAME_MAX && name[0] != '.' && name[0] != '-';
    for (size_t i = 0; i < len && good; i++) {
        char c = name[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               strchr("._-@", c) != NULL;
    }
    return good ? ERR_OK
                : err_set(detail, ERR_ARGUMENT,
                          "name '%.64s': 1 to %d letters, digits or any of . _ - @ are wanted",
                          name, VAULT_CLIENT_NAME_MAX);
}

static enum err read_kind(const struct api_call *call, struct vault_client_new *spec,
                          struct err_detail *detail)
{
    const char *kind = kinds[VAULT_CLIENT_KMIP];
    TRY(api_text_optional(call, "kind", &kind, detail));
    for (size_t i = VAULT_CLIENT_KMIP; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i], kind) == 0)
            spec->kind = (enum vault_client_kind)i;
    }
    if (spec->kind == 0)
        return err_set(detail, ERR_ARGUMENT, "kind '%.32s': kmip, station or browser is wanted",
                       kind);
    if (spec->kind == VAULT_CLIENT_KMIP)
        spec->may = VAULT_MAY_ALL;
    return ERR_OK;
}

/* What only the KMIP service knows. */
static enum err refuse_rest(const struct api_call *call, enum vault_client_kind kind,
                            struct err_detail *detail)
{
    static const char *const rest[] = {"permissions", "groups", "placement",
                                       "notify",      "put",    "password"};
    for (size_t i = 0; kind != VAULT_CLIENT_KMIP && i < ARRAY_LEN(rest); i++) {
        if (json_object_get(call->body, rest[i]) != NULL)
            return err_set(detail, ERR_ARGUMENT, "a %s has no '%s'", kind_name(kind), rest[i]);
    }
    return ERR_OK;
}

/* Found before it is certified: a certificate for a name that exists would be one too many. */
static enum err check_new(struct api_call *call, const char *name, struct err_detail *detail)
{
    struct vault_client known;
    TRY(check_name(name, detail));
    if (find(call, name, &known, NULL) == ERR_OK)
        return err_set(detail, ERR_EXISTS, "client '%s'", name);
    return ERR_OK;
}

static enum err create_client(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct wanted wanted = {.spec = {.placement = VAULT_IN_STORE}};
    struct vault_client_new *spec = &wanted.spec;
    const char *request = NULL;
    AUTO(api_certified_done) struct api_certified made = {0};
    TRY(api_text(call, "name", &spec->name, detail));
    TRY(read_kind(call, spec, detail));
    TRY(refuse_rest(call, spec->kind, detail));
    TRY(check_new(call, spec->name, detail));
    TRY(read_wanted(call, &wanted, detail));
    TRY(api_text_optional(call, "request", &request, detail));
    if (request != NULL && spec->certificate != NULL)
        return err_set(detail, ERR_ARGUMENT, "a request or a certificate is wanted, not both");
    if (request == NULL && spec->certificate == NULL && spec->password_verifier == NULL)
        return err_set(detail, ERR_ARGUMENT,
                       "a client needs a certificate request, a certificate or a password");
    if (request != NULL) {
        TRY(certify(call, spec->name, request, &made, detail));
        spec->certificate = made.fingerprint;
        spec->not_after = made.not_after;
    }
    struct vault_client client;
    TRY(vault_client_create(clients_of(call), spec, &client, detail));
    TRY(note(call, AUDIT_CLIENT_CREATED, spec->name, "", detail));
    AUTO(json_freep) json_t *answer = client_json(clients_of(call), &client);
    if (answer == NULL)
        return ERR_NO_MEMORY;
    if (request != NULL)
        put_certificate(call, answer, &made);
    return api_give(TAKE(answer), ret_answer);
}
API_HANDLER(create_client)

/* "permissions, groups": which fields were changed; never a value, which may be secret. */
static void changed_fields(const json_t *body, char *to, size_t cap)
{
    const char *name;
    json_t *value;
    size_t used = 0;
    *to = '\0';
    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        int n = snprintf(to + used, cap - used, "%s%.32s", used != 0 ? ", " : "", name);
        used += n > 0 && (size_t)n < cap - used ? (size_t)n : 0;
    }
}

static enum err change_client(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct wanted wanted = {0};
    const char *name = net_http_param(call->http, "name");
    struct vault_client before;
    char fields[256];
    TRY(find(call, name, &before, detail));
    TRY(refuse_rest(call, before.kind, detail));
    TRY(read_wanted(call, &wanted, detail));
    TRY(vault_client_change(clients_of(call), name, &wanted.spec, detail));
    changed_fields(call->body, fields, sizeof fields);
    TRY(note(call, AUDIT_CLIENT_CHANGED, name, fields, detail));
    return show(call, name, ret_answer, detail);
}
API_HANDLER(change_client)

/* The certificate of before is known to nobody from here on, which is what revokes it. */
static enum err note_revoked(struct api_call *call, const struct vault_client *client,
                             const char *why, struct err_detail *detail)
{
    static const uint8_t none[32];
    char text[160], hex[65];
    if (memcmp(client->certificate, none, sizeof none) == 0)
        return ERR_OK;
    hex_encode(BYTES(client->certificate), hex);
    (void)snprintf(text, sizeof text, "%s, SHA-256 %s", why, hex);
    return note(call, AUDIT_CERTIFICATE_REVOKED, client->name, text, detail);
}

/* POST {"request": "PEM certificate request", "days": N} */
static enum err certify_client(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    const char *name = net_http_param(call->http, "name"), *request = NULL;
    struct vault_client client;
    struct vault_client_new spec = {0};
    AUTO(api_certified_done) struct api_certified made = {0};
    TRY(api_text(call, "request", &request, detail));
    TRY(find(call, name, &client, detail));
    TRY(certify(call, name, request, &made, detail));
    spec.certificate = made.fingerprint;
    spec.not_after = made.not_after;
    TRY(vault_client_change(clients_of(call), name, &spec, detail));
    TRY(note_revoked(call, &client, "replaced", detail));
    AUTO(json_freep) json_t *answer = NULL;
    TRY(show(call, name, &answer, detail));
    put_certificate(call, answer, &made);
    return api_give(TAKE(answer), ret_answer);
}
API_HANDLER(certify_client)

static enum err set_disabled(struct api_call *call, bool disable, json_t **ret_answer,
                             struct err_detail *detail)
{
    const char *name = net_http_param(call->http, "name");
    struct vault_client client;
    TRY(find(call, name, &client, detail));
    TRY(vault_client_disable(clients_of(call), name, disable, detail));
    TRY(note(call, AUDIT_CLIENT_CHANGED, name, disable ? "disabled" : "enabled", detail));
    return show(call, name, ret_answer, detail);
}

static enum err disable_client(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    return set_disabled(call, true, ret_answer, detail);
}
API_HANDLER(disable_client)

static enum err enable_client(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    return set_disabled(call, false, ret_answer, detail);
}
API_HANDLER(enable_client)

static enum err remove_client(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    const char *name = net_http_param(call->http, "name");
    struct vault_client client;
    TRY(find(call, name, &client, detail));
    TRY(vault_client_remove(clients_of(call), name, detail));
    TRY(note_revoked(call, &client, "removed", detail));
    return note(call, AUDIT_CLIENT_REMOVED, name, "", detail);
}
API_HANDLER(remove_client)

#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/hex.h"
#include "fleet/network.h"

#define TIME_LAST INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static json_t *key_json(const struct fleet_key_version *key)
{
    return json_pack("{s:s s:I s:s s:o s:o}", "key", fleet_key_kind_name(key->kind), "version",
                     (json_int_t)key->version, "state", fleet_key_state_name(key->state), "created",
                     json_of_time(key->created), "activates", json_of_time(key->activates));
}

static json_t *network_json(const struct fleet_network *n)
{
    json_t *keys = json_array();
    for (uint32_t i = 0; i < n->keys; i++)
        (void)json_array_append_new(keys, key_json(&n->key[i]));
    return json_pack(
        "{s:s s:s s:i s:o s:I s:o s:{s:I s:I s:I} s:i s:b s:o}", "name", n->name, "realm", n->realm,
        "id_bits", (int)n->id_bits, "created", json_of_time(n->created), "passphrase_version",
        (json_int_t)n->passphrase_version, "passphrase_salt", json_of_hex(n->salt, sizeof n->salt),
        "argon2id", "passes", (json_int_t)n->argon_passes, "memory_kib",
        (json_int_t)n->argon_memory_kib, "lanes", (json_int_t)n->argon_lanes, "domain_version",
        (int)n->domain_version, "resealing", n->resealing, "keys", keys);
}

static enum err show(struct api_call *call, const char *name, json_t **ret_answer,
                     struct err_detail *detail)
{
    struct fleet_network *network = calloc(1, sizeof *network);
    if (network == NULL)
        return ERR_NO_MEMORY;
    enum err err = fleet_network_show(&call->fleet, name, detail, network);
    json_t *json = err == ERR_OK ? network_json(network) : NULL;
    free(network);
    TRY(err);
    return api_give(json, ret_answer);
}

static enum err add_network(void *ctx, const struct fleet_network *network,
                            struct err_detail *detail)
{
    (void)detail;
    return json_array_append_new(ctx, network_json(network)) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_all(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *list = json_array();
    TRY(fleet_network_list(&call->fleet, add_network, list, detail));
    return api_give(json_pack("{s:O}", "networks", list), ret_answer);
}

static enum err add_counts(struct api_call *call, json_t *network, struct err_detail *detail)
{
    uint64_t counts[3] = {0};
    TRY(fleet_network_count(&call->fleet, json_string_value(json_object_get(network, "name")),
                            detail, counts));
    json_t *json = json_pack("{s:I s:I s:I}", "active", (json_int_t)counts[0], "revoked",
                             (json_int_t)counts[1], "destroyed", (json_int_t)counts[2]);
    return json_object_set_new(network, "nodes", json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_networks(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *answer = NULL;
    size_t i;
    json_t *network;
    TRY(list_all(call, &answer, detail));
    json_array_foreach(json_object_get(answer, "networks"), i, network)
    {
        if (net_http_query(call->http, "counts") == NULL)
            break;
        TRY(add_counts(call, network, detail));
    }
    *ret_answer = TAKE(answer);
    return ERR_OK;
}
API_HANDLER(list_networks)

static enum err create_network(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    struct fleet_network_create request = {0};
    const char *passphrase = NULL;
    uint64_t id_bits = 32;
    uint32_t id = 0;
    TRY(api_text(call, "name", &request.name, detail));
    TRY(api_text(call, "realm", &request.realm, detail));
    TRY(api_text(call, "passphrase", &passphrase, detail));
    TRY(api_number_optional(call, "id_bits", 64, &id_bits, detail));
    request.id_bits = (unsigned)id_bits;
    request.passphrase = bytes_str(passphrase);
    TRY(fleet_network_create(&call->fleet, &request, detail, &id));
    return show(call, request.name, ret_answer, detail);
}
API_HANDLER(create_network)

static enum err show_network(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(show(call, net_http_param(call->http, "name"), &answer, detail));
    if (net_http_query(call->http, "counts") != NULL)
        TRY(add_counts(call, answer, detail));
    *ret_answer = TAKE(answer);
    return ERR_OK;
}
API_HANDLER(show_network)

static enum err destroy_network(struct api_call *call, json_t **ret_answer,
                                struct err_detail *detail)
{
    (void)ret_answer;
    const char *confirm = net_http_query(call->http, "confirm");
    return fleet_network_destroy(&call->fleet, net_http_param(call->http, "name"),
                                 confirm != NULL ? confirm : "", detail);
}
API_HANDLER(destroy_network)

static enum err key_kind(const struct api_call *call, enum fleet_key_kind *ret_kind,
                         struct err_detail *detail)
{
    const char *name = NULL;
    TRY(api_text(call, "key", &name, detail));
    if (fleet_key_kind_parse(name, ret_kind) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "field 'key': gateway, cdld or base wanted, not '%s'",
                       name);
    return ERR_OK;
}

static enum err rotate_key(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    enum fleet_key_kind kind;
    uint64_t activates = 0;
    uint32_t version = 0;
    TRY(key_kind(call, &kind, detail));
    TRY(api_number_optional(call, "activates", TIME_LAST, &activates, detail));
    TRY(fleet_network_rotate(&call->fleet, net_http_param(call->http, "name"), kind,
                             (int64_t)activates, detail, &version));
    return api_give(
        json_pack("{s:s s:I}", "key", fleet_key_kind_name(kind), "version", (json_int_t)version),
        ret_answer);
}
API_HANDLER(rotate_key)

static enum err retire_key(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    enum fleet_key_kind kind;
    uint64_t version = 0;
    bool destroy = false;
    TRY(key_kind(call, &kind, detail));
    TRY(api_number(call, "version", UINT32_MAX, &version, detail));
    TRY(api_flag(call, "destroy", &destroy, detail));
    return fleet_network_retire(&call->fleet, net_http_param(call->http, "name"), kind,
                                (uint32_t)version, destroy, detail);
}
API_HANDLER(retire_key)

static enum err set_passphrase(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    (void)ret_answer;
    const char *passphrase = NULL;
    TRY(api_text(call, "passphrase", &passphrase, detail));
    return fleet_network_set_passphrase(&call->fleet, net_http_param(call->http, "name"),
                                        bytes_str(passphrase), detail);
}
API_HANDLER(set_passphrase)

/* Gateway key files are small: they travel as hexadecimal in JSON. */
static enum err set_hex(json_t *object, const char *name, struct bytes value)
{
    char *text = malloc(2 * value.len + 1);
    if (text == NULL)
        return ERR_NO_MEMORY;
    hex_encode(value, text);
    int failed = json_object_set_new(object, name, json_string(text));
    free(text);
    return failed == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err get_hex(const struct api_call *call, const char *field, struct buf *to,
                        struct err_detail *detail)
{
    const char *text = NULL;
    size_t len = 0;
    TRY(api_text(call, field, &text, detail));
    TRY(buf_reserve(to, strlen(text) / 2 + 1));
    if (hex_decode(bytes_str(text), to->data, to->cap, &len) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "field '%s': hexadecimal digits wanted", field);
    to->len = len;
    return ERR_OK;
}

static enum err export_gateway_keys(struct api_call *call, json_t **ret_answer,
                                    struct err_detail *detail)
{
    AUTO(buf_done) struct buf file = {0};
    AUTO(buf_done) struct buf signature = {0};
    TRY(fleet_gateway_export(&call->fleet, net_http_param(call->http, "name"), bytes_of("", 0),
                             &file, &signature, detail));
    AUTO(json_freep) json_t *json = json_object();
    TRY(set_hex(json, "file", buf_view(&file)));
    TRY(set_hex(json, "signature", buf_view(&signature)));
    *ret_answer = TAKE(json);
    return ERR_OK;
}
API_HANDLER(export_gateway_keys)

static enum err import_gateway_keys(struct api_call *call, json_t **ret_answer,
                                    struct err_detail *detail)
{
    AUTO(buf_done) struct buf file = {0};
    AUTO(buf_done) struct buf signature = {0};
    const char *signer = NULL, *passphrase = NULL;
    TRY(get_hex(call, "file", &file, detail));
    TRY(get_hex(call, "signature", &signature, detail));
    TRY(api_text(call, "signer", &signer, detail));
    TRY(api_text(call, "passphrase", &passphrase, detail));
    const struct fleet_gateway_import request = {.name = net_http_param(call->http, "name"),
                                                 .file = buf_view(&file),
                                                 .signature = buf_view(&signature),
                                                 .signer_pem = bytes_str(signer),
                                                 .passphrase = bytes_str(passphrase)};
    struct fleet_gateway_result result;
    TRY(fleet_gateway_import(&call->fleet, &request, detail, &result));
    return api_give(json_pack("{s:s s:b s:I s:I}", "name", result.name, "created", result.created,
                              "added", (json_int_t)result.added, "unchanged",
                              (json_int_t)result.unchanged),
                    ret_answer);
}
API_HANDLER(import_gateway_keys)

static enum err list_domains(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *networks = NULL;
    TRY(list_all(call, &networks, detail));
    json_t *list = json_array();
    size_t i;
    const json_t *network;
    json_array_foreach(json_object_get(networks, "networks"), i, network)
    {
        (void)json_array_append_new(
            list, json_pack("{s:O s:O s:O}", "network", json_object_get(network, "name"), "version",
                            json_object_get(network, "domain_version"), "resealing",
                            json_object_get(network, "resealing")));
    }
    api_add_domains(call->api, list);
    return api_give(json_pack("{s:o}", "domains", list), ret_answer);
}
API_HANDLER(list_domains)

static enum err rotate_domain_job(struct job *job, struct api *api, const struct fleet_call *call,
                                  json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    (void)api;
    const char *name = json_string_value(json_object_get(spec, "network"));
    struct fleet_network *network = calloc(1, sizeof *network);
    if (network == NULL)
        return ERR_NO_MEMORY;
    enum err err = fleet_network_show(call, name, detail, network);
    /* one that was cut off is finished first; only a whole one is followed by the next version */
    if (err == ERR_OK && !network->resealing)
        err = fleet_network_rotate_domain(call, name, detail);
    if (err == ERR_OK)
        err = fleet_network_reseal(call, name, detail);
    if (err == ERR_OK)
        err = fleet_network_show(call, name, detail, network);
    if (err == ERR_OK)
        *ret_result =
            json_pack("{s:s s:i}", "network", name, "version", (int)network->domain_version);
    free(network);
    return err;
}

static enum err rotate_domain(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *known = NULL;
    TRY(show(call, net_http_param(call->http, "name"), &known, detail));
    (void)json_object_set_new(call->body, "network",
                              json_string(net_http_param(call->http, "name")));
    return api_start_job(call, "rotate-domain", rotate_domain_job, ret_answer);
}
API_HANDLER(rotate_domain)

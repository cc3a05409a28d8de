#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/json.h"
#include "api/resources.h"
#include "fleet/network.h"
#include "fleet/node.h"

#define REASON_MAX   120
#define PAGE_MAX     10000
#define PAGE_DEFAULT 100

static json_t *node_json(const struct fleet_node *node, unsigned id_bits)
{
    return json_pack("{s:o s:s s:I s:I s:I}", "id", json_of_id(node->id, id_bits), "state",
                     fleet_node_state_name(node->state), "batch", (json_int_t)node->batch,
                     "reprovisioned", (json_int_t)node->reprovisioned, "epoch",
                     (json_int_t)node->epoch);
}

static enum err add_node(void *ctx, const struct fleet_node *node, unsigned id_bits,
                         struct err_detail *detail)
{
    (void)detail;
    return json_array_append_new(ctx, node_json(node, id_bits)) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err id_bits_of(struct api_call *call, const char *name, unsigned *ret_bits,
                           struct err_detail *detail)
{
    struct fleet_network *network = calloc(1, sizeof *network);
    if (network == NULL)
        return ERR_NO_MEMORY;
    enum err err = fleet_network_show(&call->fleet, name, detail, network);
    *ret_bits = network->id_bits;
    free(network);
    return err;
}

/* One page; the next starts behind the last id. */
static enum err list_nodes(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct fleet_node_filter filter = {.network = net_http_param(call->http, "name")};
    uint64_t batch = 0;
    unsigned id_bits = 32;
    TRY(id_bits_of(call, filter.network, &id_bits, detail));
    TRY(api_query_number(call, "limit", PAGE_MAX, PAGE_DEFAULT, &filter.max, detail));
    TRY(api_query_number(call, "batch", UINT32_MAX, 0, &batch, detail));
    filter.by_batch = net_http_query(call->http, "batch") != NULL;
    filter.batch = (uint32_t)batch;
    const char *state = net_http_query(call->http, "state");
    if (state != NULL && fleet_node_state_parse(state, &filter.state) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "state '%s': active, revoked or destroyed wanted",
                       state);
    const char *from = net_http_query(call->http, "from");
    if (from != NULL && fleet_node_id_parse(bytes_str(from), id_bits, &filter.first) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "id '%s': hexadecimal digits of %u bits wanted", from,
                       id_bits);
    AUTO(json_freep) json_t *list = json_array();
    TRY(fleet_node_list(&call->fleet, &filter, add_node, list, detail));
    return api_give(json_pack("{s:O s:i}", "nodes", list, "id_bits", (int)id_bits), ret_answer);
}
API_HANDLER(list_nodes)

static json_t *history_json(const struct fleet_node_info *info)
{
    json_t *list = json_array();
    uint32_t len = info->versions < FLEET_HISTORY_MAX ? info->versions : FLEET_HISTORY_MAX;
    for (uint32_t i = 0; i < len; i++) {
        const struct fleet_node_version *v = &info->history[i];
        (void)json_array_append_new(
            list, json_pack("{s:I s:I s:I s:o}", "reprovisioned", (json_int_t)v->reprovisioned,
                            "batch", (json_int_t)v->batch, "epoch", (json_int_t)v->epoch,
                            "replaced", json_of_time(v->replaced)));
    }
    return list;
}

static enum err show_node(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    const char *network = net_http_param(call->http, "name");
    const char *text = net_http_param(call->http, "id");
    unsigned id_bits = 32;
    uint64_t id = 0;
    TRY(id_bits_of(call, network, &id_bits, detail));
    if (fleet_node_id_parse(bytes_str(text), id_bits, &id) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "id '%s': hexadecimal digits of %u bits wanted", text,
                       id_bits);
    struct fleet_node_info *info = calloc(1, sizeof *info);
    if (info == NULL)
        return ERR_NO_MEMORY;
    enum err err = fleet_node_show(&call->fleet, network, id, detail, info);
    json_t *json = NULL;
    if (err == ERR_OK) {
        json = node_json(&info->node, info->id_bits);
        (void)json_object_set_new(json, "written", json_of_time(info->written));
        (void)json_object_set_new(json, "operation", json_string(info->operation));
        (void)json_object_set_new(json, "actor", json_string(info->actor));
        (void)json_object_set_new(json, "versions", json_integer((json_int_t)info->versions));
        (void)json_object_set_new(json, "history", history_json(info));
    }
    free(info);
    TRY(err);
    return api_give(json, ret_answer);
}
API_HANDLER(show_node)

/* It is shown at terminals, and audit records have a limit. */
static enum err check_reason(const char *reason, struct err_detail *detail)
{
    if (strlen(reason) > REASON_MAX)
        return err_set(detail, ERR_ARGUMENT, "field 'reason': at most %d bytes", REASON_MAX);
    for (const char *c = reason; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return err_set(detail, ERR_ARGUMENT, "field 'reason': no control characters");
    }
    return ERR_OK;
}

static enum err change_nodes(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    static const char *const names[] = {"revoke", "reinstate", "destroy"};
    const char *network = net_http_param(call->http, "name");
    const char *change = NULL, *ids = NULL, *reason = NULL;
    TRY(api_text(call, "change", &change, detail));
    TRY(api_text(call, "ids", &ids, detail));
    TRY(api_text_optional(call, "reason", &reason, detail));
    unsigned step = 0;
    while (step < ARRAY_LEN(names) && strcmp(names[step], change) != 0)
        step++;
    if (step == ARRAY_LEN(names))
        return err_set(detail, ERR_ARGUMENT, "field 'change': revoke, reinstate or destroy wanted");
    unsigned id_bits = 32;
    struct fleet_range range;
    uint64_t changed = 0;
    TRY(id_bits_of(call, network, &id_bits, detail));
    TRY(fleet_range_parse(bytes_str(ids), id_bits, &range, detail));
    if (reason != NULL) {
        char note[384];
        TRY(check_reason(reason, detail));
        (void)snprintf(note, sizeof note, "%s 0x%" PRIx64 "-0x%" PRIx64 " in %s: %s", change,
                       range.first, range.last, network, reason);
        TRY(keeper_note(call->fleet.keeper, call->fleet.actor.name, note, detail));
    }
    TRY(fleet_node_change(&call->fleet, network, range, (enum fleet_node_change)step, detail,
                          &changed));
    return api_give(json_pack("{s:I}", "changed", (json_int_t)changed), ret_answer);
}
API_HANDLER(change_nodes)

static enum err generate_job(struct job *job, struct api *api, const struct fleet_call *call,
                             json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    (void)api;
    struct fleet_node_generate request = {
        .network = json_string_value(json_object_get(spec, "network")),
        .range = {.first = strtoull(json_string_value(json_object_get(spec, "first")), NULL, 16),
                  .last = strtoull(json_string_value(json_object_get(spec, "last")), NULL, 16)},
        .batch = (uint32_t)json_integer_value(json_object_get(spec, "batch")),
        .random = json_is_true(json_object_get(spec, "random")),
        .reprovision = json_is_true(json_object_get(spec, "reprovision"))};
    struct fleet_node_generated made = {0};
    TRY(fleet_node_generate(call, &request, detail, &made));
    *ret_result = json_pack("{s:I s:I s:I}", "created", (json_int_t)made.created, "reprovisioned",
                            (json_int_t)made.reprovisioned, "epoch", (json_int_t)made.epoch);
    return ERR_OK;
}

static enum err generate_nodes(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    const char *network = net_http_param(call->http, "name");
    const char *ids = NULL;
    uint64_t batch = 0;
    bool flag = false;
    unsigned id_bits = 32;
    struct fleet_range range;
    TRY(api_text(call, "ids", &ids, detail));
    TRY(api_number(call, "batch", UINT32_MAX, &batch, detail));
    TRY(api_flag(call, "random", &flag, detail));
    TRY(api_flag(call, "reprovision", &flag, detail));
    TRY(id_bits_of(call, network, &id_bits, detail));
    TRY(fleet_range_parse(bytes_str(ids), id_bits, &range, detail));
    (void)json_object_set_new(call->body, "network", json_string(network));
    (void)json_object_set_new(call->body, "first", json_of_id(range.first, id_bits));
    (void)json_object_set_new(call->body, "last", json_of_id(range.last, id_bits));
    return api_start_job(call, "generate", generate_job, ret_answer);
}
API_HANDLER(generate_nodes)

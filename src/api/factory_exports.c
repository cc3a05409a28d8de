#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/factory_json.h"
#include "api/json.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "factory/export.h"

#define LIMIT_DEFAULT 100

static json_t *text_or_null(const char *text)
{
    return *text != '\0' ? json_string(text) : json_null();
}

static enum err append_export(void *ctx, const struct factory_export_info *info)
{
    json_t *json = json_pack(
        "{s:I s:o s:s s:I s:o s:o s:o s:o s:o s:b}", "id", (json_int_t)info->id, "time",
        json_of_time(info->made), "by", info->made_by, "devices", (json_int_t)info->devices,
        "config_id", info->has_config ? json_of_config(info->config_id) : json_null(), "batches",
        text_or_null(info->batches), "nodes", text_or_null(info->nodes), "from",
        json_of_time(info->has_from ? info->from : 0), "to",
        json_of_time(info->has_to ? info->to : 0), "only_new", info->only_new);
    return json_array_append_new(ctx, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_exports(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    uint64_t before = 0, limit = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(api_query_number(call, "after", INT64_MAX, 0, &before, detail));
    TRY(api_query_number(call, "limit", FACTORY_PAGE_MAX, LIMIT_DEFAULT, &limit, detail));
    AUTO(json_freep) json_t *array = json_array();
    TRY(factory_export_list(factory, before, (unsigned)limit, NULL, append_export, array, detail));
    size_t len = json_array_size(array);
    const json_t *last = json_array_get(array, len > 0 ? len - 1 : 0);
    bool more = len > 0 && len == limit;
    return api_give(json_pack("{s:O s:o}", "exports", array, "next",
                              more ? json_deep_copy(json_object_get(last, "id")) : json_null()),
                    ret_answer);
}
API_HANDLER(list_exports)

/* A request and what its pointers point to. */
struct wanted {
    struct factory_export_request request;
    uint64_t config;
    int64_t from, to;
};

static enum err body_time(const struct api_call *call, const char *field, int64_t *value,
                          const int64_t **ret_pointer, struct err_detail *detail)
{
    const char *text = NULL;
    TRY(api_text_optional(call, field, &text, detail));
    if (text == NULL || *text == '\0')
        return ERR_OK;
    TRY(json_read_time(field, text, strcmp(field, "to") == 0, value, detail));
    *ret_pointer = value;
    return ERR_OK;
}

/* A selection that is written wrong would select everything. */
static enum err check_fields(const struct api_call *call, struct err_detail *detail)
{
    static const char *const known[] = {"config_id", "batches",  "nodes",     "from",
                                        "to",        "only_new", "count_only"};
    const char *field;
    json_t *value;
    json_object_foreach(call->body, field, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(known) && strcmp(field, known[i]) != 0)
            i++;
        if (i == ARRAY_LEN(known))
            return err_set(detail, ERR_ARGUMENT, "field '%.40s': nothing to select devices by",
                           field);
    }
    return ERR_OK;
}

static enum err read_request(const struct api_call *call, struct wanted *wanted,
                             struct err_detail *detail)
{
    const char *config = NULL;
    struct factory_export_request *request = &wanted->request;
    TRY(check_fields(call, detail));
    request->batches = request->nodes = "";
    TRY(api_text_optional(call, "config_id", &config, detail));
    if (config != NULL && *config != '\0') {
        TRY(factory_parse_id("config_id", config, &wanted->config, detail));
        request->config_id = &wanted->config;
    }
    TRY(api_text_optional(call, "batches", &request->batches, detail));
    TRY(api_text_optional(call, "nodes", &request->nodes, detail));
    TRY(body_time(call, "from", &wanted->from, &request->from, detail));
    TRY(body_time(call, "to", &wanted->to, &request->to, detail));
    TRY(api_flag(call, "only_new", &request->only_new, detail));
    TRY(api_flag(call, "count_only", &request->count_only, detail));
    struct factory_range ranges[FACTORY_RANGES_MAX];
    size_t len = 0;
    TRY(factory_ranges_of("batches", request->batches, UINT32_MAX, ranges, &len, detail));
    return factory_ranges_of("nodes", request->nodes, UINT64_MAX, ranges, &len, detail);
}

/* Into the spool, where the client fetches it. */
struct output {
    struct spool *spool;
    uint64_t id;
    char path[SPOOL_PATH_MAX];
};

static enum err give(struct output *output, const struct fleet_call *call,
                     const struct factory_export_result *result, const char *what,
                     json_t **ret_result, struct err_detail *detail)
{
    TRY(factory_note(call, AUDIT_DEVICES_EXPORTED, detail, "%s %" PRIu64 ": %" PRIu64 " devices",
                     what, result->export, result->devices));
    spool_publish(output->spool, output->id);
    return api_give(json_pack("{s:I s:I s:I s:I}", "export", (json_int_t)result->export, "devices",
                              (json_int_t)result->devices, "bytes", (json_int_t)result->bytes,
                              "download", (json_int_t)output->id),
                    ret_result);
}

static void give_up(struct output *output)
{
    (void)spool_remove(output->spool, output->id);
    spool_release(output->spool, output->id);
}

static enum err count_devices(struct factory *factory, const struct fleet_call *call,
                              const struct factory_export_request *request, json_t **ret_result,
                              struct err_detail *detail)
{
    struct factory_export_result result;
    TRY(factory_export(factory, call, request, "", &result, detail));
    return api_give(
        json_pack("{s:n s:I s:n}", "export", "devices", (json_int_t)result.devices, "download"),
        ret_result);
}

static enum err export_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    struct wanted wanted = {0};
    struct factory *factory = api_factory_state(api);
    const struct api_call body = {.api = api, .fleet = *call, .body = spec};
    struct factory_export_result result = {0};
    TRY(read_request(&body, &wanted, detail));
    if (wanted.request.count_only)
        return count_devices(factory, call, &wanted.request, ret_result, detail);
    struct output output = {.spool = api_spool(api)};
    TRY(spool_reserve(output.spool, &output.id, output.path, detail));
    enum err err = factory_export(factory, call, &wanted.request, output.path, &result, detail);
    if (err == ERR_OK)
        err = give(&output, call, &result, "export", ret_result, detail);
    if (err != ERR_OK)
        give_up(&output);
    return err;
}

static enum err export_devices(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    struct factory *factory = NULL;
    struct wanted wanted = {0};
    TRY(api_factory(call, &factory, detail));
    TRY(read_request(call, &wanted, detail));
    return api_start_job(call, "device-export", export_job, ret_answer);
}
API_HANDLER(export_devices)

static enum err repeat_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    struct factory_export_result result = {0};
    uint64_t export = (uint64_t)json_integer_value(json_object_get(spec, "export"));
    struct output output = {.spool = api_spool(api)};
    TRY(spool_reserve(output.spool, &output.id, output.path, detail));
    enum err err =
        factory_export_repeat(api_factory_state(api), call, export, output.path, &result, detail);
    if (err == ERR_OK)
        err = give(&output, call, &result, "repeated export", ret_result, detail);
    if (err != ERR_OK)
        give_up(&output);
    return err;
}

static enum err repeat_export(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    const char *text = net_http_param(call->http, "id");
    TRY(api_factory(call, &factory, detail));
    char *end = NULL;
    errno = 0;
    unsigned long long id = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || id > INT64_MAX)
        return err_set(detail, ERR_NOT_FOUND, "no export '%s'", text);
    if (json_object_set_new(call->body, "export", json_integer((json_int_t)id)) != 0)
        return ERR_NO_MEMORY;
    return api_start_job(call, "device-export", repeat_job, ret_answer);
}
API_HANDLER(repeat_export)

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/events.h"
#include "api/factory_json.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/hex.h"
#include "factory/device.h"

/* What stations tell: runs and the keys they gave. A station is who its certificate says; an
 * administrator at the socket is one under its own name. */

#define SECONDS_MAX   1e7
#define CODE_MAX      255
#define RECORD_MEMORY ((size_t)512 * 1024)

static enum err body_id(const struct api_call *call, const char *field, uint64_t *ret_id,
                        struct err_detail *detail)
{
    const char *text = NULL;
    TRY(api_text(call, field, &text, detail));
    return factory_parse_id(field, text, ret_id, detail);
}

/* `ret_there` false where the field is not there. */
static enum err body_node(const struct api_call *call, uint64_t *ret_node, bool *ret_there,
                          struct err_detail *detail)
{
    const char *text = NULL;
    TRY(api_text_optional(call, "node_id", &text, detail));
    *ret_there = text != NULL;
    return text != NULL ? factory_parse_id("node_id", text, ret_node, detail) : ERR_OK;
}

static enum err body_place(const struct api_call *call, uint64_t *ret_config,
                           uint32_t *ret_revision, uint32_t *ret_batch, struct err_detail *detail)
{
    uint64_t revision = 0, batch = 0;
    TRY(body_id(call, "config_id", ret_config, detail));
    TRY(api_number(call, "revision", UINT32_MAX, &revision, detail));
    TRY(api_number(call, "batch", UINT32_MAX, &batch, detail));
    *ret_revision = (uint32_t)revision;
    *ret_batch = (uint32_t)batch;
    return ERR_OK;
}

static bool somebody_listens(const struct api_call *call)
{
    return events_listeners(api_events(call->api)) > 0;
}

static void tell(struct api *api, const char *name, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text != NULL)
        api_events_post(api, API_TOPIC_LINE, name, text);
    free(text);
    json_decref(json);
}

static enum err tell_run(void *ctx, const struct factory_run *run)
{
    tell(ctx, "run", json_of_run(run));
    return ERR_OK;
}

static enum err tell_device(void *ctx, const struct factory_device *device)
{
    tell(ctx, "device", json_of_device(device));
    return ERR_OK;
}

/* ---- runs ---- */

static enum err created(const struct api_call *call, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL)
        return ERR_NO_MEMORY;
    net_http_answer_json(call->http, 201, text);
    free(text);
    return ERR_STREAMED;
}

static enum err begin_run(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    struct factory *factory = NULL;
    struct factory_run_begin run = {.station = call->fleet.actor.name, .operator= "", .port = ""};
    const char *id = NULL, *operation = NULL;
    uint64_t node = 0;
    bool has_node = false, is_new = false;
    TRY(api_factory(call, &factory, detail));
    TRY(api_text(call, "run", &id, detail));
    TRY(factory_parse_run(id, run.run, detail));
    TRY(api_text(call, "operation", &operation, detail));
    if (factory_operation_of(operation, &run.operation) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT,
                       "operation: PROVISION, PRETEST, CHECKCONFIG or POSTTEST is wanted");
    TRY(body_place(call, &run.config_id, &run.revision, &run.batch, detail));
    TRY(api_text_optional(call, "operator", &run.operator, detail));
    TRY(api_text_optional(call, "port", &run.port, detail));
    TRY(body_node(call, &node, &has_node, detail));
    run.node_id = has_node ? &node : NULL;
    TRY(factory_run_begin(factory, &run, &is_new, detail));
    if (is_new && somebody_listens(call))
        TRY(factory_run_get(factory, run.run, tell_run, call->api, detail));
    return created(call, json_pack("{s:o}", "run", json_of_run_id(run.run)));
}
API_HANDLER(begin_run)

/* Versions are an object of texts; kept as they came. */
static enum err body_versions(const struct api_call *call, const char *field, char **ret_text,
                              struct err_detail *detail)
{
    const json_t *object = json_object_get(call->body, field), *value;
    const char *name;
    bool good = object == NULL || json_is_null(object) || json_is_object(object);
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        good = good && (json_is_string(value) || json_is_null(value));
    }
    if (!good)
        return err_set(detail, ERR_ARGUMENT, "field '%s': an object of texts is wanted", field);
    *ret_text = json_is_object(object) ? json_dumps(object, JSON_COMPACT) : strdup("{}");
    return *ret_text != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static void text_freep(char **text)
{
    free(*text);
}

static enum err body_seconds(const struct api_call *call, uint64_t *ret_milliseconds,
                             struct err_detail *detail)
{
    const json_t *value = json_object_get(call->body, "seconds");
    double seconds = json_number_value(value);
    if (value != NULL && (!json_is_number(value) || !(seconds >= 0 && seconds < SECONDS_MAX)))
        return err_set(detail, ERR_ARGUMENT, "field 'seconds': a number is wanted");
    *ret_milliseconds = (uint64_t)(seconds * 1000);
    return ERR_OK;
}

/* NULL, "" and no field are the same: the device's key was not looked at. */
static enum err read_end_kcv(const struct api_call *call, struct buf *kcv,
                             struct factory_run_end *end, struct err_detail *detail)
{
    TRY(factory_field_hex(call->body, "kcv", FACTORY_KCV, kcv, detail));
    if (kcv->len != 0 && kcv->len != FACTORY_KCV)
        return err_set(detail, ERR_ARGUMENT, "field 'kcv': %d bytes are wanted", FACTORY_KCV);
    end->kcv = kcv->len != 0 ? kcv->data : NULL;
    return ERR_OK;
}

static enum err read_end(struct api_call *call, struct factory_run_end *end, uint64_t *node,
                         struct buf *kcv, struct err_detail *detail)
{
    uint64_t code = 0;
    bool has_node = false;
    TRY(factory_parse_run(net_http_param(call->http, "run"), end->run, detail));
    TRY(api_number(call, "return_code", CODE_MAX, &code, detail));
    end->return_code = (int)code;
    TRY(body_node(call, node, &has_node, detail));
    end->node_id = has_node ? node : NULL;
    TRY(api_text_optional(call, "node_type", &end->node_type, detail));
    TRY(api_text_optional(call, "hardware", &end->hardware, detail));
    TRY(api_text_optional(call, "text", &end->text, detail));
    TRY(api_flag(call, "locked", &end->locked, detail));
    TRY(read_end_kcv(call, kcv, end, detail));
    return body_seconds(call, &end->milliseconds, detail);
}

/* Pages hear of the run, and of what it made of the device. */
static enum err tell_end(struct api_call *call, struct factory *factory,
                         const struct factory_run_end *end, struct err_detail *detail)
{
    if (!somebody_listens(call))
        return ERR_OK;
    TRY(factory_run_get(factory, end->run, tell_run, call->api, detail));
    if (end->node_id == NULL)
        return ERR_OK;
    enum err err = factory_device_get(factory, *end->node_id, tell_device, call->api, NULL);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err end_run(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    struct factory_run_end end = {
        .station = call->fleet.actor.name, .node_type = "", .hardware = "", .text = ""};
    uint64_t node = 0;
    bool is_new = false;
    AUTO(text_freep) char *before = NULL;
    AUTO(text_freep) char *after = NULL;
    AUTO(buf_done) struct buf kcv = {0};
    TRY(api_factory(call, &factory, detail));
    TRY(read_end(call, &end, &node, &kcv, detail));
    TRY(body_versions(call, "versions_before", &before, detail));
    TRY(body_versions(call, "versions_after", &after, detail));
    end.versions_before = before;
    end.versions_after = after;
    TRY(factory_run_end(factory, &end, &is_new, detail));
    if (is_new)
        TRY(tell_end(call, factory, &end, detail));
    return api_give(json_pack("{s:o}", "run", json_of_run_id(end.run)), ret_answer);
}
API_HANDLER(end_run)

/* ---- devices ---- */

/* What the keying's views point to. */
struct report {
    struct buf hex;
    struct factory_device_application applications[FACTORY_DEVICE_APPLICATIONS_MAX];
    size_t ends[2 * FACTORY_DEVICE_APPLICATIONS_MAX + 2]; /* of the parts in `hex` */
};

static void report_done(struct report *report)
{
    buf_done(&report->hex);
}

static enum err read_application(struct report *report, const json_t *item, size_t i,
                                 struct err_detail *detail)
{
    struct factory_device_application *to = &report->applications[i];
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *id = json_string_value(json_object_get(item, "id"));
    if (!json_is_object(item) || name == NULL)
        return err_set(detail, ERR_ARGUMENT, "field 'applications': objects with a name");
    to->name = name;
    to->id = id != NULL ? id : "";
    TRY(factory_field_hex(item, "key", FACTORY_APPLICATION_KEY_MAX, &report->hex, detail));
    report->ends[2 * i] = report->hex.len;
    TRY(factory_field_hex(item, "extra", FACTORY_EXTRA_MAX, &report->hex, detail));
    report->ends[2 * i + 1] = report->hex.len;
    return ERR_OK;
}

static enum err read_applications(const struct api_call *call, struct report *report,
                                  struct factory_keying *keying, struct err_detail *detail)
{
    const json_t *list = json_object_get(call->body, "applications"), *item;
    size_t i, start = report->hex.len, len = json_array_size(list);
    if ((list != NULL && !json_is_array(list)) || len > FACTORY_DEVICE_APPLICATIONS_MAX)
        return err_set(detail, ERR_ARGUMENT, "field 'applications': a list of at most %d",
                       FACTORY_DEVICE_APPLICATIONS_MAX);
    json_array_foreach(list, i, item)
    {
        TRY(read_application(report, item, i, detail));
    }
    /* the buffer does not move any more */
    for (i = 0; i < len; i++) {
        size_t key = report->ends[2 * i], extra = report->ends[2 * i + 1];
        report->applications[i].key = bytes_of(report->hex.data + start, key - start);
        report->applications[i].extra = bytes_of(report->hex.data + key, extra - key);
        start = extra;
    }
    keying->applications = report->applications;
    keying->applications_len = len;
    return ERR_OK;
}

static enum err read_keying(const struct api_call *call, struct report *report,
                            struct factory_keying *keying, struct err_detail *detail)
{
    const char *run = NULL, *time = NULL;
    TRY(factory_parse_id("node id", net_http_param(call->http, "node"), &keying->node_id, detail));
    TRY(api_text(call, "run", &run, detail));
    TRY(factory_parse_run(run, keying->run, detail));
    TRY(body_place(call, &keying->config_id, &keying->revision, &keying->batch, detail));
    TRY(api_text(call, "time", &time, detail));
    TRY(json_read_time("time", time, false, &keying->time, detail));
    TRY(factory_field_hex(call->body, "kcv", sizeof keying->kcv, &report->hex, detail));
    bool keeps = json_object_get(call->body, "key") == NULL; /* a host's tool tells of hosts only */
    if (report->hex.len != (keeps ? 0 : sizeof keying->kcv))
        return err_set(detail, ERR_ARGUMENT, "field 'kcv': %zu bytes are wanted",
                       sizeof keying->kcv);
    size_t start = report->hex.len;
    if (!keeps)
        memcpy(keying->kcv, report->hex.data, sizeof keying->kcv);
    TRY(factory_field_hex(call->body, "key", FACTORY_APPLICATION_KEY_MAX, &report->hex, detail));
    size_t end = report->hex.len;
    if (!keeps && end == start)
        return err_set(detail, ERR_ARGUMENT, "field 'key' is empty");
    TRY(read_applications(call, report, keying, detail));
    keying->encrypted = bytes_of(report->hex.data + start, end - start);
    return ERR_OK;
}

static enum err key_device(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    AUTO(report_done) struct report report = {0};
    struct factory_keying keying = {.station = call->fleet.actor.name};
    uint64_t serial = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(read_keying(call, &report, &keying, detail));
    TRY(factory_device_key(factory, &keying, &serial, detail));
    if (somebody_listens(call))
        TRY(factory_device_get(factory, keying.node_id, tell_device, call->api, detail));
    return api_give(json_pack("{s:I}", "device", (json_int_t)serial), ret_answer);
}
API_HANDLER(key_device)

/* For a station that may go on where a run was cut: stations give a key's check value as the extra
 * information of its host. */
static json_t *json_of_hosts(const struct factory_device_had *had)
{
    json_t *list = json_array();
    for (size_t i = 0; i < had->applications_len; i++) {
        const struct factory_device_application *a = &had->applications[i];
        if (a->extra.len == FACTORY_KCV)
            (void)json_array_append_new(list, json_pack("{s:s s:o}", "name", a->name, "kcv",
                                                        json_of_hex(a->extra.data, a->extra.len)));
    }
    return list;
}

static enum err take_record(void *ctx, const struct factory_device_had *had)
{
    json_t **json = ctx;
    const char *stage = factory_operation_name((enum factory_operation)had->device->stage);
    enum factory_device_state state = had->newest ? had->device->state : FACTORY_DEVICE_KEYED;
    *json = json_pack(
        "{s:o s:s s:o s:i s:o s:b s:o}", "kcv", json_of_hex(had->kcv, sizeof had->kcv), "state",
        factory_device_state_name(state), "config_id", json_of_config(had->config_id), "revision",
        (int)had->revision, "stage", *stage != '\0' ? json_string(stage) : json_null(), "tested",
        had->tested, "applications", json_of_hosts(had));
    return *json != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err get_line_device(struct api_call *call, json_t **ret_answer,
                                struct err_detail *detail)
{
    struct factory *factory = NULL;
    AUTO(arena_freep) struct arena *arena = NULL;
    uint64_t node = 0;
    uint8_t kcv[FACTORY_KCV];
    const char *text = net_http_query(call->http, "kcv");
    size_t len = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(factory_parse_id("node id", net_http_param(call->http, "node"), &node, detail));
    if (text != NULL &&
        (hex_decode(bytes_str(text), kcv, sizeof kcv, &len) != ERR_OK || len != sizeof kcv))
        return err_set(detail, ERR_ARGUMENT, "kcv: %d bytes in hexadecimal digits are wanted",
                       FACTORY_KCV);
    TRY(arena_new(RECORD_MEMORY, &arena));
    json_t *json = NULL;
    TRY(factory_device_had(factory, node, text != NULL ? kcv : NULL, arena, take_record, &json,
                           detail));
    return api_give(json, ret_answer);
}
API_HANDLER(get_line_device)

#include "line/server_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hex.h"
#include "line/gateway_keys.h"

static void json_freep(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

/* ---- out ---- */

static json_t *of_id(uint64_t id)
{
    char text[32];
    (void)snprintf(text, sizeof text, "0x%0*" PRIx64, id > UINT32_MAX ? 16 : 8, id);
    return json_string(text);
}

static json_t *of_config(uint64_t id)
{
    char text[32];
    (void)snprintf(text, sizeof text, "0x%016" PRIx64, id);
    return json_string(text);
}

static json_t *of_hex(struct bytes data)
{
    char text[2 * 4096 + 1] = "";
    if (data.len > 4096)
        return NULL;
    if (data.len != 0)
        hex_encode(data, text);
    return json_string(text);
}

static json_t *of_time(int64_t seconds)
{
    char text[32];
    clock_format(seconds, text);
    return json_string(text);
}

/* NULL leaves the member out. */
static void put_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL)
        (void)json_object_set_new(object, key, json_string(text));
}

/* The server takes so much of it. */
static void put_name(json_t *object, const char *key, const char *text)
{
    char name[64];
    if (text == NULL)
        return;
    (void)snprintf(name, sizeof name, "%s", text);
    put_text(object, key, name);
}

json_t *line_json_begin(const struct line_begin *begin)
{
    json_t *json = json_object();
    put_text(json, "run", begin->run);
    put_text(json, "operation", line_operation_name(begin->operation));
    (void)json_object_set_new(json, "config_id", of_config(begin->config_id));
    (void)json_object_set_new(json, "revision", json_integer(begin->revision));
    (void)json_object_set_new(json, "batch", json_integer(begin->batch));
    put_name(json, "operator", begin->operator);
    put_name(json, "port", begin->port);
    if (begin->node_id != 0)
        (void)json_object_set_new(json, "node_id", of_id(begin->node_id));
    return json;
}

json_t *line_json_report(const struct line_report *report)
{
    json_t *json = json_object(), *apps = json_array();
    put_text(json, "run", report->run);
    (void)json_object_set_new(json, "config_id", of_config(report->config_id));
    (void)json_object_set_new(json, "revision", json_integer(report->revision));
    (void)json_object_set_new(json, "batch", json_integer(report->batch));
    (void)json_object_set_new(json, "time", of_time(report->time));
    if (report->key.len != 0) {
        (void)json_object_set_new(json, "key", of_hex(report->key));
        (void)json_object_set_new(json, "kcv", of_hex(BYTES(report->kcv)));
    }
    for (size_t i = 0; i < report->apps_len; i++) {
        const struct line_report_app *app = &report->apps[i];
        json_t *item = json_object();
        put_text(item, "name", app->name);
        (void)json_object_set_new(item, "id", of_hex(app->id));
        (void)json_object_set_new(item, "key", of_hex(app->key));
        (void)json_object_set_new(item, "extra", of_hex(app->extra));
        (void)json_array_append_new(apps, item);
    }
    (void)json_object_set_new(json, "applications", apps);
    return json;
}

static json_t *of_versions(const struct line_version *versions, size_t len)
{
    json_t *json = json_object();
    for (size_t i = 0; versions != NULL && i < len; i++)
        put_text(json, versions[i].name, versions[i].version);
    return json;
}

json_t *line_json_end(const struct line_end *end)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "return_code", json_integer(end->code));
    if (end->node_id != 0)
        (void)json_object_set_new(json, "node_id", of_id(end->node_id));
    put_text(json, "node_type", end->node_type);
    put_text(json, "hardware", end->hardware);
    (void)json_object_set_new(json, "versions_before", of_versions(end->before, end->versions_len));
    (void)json_object_set_new(json, "versions_after", of_versions(end->after, end->versions_len));
    (void)json_object_set_new(json, "locked", json_boolean(end->locked));
    if (end->kcv != NULL)
        (void)json_object_set_new(json, "kcv", of_hex(bytes_of(end->kcv, CHECK_VALUE_SIZE)));
    (void)json_object_set_new(json, "seconds", json_real(end->seconds));
    put_text(json, "text", end->text);
    return json;
}

json_t *line_json_gateway_keys(uint64_t config_id, uint32_t revision, struct bytes pem)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "config_id", of_config(config_id));
    (void)json_object_set_new(json, "revision", json_integer(revision));
    (void)json_object_set_new(json, "recipient", json_stringn((const char *)pem.data, pem.len));
    return json;
}

/* ---- in ---- */

static json_t *load(struct bytes json)
{
    json_t *root = json_loadb((const char *)json.data, json.len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(root))
        return root;
    json_decref(root);
    return NULL;
}

static enum err no_sense(struct line_fault *fault, const char *what)
{
    return line_fail(fault, LINE_SERVER_ANSWER, "%s: the server's answer makes no sense", what);
}

static bool get_kcv(const json_t *json, const char *key, uint8_t to[CHECK_VALUE_SIZE])
{
    size_t len = 0;
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL && hex_decode(bytes_str(text), to, CHECK_VALUE_SIZE, &len) == ERR_OK &&
           len == CHECK_VALUE_SIZE;
}

/* What has no name or check value is passed over: its key is not known then. */
static void read_apps(const json_t *list, struct line_record *record)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        struct line_record_app *app = &record->apps[record->apps_len];
        const char *name = json_string_value(json_object_get(item, "name"));
        if (record->apps_len == ARRAY_LEN(record->apps) || name == NULL ||
            strlen(name) >= sizeof app->name || !get_kcv(item, "kcv", app->kcv))
            continue;
        (void)snprintf(app->name, sizeof app->name, "%s", name);
        record->apps_len++;
    }
}

enum err line_json_read_record(struct bytes json, struct line_record *ret_record,
                               struct line_fault *fault)
{
    AUTO(json_freep) json_t *root = load(json);
    const char *state = json_string_value(json_object_get(root, "state"));
    const char *config = json_string_value(json_object_get(root, "config_id"));
    struct line_record record = {.known = true};
    char *end = NULL;
    if (state != NULL && strcmp(state, "pretested") == 0) { /* seen, but it has no key from there */
        *ret_record = (struct line_record){0};
        return ERR_OK;
    }
    if (root == NULL || state == NULL || config == NULL || !get_kcv(root, "kcv", record.kcv))
        return no_sense(fault, "device");
    record.provisioned = strcmp(state, "provisioned") == 0;
    record.tested = json_is_true(json_object_get(root, "tested"));
    read_apps(json_object_get(root, "applications"), &record);
    record.config_id = strtoull(config, &end, 0);
    record.revision = (uint32_t)json_integer_value(json_object_get(root, "revision"));
    if (*config == '\0' || *end != '\0' || (!record.provisioned && strcmp(state, "keyed") != 0))
        return no_sense(fault, "device");
    *ret_record = record;
    return ERR_OK;
}

enum err line_json_open_gateway_keys(struct bytes json, const struct rsa_private *with,
                                     struct line_gateway_keys *ret_keys, struct line_fault *fault)
{
    AUTO(json_freep) json_t *root = load(json);
    const char *cms = json_string_value(json_object_get(root, "cms"));
    struct line_gateway_keys expected = {0};
    if (cms == NULL || !get_kcv(root, "gateway_kcv", expected.gateway_kcv) ||
        !get_kcv(root, "cdld_kcv", expected.cdld_kcv))
        return no_sense(fault, "gateway keys");
    expected.gateway_version =
        (uint32_t)json_integer_value(json_object_get(root, "gateway_version"));
    expected.cdld_version = (uint32_t)json_integer_value(json_object_get(root, "cdld_version"));
    return line_gateway_keys_open(cms, with, &expected, ret_keys, fault);
}

enum err line_refusal(struct line_fault *fault, const char *where,
                      const struct net_client_answer *answer)
{
    AUTO(json_freep) json_t *root = load(buf_view(&answer->body));
    const json_t *error = json_object_get(root, "error");
    const json_t *from = json_is_object(error) ? error : root;
    const char *text = json_string_value(json_object_get(from, "text"));
    const char *detail = json_string_value(json_object_get(from, "detail"));
    bool more = detail != NULL && *detail != '\0';
    if (answer->status == 401)
        return line_fail(fault, LINE_SERVER_ERROR,
                         "%s: it does not admit this station's certificate: disabled, replaced, or "
                         "not of a station (HTTP 401)",
                         where);
    return line_fail(fault, LINE_SERVER_ERROR, "%s: %s%s%s (HTTP %d)", where,
                     text != NULL ? text : err_text(answer->err), more ? ": " : "",
                     more ? detail : "", answer->status);
}

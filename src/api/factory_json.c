#include "api/factory_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/json.h"
#include "base/hex.h"
#include "factory/package_xml.h"

#define UUID_TEXT 36

enum err api_factory(const struct api_call *call, struct factory **ret_factory,
                     struct err_detail *detail)
{
    struct factory *factory = api_factory_state(call->api);
    if (factory == NULL)
        return err_set(detail, ERR_UNSUPPORTED,
                       "this daemon serves no factory: [factory] enabled = yes in its "
                       "configuration makes it one");
    *ret_factory = factory;
    return ERR_OK;
}

enum err factory_parse_id(const char *what, const char *text, uint64_t *ret_id,
                          struct err_detail *detail)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = text + (hex ? 2 : 0);
    const char *set = hex ? "0123456789abcdefABCDEF" : "0123456789";
    size_t len = strspn(digits, set);
    errno = 0;
    unsigned long long id = strtoull(digits, NULL, hex ? 16 : 10);
    if (len == 0 || digits[len] != '\0' || errno != 0)
        return err_set(detail, ERR_ARGUMENT, "%s: a number is wanted, decimal or 0x", what);
    *ret_id = id;
    return ERR_OK;
}

enum err factory_query_id(const struct api_call *call, const char *name, bool *ret_there,
                          uint64_t *ret_id, struct err_detail *detail)
{
    const char *text = net_http_query(call->http, name);
    *ret_there = text != NULL && *text != '\0';
    return *ret_there ? factory_parse_id(name, text, ret_id, detail) : ERR_OK;
}

enum err factory_parse_run(const char *text, uint8_t ret_run[FACTORY_RUN_ID],
                           struct err_detail *detail)
{
    char digits[2 * FACTORY_RUN_ID];
    size_t len = 0, got = 0;
    bool good = strlen(text) == UUID_TEXT;
    for (size_t i = 0; good && i < UUID_TEXT; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        good = dash == (text[i] == '-');
        if (!dash)
            digits[len++] = text[i];
    }
    if (!good || hex_decode(bytes_of(digits, len), ret_run, FACTORY_RUN_ID, &got) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "run: a UUID is wanted");
    return ERR_OK;
}

enum err factory_field_hex(const json_t *object, const char *field, size_t max, struct buf *to,
                           struct err_detail *detail)
{
    const json_t *value = json_object_get(object, field);
    if (value == NULL || json_is_null(value))
        return ERR_OK;
    size_t len = json_string_length(value), got = 0;
    if (!json_is_string(value) || len > 2 * max)
        return err_set(detail, ERR_ARGUMENT, "field '%s': at most %zu bytes in hexadecimal", field,
                       max);
    TRY(buf_reserve(to, len / 2 + 1));
    enum err err =
        hex_decode(bytes_of(json_string_value(value), len), to->data + to->len, len / 2, &got);
    if (err != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "field '%s': hexadecimal is wanted", field);
    to->len += got;
    return ERR_OK;
}

json_t *json_of_config(uint64_t config_id)
{
    return json_of_id(config_id, 64);
}

json_t *json_of_node(uint64_t node_id)
{
    return json_of_id(node_id, node_id > UINT32_MAX ? 64 : 32);
}

json_t *json_of_run_id(const uint8_t run[FACTORY_RUN_ID])
{
    char hex[2 * FACTORY_RUN_ID + 1];
    hex_encode(bytes_of(run, FACTORY_RUN_ID), hex);
    return json_sprintf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* What a station sent was JSON when it came. */
static json_t *json_of_versions(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    return json != NULL ? json : json_object();
}

json_t *json_of_run(const struct factory_run *run)
{
    return json_pack(
        "{s:I s:o s:o s:s s:s s:s s:s s:I s:o s:i s:o s:o s:o s:s s:s s:s s:o s:o s:b s:f}", "id",
        (json_int_t)run->id, "run", json_of_run_id(run->run), "node_id",
        run->has_node ? json_of_node(run->node_id) : json_null(), "operation",
        factory_operation_name(run->operation), "station", run->station, "operator", run->operator,
        "port", run->port, "batch", (json_int_t)run->batch, "config_id",
        json_of_config(run->config_id), "revision", (int)run->revision, "begun",
        json_of_time(run->begun), "ended", json_of_time(run->has_ended ? run->ended : 0),
        "return_code", run->has_ended ? json_integer(run->return_code) : json_null(), "text",
        run->text, "node_type", run->node_type, "hardware", run->hardware, "versions_before",
        json_of_versions(run->versions_before), "versions_after",
        json_of_versions(run->versions_after), "locked", run->locked, "seconds",
        (double)run->milliseconds / 1000);
}

json_t *json_of_device(const struct factory_device *device)
{
    const char *stage = factory_operation_name((enum factory_operation)device->stage);
    return json_pack(
        "{s:o s:o s:i s:I s:s s:s s:s s:o s:o s:b s:o}", "node_id", json_of_node(device->node_id),
        "config_id", json_of_config(device->config_id), "revision", (int)device->revision, "batch",
        (json_int_t)device->batch, "state", factory_device_state_name(device->state), "station",
        device->station, "operator", device->operator, "time", json_of_time(device->time),
        "return_code", device->return_code >= 0 ? json_integer(device->return_code) : json_null(),
        "exported", device->exported != 0, "stage",
        *stage != '\0' ? json_string(stage) : json_null());
}

json_t *json_of_package(const struct factory_package *package)
{
    json_t *applications = json_array(), *aliases = json_array();
    for (size_t i = 0; i < package->applications_len; i++)
        (void)json_array_append_new(applications,
                                    json_pack("{s:s s:s}", "name", package->applications[i].name,
                                              "version", package->applications[i].version));
    for (size_t i = 0; i < package->aliases_len; i++)
        (void)json_array_append_new(aliases, json_string(package->aliases[i]));
    return json_pack("{s:o s:i s:s s:s s:s s:o s:o s:s s:s s:o s:s}", "config_id",
                     json_of_config(package->config_id), "revision", (int)package->revision,
                     "label", package->label, "node_type", package->node_type, "node_version",
                     package->node_version, "applications", applications, "aliases", aliases,
                     "network", package->network, "comment", package->comment, "imported",
                     json_of_time(package->imported), "imported_by", package->imported_by);
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *json_of_files(const struct package *package)
{
    json_t *files = json_array();
    for (size_t i = 0; i < package->files_len; i++) {
        const struct package_file *file = &package->files[i];
        (void)json_array_append_new(
            files, json_pack("{s:s s:s s:I s:o s:o}", "name", file->name, "role",
                             package_role_name(file->role), "size", (json_int_t)file->size,
                             "sha256", json_of_hex(file->sha256, sizeof file->sha256), "md5",
                             json_of_hex(file->md5, sizeof file->md5)));
    }
    return files;
}

static json_t *json_of_described_applications(const struct package *package)
{
    json_t *list = json_array();
    for (size_t i = 0; i < package->applications_len; i++) {
        const struct package_application *a = &package->applications[i];
        (void)json_array_append_new(
            list, json_pack("{s:s s:s s:o s:o s:o s:o}", "name", a->name, "version", a->version,
                            "firmware", text_or_null(a->files.firmware), "field_configuration",
                            text_or_null(a->files.field_configuration), "factory_configuration",
                            text_or_null(a->files.factory_configuration), "public_key",
                            text_or_null(a->public_key)));
    }
    return list;
}

static json_t *json_of_node_files(const struct package_node *node)
{
    return json_pack("{s:s s:s s:o s:o s:o}", "type", node->type, "version", node->version,
                     "firmware", text_or_null(node->files.firmware), "field_configuration",
                     text_or_null(node->files.field_configuration), "factory_configuration",
                     text_or_null(node->files.factory_configuration));
}

enum err json_of_package_details(const struct factory_package *package, struct arena *arena,
                                 json_t **ret_json, struct err_detail *detail)
{
    struct package described;
    TRY(package_xml_read(package->description, arena, &described, detail));
    json_t *json = json_of_package(package);
    json_t *more = json_pack(
        "{s:o s:s s:o s:I s:s s:{s:o s:i} s:{s:s s:s s:{s:I s:I}} s:o s:o s:o}", "created",
        json_of_time(package->created), "packager", package->packager, "sha256",
        json_of_hex(package->sha256, sizeof package->sha256), "size", (json_int_t)package->size,
        "hardware", package->hardware, "kms_key", "fingerprint",
        json_of_hex(package->kms_fingerprint, sizeof package->kms_fingerprint), "bits",
        (int)package->kms_bits, "gateway_keys", "network", package->network, "realm",
        package->realm, "versions", "gateway", (json_int_t)package->gateway_version, "cdld",
        (json_int_t)package->cdld_version, "node", json_of_node_files(&described.node),
        "applications", json_of_described_applications(&described), "files",
        json_of_files(&described));
    bool good = json != NULL && more != NULL && json_object_update(json, more) == 0;
    json_decref(more);
    if (!good) {
        json_decref(json);
        return ERR_NO_MEMORY;
    }
    *ret_json = json;
    return ERR_OK;
}

enum err factory_note(const struct fleet_call *call, uint16_t kind, struct err_detail *detail,
                      const char *format, ...)
{
    char text[KEEPER_NOTE_MAX + 1];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct keeper_note note = {.kind = kind, .text = text};
    return keeper_note_event(call->keeper, call->actor.name, &note, detail);
}

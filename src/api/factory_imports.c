#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/factory_json.h"
#include "api/json.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "base/clock.h"
#include "base/hex.h"
#include "crypto/pem.h"
#include "factory/packager.h"
#include "factory/staging.h"

#define MEMORY ((size_t)16 * 1024 * 1024)

/* ---- packagers ---- */

static enum err append_packager(void *ctx, const struct factory_packager *packager)
{
    AUTO(buf_done) struct buf pem = {0};
    TRY(pem_encode("PUBLIC KEY", packager->public_key, &pem));
    json_t *json = json_pack(
        "{s:s s:s# s:o s:o s:s}", "name", packager->name, "public_key", (const char *)pem.data,
        pem.len, "fingerprint", json_of_hex(packager->fingerprint, sizeof packager->fingerprint),
        "created", json_of_time(packager->created), "created_by", packager->created_by);
    return json_array_append_new(ctx, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_packagers(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    struct factory *factory = NULL;
    TRY(api_factory(call, &factory, detail));
    AUTO(json_freep) json_t *array = json_array();
    TRY(factory_packager_each(factory, append_packager, array, detail));
    return api_give(json_pack("{s:O}", "packagers", array), ret_answer);
}
API_HANDLER(list_packagers)

static enum err add_packager(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    const char *name = NULL, *pem = NULL;
    uint8_t fingerprint[32];
    char hex[65];
    TRY(api_factory(call, &factory, detail));
    TRY(api_text(call, "name", &name, detail));
    TRY(api_text(call, "public_key", &pem, detail));
    TRY(factory_packager_add(factory, call->fleet.actor.name, name, bytes_str(pem), fingerprint,
                             detail));
    hex_encode(BYTES(fingerprint), hex);
    TRY(factory_note(&call->fleet, AUDIT_PACKAGER_ADDED, detail, "%s, SHA-256 of the key %s", name,
                     hex));
    return api_give(json_pack("{s:s s:s}", "name", name, "fingerprint", hex), ret_answer);
}
API_HANDLER(add_packager)

static enum err remove_packager(struct api_call *call, json_t **ret_answer,
                                struct err_detail *detail)
{
    (void)ret_answer;
    struct factory *factory = NULL;
    const char *name = net_http_param(call->http, "name");
    TRY(api_factory(call, &factory, detail));
    TRY(factory_packager_remove(factory, name, detail));
    return factory_note(&call->fleet, AUDIT_PACKAGER_REMOVED, detail, "%s", name);
}
API_HANDLER(remove_packager)

/* ---- imports ---- */

struct import {
    struct factory *factory;
    struct arena *arena;
    const struct fleet_call *call;
    struct factory_import request;
};

static enum err stage(struct import *import, json_t **ret_result, struct err_detail *detail)
{
    uint64_t id = 0;
    uint32_t replaces = 0;
    struct factory_package package;
    TRY(factory_stage(import->factory, import->call, &import->request, import->arena, &id, &package,
                      &replaces, detail));
    AUTO(json_freep) json_t *json = NULL;
    enum err err = json_of_package_details(&package, import->arena, &json, detail);
    if (err != ERR_OK) {
        (void)(factory_stage_drop(import->factory, id, NULL) == ERR_OK);
        return err;
    }
    return api_give(json_pack("{s:o s:O s:o}", "import", json_sprintf("%" PRIu64, id), "package",
                              json, "replaces",
                              replaces != 0 ? json_integer(replaces) : json_null()),
                    ret_result);
}

static enum err import_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    char path[SPOOL_PATH_MAX];
    const json_t *comment = json_object_get(spec, "comment");
    const json_t *passphrase = json_object_get(spec, "passphrase");
    uint64_t upload = (uint64_t)json_integer_value(json_object_get(spec, "upload"));
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(MEMORY, &arena));
    enum err err = spool_hold(api_spool(api), upload, path);
    if (err != ERR_OK)
        return err_set(detail, err, "no upload %" PRIu64, upload);
    struct import import = {
        .factory = api_factory_state(api),
        .arena = arena,
        .call = call,
        .request = {.path = path,
                    .name = json_string_value(json_object_get(spec, "file")),
                    .passphrase =
                        bytes_of(json_string_value(passphrase), json_string_length(passphrase)),
                    .comment = comment != NULL ? json_string_value(comment) : ""}};
    err = stage(&import, ret_result, detail);
    (void)spool_remove(api_spool(api), upload);
    spool_release(api_spool(api), upload);
    return err;
}

static enum err import_package(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    struct factory *factory = NULL;
    uint64_t upload = 0;
    const char *text = NULL;
    TRY(api_factory(call, &factory, detail));
    TRY(api_number(call, "upload", INT64_MAX, &upload, detail));
    TRY(api_text(call, "file", &text, detail));
    TRY(api_text(call, "passphrase", &text, detail));
    text = NULL;
    TRY(api_text_optional(call, "comment", &text, detail));
    if (text == NULL && json_object_set_new(call->body, "comment", json_string("")) != 0)
        return ERR_NO_MEMORY;
    return api_start_job(call, "package-import", import_job, ret_answer);
}
API_HANDLER(import_package)

static enum err append_waiting(void *ctx, const struct factory_waiting *waiting)
{
    const struct factory_package *package = waiting->package;
    json_t *json = json_pack("{s:o s:o s:s s:s s:s s:s s:s s:s s:i}", "import",
                             json_sprintf("%" PRIu64, waiting->import), "config_id",
                             json_of_config(package->config_id), "label", package->label,
                             "node_type", package->node_type, "node_version", package->node_version,
                             "network", package->network, "comment", package->comment,
                             "imported_by", package->imported_by, "left", (int)waiting->left_s);
    return json_array_append_new(ctx, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_imports(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    AUTO(json_freep) json_t *array = json_array();
    TRY(api_factory(call, &factory, detail));
    TRY(factory_staged_each(factory, clock_mono_ns(), append_waiting, array));
    return api_give(json_pack("{s:O}", "imports", array), ret_answer);
}
API_HANDLER(list_imports)

static enum err import_number(const struct api_call *call, uint64_t *ret_id,
                              struct err_detail *detail)
{
    const char *text = net_http_param(call->http, "id");
    char *end = NULL;
    errno = 0;
    unsigned long long id = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9')
        return err_set(detail, ERR_NOT_FOUND, "no import '%s' is waiting", text);
    *ret_id = id;
    return ERR_OK;
}

static enum err commit_import(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    uint64_t id = 0, config = 0;
    uint32_t revision = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(import_number(call, &id, detail));
    TRY(factory_stage_commit(factory, &call->fleet, id, &config, &revision, detail));
    TRY(factory_note(&call->fleet, AUDIT_PACKAGE_IMPORTED, detail,
                     "configuration 0x%016" PRIx64 " revision %" PRIu32, config, revision));
    return api_give(json_pack("{s:o s:I}", "config_id", json_of_config(config), "revision",
                              (json_int_t)revision),
                    ret_answer);
}
API_HANDLER(commit_import)

static enum err drop_import(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    struct factory *factory = NULL;
    uint64_t id = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(import_number(call, &id, detail));
    return factory_stage_drop(factory, id, detail);
}
API_HANDLER(drop_import)

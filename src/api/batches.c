#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"
#include "api/json.h"
#include "api/resources.h"
#include "fleet/batch.h"
#include "fleet/device_keys.h"
#include "fleet/network.h"

static enum err add_batch(void *ctx, const struct fleet_batch *b, struct err_detail *detail)
{
    (void)detail;
    json_t *json = json_pack("{s:I s:I s:o s:s s:s s:s}", "batch", (json_int_t)b->batch, "nodes",
                             (json_int_t)b->nodes, "when", json_of_time(b->when), "actor", b->actor,
                             "operation", b->operation, "source", b->source);
    return json_array_append_new(ctx, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_batches(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *list = json_array();
    TRY(fleet_batch_list(&call->fleet, net_http_param(call->http, "name"), add_batch, list,
                         detail));
    return api_give(json_pack("{s:O}", "batches", list), ret_answer);
}
API_HANDLER(list_batches)

/* null is as good as absent. */
static bool has(const json_t *spec, const char *name)
{
    const json_t *value = json_object_get(spec, name);
    return value != NULL && !json_is_null(value);
}

static const char *text_of(const json_t *spec, const char *name)
{
    return json_string_value(json_object_get(spec, name));
}

static uint64_t number_of(const json_t *spec, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(spec, name));
}

/* Exports of both kinds: the file stays in the spool for the client to fetch. */
static enum err export_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    bool keyring = json_is_true(json_object_get(spec, "keyring"));
    char path[SPOOL_PATH_MAX];
    uint64_t id = 0;
    struct spool *spool = api_spool(api);
    TRY(spool_reserve(spool, &id, path, detail));
    const struct fleet_export request = {.network = text_of(spec, "network"),
                                         .all = !has(spec, "batch"),
                                         .batch = (uint32_t)number_of(spec, "batch"),
                                         .recipient_pem = bytes_str(text_of(spec, "recipient")),
                                         .path = path,
                                         .name = text_of(spec, "file")};
    struct fleet_export_result result = {0};
    enum err err = keyring ? fleet_keyring_export(call, &request, detail, &result)
                           : fleet_batch_export(call, &request, detail, &result);
    if (err != ERR_OK) {
        (void)spool_remove(spool, id);
        spool_release(spool, id);
        return err;
    }
    spool_publish(spool, id);
    *ret_result = json_pack("{s:I s:I s:I s:o}", "download", (json_int_t)id, "nodes",
                            (json_int_t)result.nodes, "bytes", (json_int_t)result.bytes, "sha256",
                            json_of_hex(result.sha256, sizeof result.sha256));
    return ERR_OK;
}

/* Refused at once, not by the job. */
static enum err check_network(const struct api_call *call, struct err_detail *detail)
{
    struct fleet_network *network = calloc(1, sizeof *network);
    if (network == NULL)
        return ERR_NO_MEMORY;
    enum err err =
        fleet_network_show(&call->fleet, net_http_param(call->http, "name"), detail, network);
    free(network);
    return err;
}

static enum err start_export(struct api_call *call, bool keyring, json_t **ret_answer,
                             struct err_detail *detail)
{
    const char *recipient = NULL, *file = keyring ? "keyring.csv" : NULL;
    uint64_t batch = 0;
    TRY(api_text(call, "recipient", &recipient, detail));
    if (keyring) {
        TRY(api_number_optional(call, "batch", UINT32_MAX, &batch, detail));
    } else {
        TRY(api_number(call, "batch", UINT32_MAX, &batch, detail));
        TRY(api_text(call, "file", &file, detail));
    }
    TRY(check_network(call, detail));
    (void)json_object_set_new(call->body, "network",
                              json_string(net_http_param(call->http, "name")));
    (void)json_object_set_new(call->body, "file", json_string(file));
    (void)json_object_set_new(call->body, "keyring", json_boolean(keyring));
    return api_start_job(call, keyring ? "keyring-export" : "batch-export", export_job, ret_answer);
}

static enum err export_batch(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    return start_export(call, false, ret_answer, detail);
}
API_HANDLER(export_batch)

static enum err export_keyring(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    return start_export(call, true, ret_answer, detail);
}
API_HANDLER(export_keyring)

struct import_ctx {
    struct job *job;
};

static void on_line(void *ctx, const struct fleet_line *line, unsigned id_bits)
{
    struct import_ctx *import = ctx;
    if (line->verdict == FLEET_NEW)
        return; /* counted; a line for each of a million would tell nothing */
    json_t *json = json_pack("{s:I s:s s:s}", "line", (json_int_t)line->line, "verdict",
                             fleet_verdict_name(line->verdict), "text", line->text);
    if (json == NULL)
        return;
    if (line->has_id)
        (void)json_object_set_new(json, "id", json_of_id(line->id, id_bits));
    job_line(import->job, json);
}

static json_t *import_json(const struct fleet_import_result *result)
{
    json_t *json =
        json_pack("{s:I s:b s:I s:I}", "lines", (json_int_t)result->lines, "merged", result->merged,
                  "epoch", (json_int_t)result->epoch, "batches", (json_int_t)result->batches);
    for (unsigned i = 0; i < FLEET_VERDICTS; i++)
        (void)json_object_set_new(json, fleet_verdict_name((enum fleet_verdict)i),
                                  json_integer((json_int_t)result->count[i]));
    if (result->backup_path[0] != '\0')
        (void)json_object_set_new(json, "backup", json_string(result->backup_path));
    return json;
}

/* What only an import of device_keys.xml has. */
static void add_devices(json_t *json, const struct fleet_import_result *result)
{
    (void)json_object_set_new(json, "devices", json_integer((json_int_t)result->lines));
    (void)json_object_set_new(json, "signed_by",
                              result->signed_by[0] != '\0' ? json_string(result->signed_by)
                                                           : json_null());
}

/* The uploads of an import: held while the job works, gone when it ends, whatever came of it. */
struct uploads {
    char path[3][SPOOL_PATH_MAX];
    const char *given[3]; /* NULL: none */
};
static const char *const upload_fields[] = {"upload", "upload_signature", "upload_manifest"};

static enum err hold_uploads(struct api *api, const json_t *spec, struct uploads *uploads,
                             struct err_detail *detail)
{
    for (size_t i = 0; i < ARRAY_LEN(upload_fields); i++) {
        if (!has(spec, upload_fields[i]))
            continue;
        uint64_t id = number_of(spec, upload_fields[i]);
        if (spool_hold(api_spool(api), id, uploads->path[i]) != ERR_OK)
            return err_set(detail, ERR_NOT_FOUND, "field '%s': no such upload", upload_fields[i]);
        uploads->given[i] = uploads->path[i];
    }
    return ERR_OK;
}

static void drop_uploads(struct api *api, const json_t *spec, const struct uploads *uploads)
{
    for (size_t i = 0; i < ARRAY_LEN(upload_fields); i++) {
        if (uploads->given[i] == NULL)
            continue;
        (void)spool_remove(api_spool(api), number_of(spec, upload_fields[i]));
        spool_release(api_spool(api), number_of(spec, upload_fields[i]));
    }
}

static enum err run_import(struct job *job, const struct fleet_call *call, const json_t *spec,
                           const struct uploads *uploads, json_t **ret_result,
                           struct err_detail *detail)
{
    struct import_ctx ctx = {.job = job};
    struct fleet_import request = {.network = text_of(spec, "network"),
                                   .source = text_of(spec, "file"),
                                   .dry_run = json_is_true(json_object_get(spec, "dry_run")),
                                   .backup = json_is_true(json_object_get(spec, "backup")),
                                   .verbose = json_is_true(json_object_get(spec, "verbose")),
                                   .skip_refused =
                                       json_is_true(json_object_get(spec, "skip_refused")),
                                   .line = on_line,
                                   .line_ctx = &ctx,
                                   .path = uploads->given[0],
                                   .sig_path = uploads->given[1],
                                   .manifest_path = uploads->given[2]};
    struct fleet_import_result result = {0};
    enum err err;
    if (json_is_true(json_object_get(spec, "keyring"))) {
        const struct fleet_network_create create = {
            .name = request.network,
            .realm = text_of(spec, "realm"),
            .id_bits = (unsigned)number_of(spec, "id_bits"),
            .passphrase =
                bytes_str(text_of(spec, "passphrase") != NULL ? text_of(spec, "passphrase") : "")};
        err = fleet_keyring_import(call, &request, create.realm != NULL ? &create : NULL, detail,
                                   &result);
    } else if (json_is_true(json_object_get(spec, "devices"))) {
        err = fleet_device_import(call, &request, detail, &result);
    } else {
        err = fleet_batch_import(call, &request, detail, &result);
    }
    if (result.lines != 0 || err == ERR_OK)
        *ret_result = import_json(&result);
    if (*ret_result != NULL && json_is_true(json_object_get(spec, "devices")))
        add_devices(*ret_result, &result);
    return err;
}

static enum err import_job(struct job *job, struct api *api, const struct fleet_call *call,
                           json_t *spec, json_t **ret_result, struct err_detail *detail)
{
    struct uploads *uploads = calloc(1, sizeof *uploads);
    if (uploads == NULL)
        return ERR_NO_MEMORY;
    enum err err = hold_uploads(api, spec, uploads, detail);
    if (err == ERR_OK)
        err = run_import(job, call, spec, uploads, ret_result, detail);
    drop_uploads(api, spec, uploads);
    free(uploads);
    return err;
}

static enum err check_flags(const struct api_call *call, struct err_detail *detail)
{
    static const char *const flags[] = {"dry_run", "backup", "verbose"};
    bool flag = false;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        TRY(api_flag(call, flags[i], &flag, detail));
    return ERR_OK;
}

static enum err start_import(struct api_call *call, bool keyring, json_t **ret_answer,
                             struct err_detail *detail)
{
    const char *file = NULL, *text = NULL;
    uint64_t id = 0;
    TRY(api_text(call, "file", &file, detail));
    TRY(api_number(call, "upload", INT64_MAX, &id, detail));
    TRY(check_flags(call, detail));
    if (keyring) {
        TRY(api_text_optional(call, "realm", &text, detail));
        if (text == NULL) /* else it may be made */
            TRY(check_network(call, detail));
        TRY(api_text_optional(call, "passphrase", &text, detail));
        TRY(api_number_optional(call, "id_bits", 64, &id, detail));
        TRY(api_number_optional(call, "upload_signature", INT64_MAX, &id, detail));
        TRY(api_number_optional(call, "upload_manifest", INT64_MAX, &id, detail));
    } else {
        TRY(api_number(call, "upload_signature", INT64_MAX, &id, detail));
        TRY(api_number(call, "upload_manifest", INT64_MAX, &id, detail));
        TRY(check_network(call, detail));
    }
    (void)json_object_set_new(call->body, "network",
                              json_string(net_http_param(call->http, "name")));
    (void)json_object_set_new(call->body, "keyring", json_boolean(keyring));
    (void)json_object_del(call->body, "devices");
    (void)json_object_del(call->body, "skip_refused");
    return api_start_job(call, keyring ? "keyring-import" : "batch-import", import_job, ret_answer);
}

static enum err import_devices(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    const char *file = NULL;
    uint64_t id = 0;
    bool flag = false;
    TRY(api_text(call, "file", &file, detail));
    TRY(api_number(call, "upload", INT64_MAX, &id, detail));
    TRY(api_number_optional(call, "upload_signature", INT64_MAX, &id, detail));
    TRY(check_flags(call, detail));
    TRY(api_flag(call, "skip_refused", &flag, detail));
    TRY(check_network(call, detail));
    /* a manifest is none of this one's */
    (void)json_object_del(call->body, "upload_manifest");
    (void)json_object_set_new(call->body, "network",
                              json_string(net_http_param(call->http, "name")));
    (void)json_object_set_new(call->body, "keyring", json_false());
    (void)json_object_set_new(call->body, "devices", json_true());
    return api_start_job(call, "device-import", import_job, ret_answer);
}
API_HANDLER(import_devices)

static enum err import_batch(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    return start_import(call, false, ret_answer, detail);
}
API_HANDLER(import_batch)

static enum err import_keyring(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    return start_import(call, true, ret_answer, detail);
}
API_HANDLER(import_keyring)

#include "fleet/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "audit_kinds.h"
#include "base/clock.h"
#include "base/file.h"
#include "fleet/export.h"
#include "fleet/import_run.h"

void import_freep(struct import **import)
{
    struct import *im = *import;
    if (!im)
        return;
    stage_done(&im->stage);
    file_closep(&im->manifest_fd);
    free(im->merge.verdicts);
    free(im->net);
    free(im);
}

enum err import_new(const struct fleet_call *call, const struct fleet_import *request,
                    struct import **ret_import)
{
    struct import *im = calloc(1, sizeof(*im));
    if (!im)
        return ERR_NO_MEMORY;
    im->call = call;
    im->request = request;
    im->manifest_fd = -1;
    im->stage.fd = -1;
    *ret_import = im;
    return ERR_OK;
}

void import_refuse(struct import *im, uint64_t line, const uint64_t *id, const char *text)
{
    if (im->first.code == ERR_OK)
        (void)err_set(&im->first, ERR_REFUSED, "%s: line %" PRIu64 ": %s", im->request->source,
                      line, text);
    if (im->reported++ >= FLEET_REPORT_MAX || !im->request->line)
        return;
    struct fleet_line told = {.line = line,
                              .id = id ? *id : 0,
                              .has_id = id != NULL,
                              .verdict = FLEET_REFUSED,
                              .text = text};
    im->request->line(im->request->line_ctx, &told, im->net->id_bits);
}

/* Two lines for one node contradict each other, or say the same twice: the file is not in order. */
void import_find_duplicates(struct import *im)
{
    if (!im->stage.order)
        return;
    const struct stage_row *before = stage_at(&im->stage, 0);
    for (uint64_t i = 1; i < im->stage.count; i++) {
        const struct stage_row *row = stage_at(&im->stage, i);
        if (row->id == before->id) {
            char text[64];
            snprintf(text, sizeof(text), "the node is in line %" PRIu32 ", too", before->line);
            import_refuse(im, row->line, &row->id, text);
            im->malformed++;
        }
        before = row;
    }
}

enum err import_read(struct import *im, struct err_detail *detail)
{
    if (im->request->sig_path)
        TRY(import_check_files(im, detail));
    TRY(import_decrypt(im, detail));
    import_find_duplicates(im);
    if (im->malformed == 0)
        return ERR_OK;
    im->result.count[FLEET_REFUSED] = im->malformed;
    if (detail)
        *detail = im->first;
    return ERR_REFUSED;
}

static enum err backup_once(struct import *im, int64_t when, struct err_detail *detail)
{
    char name[64], path[FLEET_PATH_MAX];
    time_t seconds = when;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(name, sizeof(name), "keyring.%y%m%d%H%M%S.csv.rsa", &tm);
    if (snprintf(path, sizeof(path), "%s/%s", im->call->fleet->backup_dir, name) >=
        (int)sizeof(path))
        return err_set(detail, ERR_LIMIT, "path of the backup is too long");
    struct export_files files = {.purpose = KEEPER_BACKUP,
                                 .head = true,
                                 .all = true,
                                 .with_sig = true,
                                 .path = path,
                                 .name = name};
    struct fleet_export_result result;
    TRY(export_files(im->call, im->net->name, &files, detail, &result));
    snprintf(im->result.backup_path, sizeof(im->result.backup_path), "%s", path);
    const struct keeper_note note = {.kind = AUDIT_BACKUP_WRITTEN,
                                     .row = {.domain = im->net->id, .epoch = im->op.serial},
                                     .text = name};
    return keeper_note_event(im->call->keeper, im->call->actor.name, &note, detail);
}

/* Names have seconds: two backups in one second get two names. */
static enum err backup(struct import *im, struct err_detail *detail)
{
    if (!im->call->fleet->backup_dir)
        return err_set(detail, ERR_CONFIG, "no folder for backups is configured");
    int64_t now = clock_now_s();
    enum err err = ERR_EXISTS;
    for (int i = 0; i < 60 && err == ERR_EXISTS; i++)
        err = backup_once(im, now + i, detail);
    return err;
}

static void summarise(struct import *im)
{
    char *to = im->op.summary;
    const size_t room = sizeof(im->op.summary);
    snprintf(to, room,
             "%s: %" PRIu64 " new, %" PRIu64 " unchanged, %" PRIu64 " reprovisioned, %" PRIu64
             " refused",
             im->net->name, im->merge.count[FLEET_NEW], im->merge.count[FLEET_UNCHANGED],
             im->merge.count[FLEET_REPROVISIONED], im->merge.count[FLEET_REFUSED]);
    const size_t len = strlen(to);
    if (im->result.signed_by[0] != '\0')
        snprintf(to + len, room - len, ", signed by %s", im->result.signed_by);
}

static enum err merge_file(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct import *im = ctx;
    TRY(import_put_keys(conn, im, detail));
    TRY(merge_rows(conn, &im->merge, detail));
    summarise(im);
    return operation_end(conn, &im->op, detail);
}

/* What would happen, without a write. */
static enum err merge_dry(struct import *im, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(im->call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    TRY(merge_rows(store_reader_conn(reader), &im->merge, detail));
    summarise(im);
    TRY(operation_finish(im->call, &im->op, detail));
    if (im->merge.count[FLEET_REFUSED] && !im->request->skip_refused)
        return err_set(detail, ERR_REFUSED, "%" PRIu64 " lines would be refused",
                       im->merge.count[FLEET_REFUSED]);
    return ERR_OK;
}

static void report(struct import *im)
{
    const struct fleet_import *request = im->request;
    for (uint64_t i = 0; i < im->stage.count; i++) {
        const struct stage_row *row = stage_at(&im->stage, i);
        enum fleet_verdict verdict = (enum fleet_verdict)(im->merge.verdicts[i] & 15);
        if (verdict == FLEET_REFUSED) {
            enum merge_reason reason = (enum merge_reason)(im->merge.verdicts[i] >> 4);
            import_refuse(im, row->line, &row->id, merge_reason_text(reason));
        } else if (request->verbose && request->line && verdict != FLEET_UNCHANGED) {
            struct fleet_line told = {row->line, row->id, true, verdict, ""};
            request->line(request->line_ctx, &told, im->net->id_bits);
        }
    }
}

enum err import_merge(struct import *im, struct err_detail *detail)
{
    const struct fleet_import *request = im->request;
    if (request->backup && !request->dry_run)
        TRY(backup(im, detail));
    im->merge = (struct merge){.call = im->call,
                               .net = im->net,
                               .stage = &im->stage,
                               .op = &im->op,
                               .write = !request->dry_run,
                               .skip_refused = request->skip_refused};
    im->merge.verdicts = calloc(im->stage.count ? (size_t)im->stage.count : 1, 1);
    if (!im->merge.verdicts)
        return ERR_NO_MEMORY;
    enum err err = request->dry_run
                       ? merge_dry(im, detail)
                       : store_run_alone(im->call->fleet->store, merge_file, im, detail);
    if (err != ERR_OK && err != ERR_REFUSED)
        return err;
    report(im);
    if (err == ERR_REFUSED && detail)
        *detail = im->first;
    memcpy(im->result.count, im->merge.count, sizeof(im->result.count));
    im->result.batches = im->merge.batches;
    im->result.merged = err == ERR_OK && !request->dry_run;
    return err;
}

static enum err import_locked(const struct fleet_call *call, const struct fleet_import *request,
                              struct err_detail *detail, struct fleet_import_result *ret_result)
{
    AUTO(import_freep) struct import *im = NULL;
    TRY(import_new(call, request, &im));
    TRY(net_read(call->fleet, request->network, detail, &im->net));
    TRY(import_check_manifest(im, detail));
    TRY(operation_begin(call, request->dry_run ? "import-dry-run" : "import", im->net->id,
                        request->source, &im->op, detail));
    im->result.epoch = im->op.serial;
    struct err_detail why = {0};
    enum err err = import_read(im, &why);
    if (err == ERR_OK)
        err = import_merge(im, &why);
    if (err != ERR_OK && detail)
        *detail = why;
    enum err closed = operation_close(call, &im->op, err, &why, err == ERR_OK ? detail : NULL);
    if (err == ERR_OK || err == ERR_REFUSED)
        *ret_result = im->result;
    return closed;
}

enum err fleet_batch_import(const struct fleet_call *call, const struct fleet_import *request,
                            struct err_detail *detail, struct fleet_import_result *ret_result)
{
    TRY(vault_may(&call->actor, VAULT_KEY_IMPORT, detail));
    if (!request->sig_path || !request->manifest_path)
        return err_set(detail, ERR_ARGUMENT, "a batch file has a .sig and a .manifest");
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, request->network, detail, &net));
    TRY(net_lock_take(call, net->id));
    enum err err = import_locked(call, request, detail, ret_result);
    net_lock_give(call->fleet, net->id);
    return err;
}

#include "fleet/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/rsa.h"
#include "fleet/export.h"

const char *fleet_verdict_name(enum fleet_verdict verdict)
{
    static const char *const names[] = {[FLEET_NEW] = "new",
                                        [FLEET_UNCHANGED] = "unchanged",
                                        [FLEET_REPROVISIONED] = "reprovisioned",
                                        [FLEET_REFUSED] = "refused"};
    return (size_t)verdict < ARRAY_LEN(names) ? names[verdict] : "unknown";
}

static enum err tell_origin(struct store_conn *conn, uint32_t network, struct fleet_batch *batch,
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT o.ended, o.actor, o.kind, o.source FROM batch b JOIN operation o "
                      "ON o.serial = b.operation WHERE b.network = ? AND b.batch = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, network);
    store_bind_i64(stmt, 2, batch->batch);
    enum err err = store_get_row(stmt, detail);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    batch->when = store_column_i64(stmt, 0);
    snprintf(batch->actor, sizeof(batch->actor), "%s", store_column_text(stmt, 1));
    snprintf(batch->operation, sizeof(batch->operation), "%s", store_column_text(stmt, 2));
    snprintf(batch->source, sizeof(batch->source), "%s", store_column_text(stmt, 3));
    return ERR_OK;
}

enum err fleet_batch_list(const struct fleet_call *call, const char *network, fleet_batch_fn *each,
                          void *ctx, struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_NODE_READ, detail));
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    struct store_conn *conn = store_reader_conn(reader);
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_load(conn, network, detail, &net));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT batch, count(*) FROM node WHERE network = ? GROUP BY batch "
                      "ORDER BY batch",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        struct fleet_batch batch = {.batch = (uint32_t)store_column_i64(stmt, 0),
                                    .nodes = store_column_u64(stmt, 1)};
        TRY(tell_origin(conn, net->id, &batch, detail));
        TRY(each(ctx, &batch, detail));
    }
}

static enum err export_to(const struct fleet_call *call, const struct fleet_export *request,
                          const char *kind, struct export_files *files, struct err_detail *detail,
                          struct fleet_export_result *ret_result)
{
    AUTO(rsa_public_freep) struct rsa_public *recipient = NULL;
    TRY(rsa_public_from_pem(request->recipient_pem, &recipient, detail));
    files->recipient = rsa_public_spki(recipient);
    files->all = request->all;
    files->batch = request->batch;
    files->path = request->path;
    files->name = request->name;
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, request->network, detail, &net));
    char what[FLEET_SOURCE_MAX + 1], batch[16] = "all";
    if (!request->all)
        snprintf(batch, sizeof(batch), "%" PRIu32, request->batch);
    snprintf(what, sizeof(what), "%.60s batch %s", net->name, batch);
    struct operation op;
    TRY(operation_begin(call, kind, net->id, what, &op, detail));
    struct err_detail why = {0};
    enum err err = export_files(call, request->network, files, &why, ret_result);
    if (err == ERR_OK) {
        snprintf(op.summary, sizeof(op.summary), "%s: %" PRIu64 " nodes", what, ret_result->nodes);
        err = operation_finish(call, &op, &why);
    }
    if (err != ERR_OK && detail)
        *detail = why;
    return operation_close(call, &op, err, &why, err == ERR_OK ? detail : NULL);
}

enum err fleet_batch_export(const struct fleet_call *call, const struct fleet_export *request,
                            struct err_detail *detail, struct fleet_export_result *ret_result)
{
    TRY(vault_may(&call->actor, VAULT_KEY_EXPORT, detail));
    struct export_files files = {.purpose = KEEPER_EXPORT_BATCH, .with_sig = true};
    return export_to(call, request, "batch-export", &files, detail, ret_result);
}

enum err fleet_keyring_export(const struct fleet_call *call, const struct fleet_export *request,
                              struct err_detail *detail, struct fleet_export_result *ret_result)
{
    TRY(vault_may(&call->actor, VAULT_KEYRING_EXPORT, detail));
    struct export_files files = {.purpose = KEEPER_EXPORT_KEYRING, .head = true};
    return export_to(call, request, "keyring-export", &files, detail, ret_result);
}

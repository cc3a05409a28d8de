#include "factory/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "factory/device_keys.h"
#include "factory/selection.h"

/* An export is made in chunks: each is read in a snapshot of its own, written to the file, and
 * marked in a transaction, so that the line goes on beside it and memory stays flat. The row of the
 * export has no number of devices until all of it is done; until then it can be undone. */

#define CHUNK 4000
#define KEYING                                                                                     \
    "k.node_id, k.config_id, k.revision, k.batch, k.time, k.kcv, k.encrypted, k.applications"
#define FIRST_KEY 3

struct mark {
    uint64_t node_id, keying, before;
};

struct export
{
    struct factory *factory;
    const struct fleet_call *call;
    const struct factory_export_request *request;
    struct selection selection;
    uint64_t id;
    int64_t made;
    uint64_t total, devices;
    struct device_keys keys;
    struct mark *marks; /* of the chunk */
    size_t marks_len;
};

static void export_done(struct export *export)
{
    device_keys_done(&export->keys);
    free(export->marks);
}

static enum err tell(const struct export *export)
{
    const struct fleet_call *call = export->call;
    if (call->progress == NULL ||
        call->progress(call->progress_ctx, "export", export->devices, export->total))
        return ERR_OK;
    return ERR_CANCELLED;
}

/* ---- rows ---- */

static enum err insert_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct export *export = ctx;
    const struct factory_export_request *r = export->request;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO device_export (made, made_by, config_id, batches, nodes, "
                      "from_time, to_time, only_new) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_i64(stmt, 1, export->made);
    store_bind_text(stmt, 2, export->call->actor.name);
    if (r->config_id != NULL)
        bind_id(stmt, 3, *r->config_id);
    store_bind_text(stmt, 4, r->batches);
    store_bind_text(stmt, 5, r->nodes);
    if (r->from != NULL)
        store_bind_i64(stmt, 6, *r->from);
    if (r->to != NULL)
        store_bind_i64(stmt, 7, *r->to);
    store_bind_i64(stmt, 8, r->only_new);
    TRY(store_exec_stmt(stmt, detail));
    export->id = (uint64_t)store_last_id(conn);
    return ERR_OK;
}

static enum err finish_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct export *export = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "UPDATE device_export SET devices = ? WHERE id = ?", &stmt, detail));
    store_bind_u64(stmt, 1, export->devices);
    store_bind_u64(stmt, 2, export->id);
    return store_exec_stmt(stmt, detail);
}

static enum err recount(struct store_conn *conn, int64_t devices, struct err_detail *detail)
{
    if (devices == 0)
        return ERR_OK;
    TRY(device_counted(conn, FACTORY_DEVICE_PROVISIONED, false, -devices, detail));
    return device_counted(conn, FACTORY_DEVICE_PROVISIONED, true, devices, detail);
}

/* A device that was keyed anew meanwhile keeps its row: its new key is in no export. */
static enum err mark_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct export *export = ctx;
    AUTO(store_stmt_freep) struct store_stmt *insert = NULL;
    AUTO(store_stmt_freep) struct store_stmt *update = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO device_exported (export, node_id, keying, before) "
                      "VALUES (?, ?, ?, ?)",
                      &insert, detail));
    TRY(store_prepare(conn, "UPDATE device SET exported = ? WHERE node_id = ? AND keying = ?",
                      &update, detail));
    int64_t moved = 0;
    for (size_t i = 0; i < export->marks_len; i++) {
        const struct mark *mark = &export->marks[i];
        store_bind_u64(insert, 1, export->id);
        bind_id(insert, 2, mark->node_id);
        store_bind_u64(insert, 3, mark->keying);
        store_bind_u64(insert, 4, mark->before);
        TRY(store_exec_stmt(insert, detail));
        store_bind_u64(update, 1, export->id);
        bind_id(update, 2, mark->node_id);
        store_bind_u64(update, 3, mark->keying);
        TRY(store_exec_stmt(update, detail));
        moved += mark->before == 0 && store_changes(conn) > 0;
    }
    return recount(conn, moved, detail);
}

/* ---- undo ---- */

struct undo {
    uint64_t export;
    bool more;
};

static enum err undo_read(struct store_conn *conn, uint64_t export, struct mark *marks,
                          size_t *ret_len, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn, "SELECT node_id, keying, before FROM device_exported WHERE export = ? LIMIT ?", &stmt,
        detail));
    store_bind_u64(stmt, 1, export);
    store_bind_i64(stmt, 2, CHUNK);
    size_t len = 0;
    for (bool row = true; len < CHUNK; len++) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        marks[len] =
            (struct mark){column_id(stmt, 0), store_column_u64(stmt, 1), store_column_u64(stmt, 2)};
    }
    *ret_len = len;
    return ERR_OK;
}

static enum err undo_marks(struct store_conn *conn, uint64_t export, const struct mark *marks,
                           size_t len, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *update = NULL;
    AUTO(store_stmt_freep) struct store_stmt *delete = NULL;
    TRY(store_prepare(conn,
                      "UPDATE device SET exported = ? WHERE node_id = ? AND keying = ? AND "
                      "exported = ?",
                      &update, detail));
    TRY(store_prepare(conn, "DELETE FROM device_exported WHERE export = ? AND node_id = ?", &delete,
                      detail));
    int64_t moved = 0;
    for (size_t i = 0; i < len; i++) {
        store_bind_u64(update, 1, marks[i].before);
        bind_id(update, 2, marks[i].node_id);
        store_bind_u64(update, 3, marks[i].keying);
        store_bind_u64(update, 4, export);
        TRY(store_exec_stmt(update, detail));
        moved += marks[i].before == 0 && store_changes(conn) > 0;
        store_bind_u64(delete, 1, export);
        bind_id(delete, 2, marks[i].node_id);
        TRY(store_exec_stmt(delete, detail));
    }
    return recount(conn, -moved, detail);
}

static enum err undo_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct undo *undo = ctx;
    struct mark *marks = malloc(CHUNK * sizeof *marks);
    size_t len = 0;
    if (marks == NULL)
        return ERR_NO_MEMORY;
    enum err err = undo_read(conn, undo->export, marks, &len, detail);
    if (err == ERR_OK)
        err = undo_marks(conn, undo->export, marks, len, detail);
    free(marks);
    TRY(err);
    undo->more = len == CHUNK;
    if (undo->more)
        return ERR_OK;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM device_export WHERE id = ?", &stmt, detail));
    store_bind_u64(stmt, 1, undo->export);
    return store_exec_stmt(stmt, detail);
}

static enum err undo(struct factory *factory, uint64_t export, struct err_detail *detail)
{
    struct undo undo = {.export = export, .more = true};
    while (undo.more)
        TRY(store_run(factory->store, undo_fn, &undo, detail));
    return ERR_OK;
}

static enum err find_unfinished(struct factory *factory, uint64_t *ret_export,
                                struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn, "SELECT id FROM device_export WHERE devices IS NULL LIMIT 1",
                      &stmt, detail));
    TRY(store_get_row(stmt, detail));
    *ret_export = store_column_u64(stmt, 0);
    return ERR_OK;
}

enum err exports_recover(struct factory *factory, struct err_detail *detail)
{
    for (;;) {
        uint64_t export = 0;
        enum err err = find_unfinished(factory, &export, detail);
        if (err == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(err);
        TRY(undo(factory, export, detail));
    }
}

/* ---- writing ---- */

/* One chunk of rows of `stmt`, whose first columns are node_id, keying and exported. */
static enum err write_chunk(struct export *export, struct store_conn *conn, struct store_stmt *stmt,
                            struct err_detail *detail)
{
    export->marks_len = 0;
    for (bool row = true; export->marks_len < CHUNK;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        export->marks[export->marks_len++] =
            (struct mark){column_id(stmt, 0), store_column_u64(stmt, 1), store_column_u64(stmt, 2)};
        TRY(device_keys_add(&export->keys, conn, stmt, FIRST_KEY, detail));
    }
    return ERR_OK;
}

static enum err chunk_of(struct export *export, const char *sql, const struct factory_range *range,
                         struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(export->factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn, sql, &stmt, detail));
    unsigned last = selection_bind(&export->selection, stmt, range->first, range->last);
    store_bind_i64(stmt, last + 1, CHUNK);
    return write_chunk(export, read.conn, stmt, detail);
}

static enum err write_range(struct export *export, const char *sql, struct factory_range range,
                            struct err_detail *detail)
{
    for (;;) {
        TRY(tell(export));
        TRY(chunk_of(export, sql, &range, detail));
        if (export->marks_len == 0)
            return ERR_OK;
        TRY(store_run(export->factory->store, mark_fn, export, detail));
        export->devices += export->marks_len;
        uint64_t last = export->marks[export->marks_len - 1].node_id;
        if (export->marks_len < CHUNK || last == range.last)
            return ERR_OK;
        range.first = last + 1;
    }
}

static enum err write_selection(struct export *export, const char *path, struct err_detail *detail)
{
    AUTO(buf_done) struct buf sql = {0};
    TRY(buf_printf(&sql, "SELECT d.node_id, d.keying, d.exported, " KEYING
                         " FROM device d CROSS JOIN device_keying k ON k.id = d.keying"));
    TRY(selection_where(&export->selection, &sql));
    TRY(buf_printf(&sql, " ORDER BY d.node_id LIMIT ?"));
    TRY(buf_append(&sql, bytes_of("", 1)));
    for (size_t i = 0; i < export->selection.nodes_len; i++)
        TRY(write_range(export, (const char *)sql.data, export->selection.nodes[i], detail));
    if (export->devices == 0)
        return err_set(detail, ERR_NOT_FOUND, "no provisioned device is in this selection");
    return device_keys_end(&export->keys, path, detail);
}

static enum err export_new(struct export *export, const char *path, struct err_detail *detail)
{
    export->made = clock_now_s();
    TRY(store_run(export->factory->store, insert_fn, export, detail));
    enum err err =
        device_keys_open(&export->keys, export->call, path, export->id, export->made, detail);
    bool made = err == ERR_OK;
    if (err == ERR_OK)
        err = write_selection(export, path, detail);
    if (err == ERR_OK)
        err = store_run(export->factory->store, finish_fn, export, detail);
    if (err == ERR_OK)
        return ERR_OK;
    if (made)
        device_keys_undo(path);
    /* where this fails the next start does it */
    (void)(undo(export->factory, export->id, NULL) == ERR_OK);
    return err;
}

static enum err begin(struct export *export)
{
    export->keys.fd = -1;
    export->marks = malloc(CHUNK * sizeof *export->marks);
    return export->marks != NULL ? ERR_OK : ERR_NO_MEMORY;
}

enum err factory_export(struct factory *factory, const struct fleet_call *call,
                        const struct factory_export_request *request, const char *path,
                        struct factory_export_result *ret_result, struct err_detail *detail)
{
    AUTO(export_done)
    struct export export = {.factory = factory, .call = call, .request = request};
    TRY(begin(&export));
    TRY(selection_read(&export.selection, request, detail));
    TRY(selection_count(factory, &export.selection, &export.total, detail));
    if (request->count_only) {
        *ret_result = (struct factory_export_result){.devices = export.total};
        return ERR_OK;
    }
    (void)pthread_mutex_lock(&factory->export);
    enum err err = export_new(&export, path, detail);
    (void)pthread_mutex_unlock(&factory->export);
    TRY(err);
    *ret_result = (struct factory_export_result){export.id, export.devices, export.keys.bytes};
    return ERR_OK;
}

/* ---- once more ---- */

static enum err find(struct export *export, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(export->factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        read.conn, "SELECT made, devices FROM device_export WHERE id = ? AND devices IS NOT NULL",
        &stmt, detail));
    store_bind_u64(stmt, 1, export->id);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "no export %" PRIu64, export->id);
    TRY(err);
    export->made = store_column_i64(stmt, 0);
    export->total = store_column_u64(stmt, 1);
    return ERR_OK;
}

static enum err repeat_chunk(struct export *export, uint64_t from, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(export->factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      "SELECT e.node_id, e.keying, e.before, " KEYING
                      " FROM device_exported e CROSS JOIN device_keying k ON k.id = e.keying "
                      "WHERE e.export = ? AND e.node_id >= ? ORDER BY e.node_id LIMIT ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, export->id);
    bind_id(stmt, 2, from);
    store_bind_i64(stmt, 3, CHUNK);
    return write_chunk(export, read.conn, stmt, detail);
}

static enum err repeat(struct export *export, const char *path, struct err_detail *detail)
{
    for (uint64_t from = 0;;) {
        TRY(tell(export));
        TRY(repeat_chunk(export, from, detail));
        export->devices += export->marks_len;
        uint64_t last = export->marks_len > 0 ? export->marks[export->marks_len - 1].node_id : 0;
        if (export->marks_len < CHUNK || last == UINT64_MAX)
            return device_keys_end(&export->keys, path, detail);
        from = last + 1;
    }
}

enum err factory_export_repeat(struct factory *factory, const struct fleet_call *call, uint64_t id,
                               const char *path, struct factory_export_result *ret_result,
                               struct err_detail *detail)
{
    AUTO(export_done) struct export export = {.factory = factory, .call = call, .id = id};
    TRY(begin(&export));
    TRY(find(&export, detail));
    TRY(device_keys_open(&export.keys, call, path, id, export.made, detail));
    enum err err = repeat(&export, path, detail);
    if (err != ERR_OK) {
        device_keys_undo(path);
        return err;
    }
    *ret_result = (struct factory_export_result){id, export.devices, export.keys.bytes};
    return ERR_OK;
}

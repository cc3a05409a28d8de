#include "factory/prune.h"

#include <inttypes.h>
#include <stdio.h>

#include "audit_kinds.h"
#include "base/clock.h"
#include "factory/internal.h"

#define CHUNK    2000
#define THROUGH  UINT64_MAX /* a cursor behind the last row */
#define DAY      86400
#define MINUTES  1440 /* of a day */
#define LINE_MIN 2    /* days that the counts of the line are kept at least */

enum kind { RUNS, KEYINGS, KINDS };

/* The ids of the next rows: parameters are the last id and the limit; in the order in which they
 * were made. */
static const char *const windows[KINDS] = {
    [RUNS] = ("SELECT max(id), min(begun) FROM (SELECT id, begun FROM factory_run WHERE id > ? "
              "ORDER BY id LIMIT ?)"),
    [KEYINGS] = ("SELECT max(id), min(received) FROM (SELECT id, received FROM device_keying "
                 "WHERE id > ? ORDER BY id LIMIT ?)"),
};

/* Rows of a window that may go: its ends, and the time. A run that has not ended may be under way
 * for a day. An export that is being made has keys in its file that it has not marked yet. */
#define OLD_RUNS                                                                                   \
    "FROM factory_run WHERE id IN (SELECT r.id FROM factory_run r WHERE r.id > ?1 AND r.id <= ?2 " \
    "AND r.begun < ?3 AND (r.ended < ?3 OR (r.ended IS NULL AND r.begun < ?3 - 86400)) AND "       \
    "(r.node_id IS NULL OR EXISTS (SELECT 1 FROM factory_run n WHERE n.node_id = r.node_id AND "   \
    "n.id > r.id)))"
#define OLD_KEYINGS                                                                                \
    "FROM device_keying WHERE id IN (SELECT k.id FROM device_keying k JOIN device d ON "           \
    "d.node_id = k.node_id WHERE k.id > ?1 AND k.id <= ?2 AND k.received < ?3 AND d.keying > "     \
    "k.id AND d.state = ?4 AND NOT EXISTS (SELECT 1 FROM device_exported e WHERE e.node_id = "     \
    "k.node_id AND e.keying = k.id)) AND NOT EXISTS (SELECT 1 FROM device_export WHERE devices "   \
    "IS NULL)"
static const char *const deletes[KINDS] = {
    [RUNS] = "DELETE " OLD_RUNS, [KEYINGS] = "DELETE " OLD_KEYINGS};
static const char *const counts[KINDS] = {
    [RUNS] = "SELECT count(*) " OLD_RUNS, [KEYINGS] = "SELECT count(*) " OLD_KEYINGS};

struct window {
    enum kind kind;
    int64_t before;
    uint64_t after, last; /* ids */
    uint64_t rows;        /* that went, or would */
};

static void bind(struct store_stmt *stmt, const struct window *w)
{
    store_bind_u64(stmt, 1, w->after);
    store_bind_u64(stmt, 2, w->last);
    store_bind_i64(stmt, 3, w->before);
    if (w->kind == KEYINGS)
        store_bind_i64(stmt, 4, FACTORY_DEVICE_PROVISIONED);
}

static enum err delete_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct window *w = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, deletes[w->kind], &stmt, detail));
    bind(stmt, w);
    TRY(store_exec_stmt(stmt, detail));
    w->rows = (uint64_t)store_changes(conn);
    return ERR_OK;
}

static enum err count_rows(struct store_conn *conn, struct window *w, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, counts[w->kind], &stmt, detail));
    bind(stmt, w);
    TRY(store_get_row(stmt, detail));
    w->rows = store_column_u64(stmt, 0);
    return ERR_OK;
}

/* Finds the next window; `ret_more` is false behind the last old row. */
static enum err next_window(struct factory *factory, struct window *w, bool dry_run, bool *ret_more,
                            struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(read_begin(factory, &read, detail));
    TRY(store_prepare(read.conn, windows[w->kind], &stmt, detail));
    store_bind_u64(stmt, 1, w->after);
    store_bind_i64(stmt, 2, CHUNK);
    TRY(store_get_row(stmt, detail));
    w->last = store_column_u64(stmt, 0);
    *ret_more = w->last > w->after && store_column_i64(stmt, 1) < w->before;
    return *ret_more && dry_run ? count_rows(read.conn, w, detail) : ERR_OK;
}

static enum err prune_kind(struct factory *factory, const struct fleet_call *call,
                           const struct factory_prune *request, enum kind kind, uint64_t *cursor,
                           uint64_t *rows, struct err_detail *detail)
{
    struct window w = {.kind = kind, .before = request->before, .after = *cursor};
    for (bool more = *cursor != THROUGH; more;) {
        if (call->progress != NULL && !call->progress(call->progress_ctx, "prune", *rows, 0))
            return ERR_CANCELLED;
        TRY(next_window(factory, &w, request->dry_run, &more, detail));
        if (!more)
            break;
        if (!request->dry_run)
            TRY(store_run(factory->store, delete_fn, &w, detail));
        *rows += w.rows;
        *cursor = w.after = w.last;
    }
    *cursor = THROUGH;
    return ERR_OK;
}

/* ---- what the page Line was counted from ---- */

struct minutes {
    int64_t first, before;
};

static enum err delete_minutes(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct minutes *minutes = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM line_minute WHERE minute >= ? AND minute < ?", &stmt,
                      detail));
    store_bind_i64(stmt, 1, minutes->first);
    store_bind_i64(stmt, 2, minutes->before);
    return store_exec_stmt(stmt, detail);
}

static enum err first_minute(struct factory *factory, int64_t *ret_minute,
                             struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(read_begin(factory, &read, detail));
    TRY(store_prepare(read.conn, "SELECT coalesce(min(minute), ?) FROM line_minute", &stmt,
                      detail));
    store_bind_i64(stmt, 1, INT64_MAX);
    TRY(store_get_row(stmt, detail));
    *ret_minute = store_column_i64(stmt, 0);
    return ERR_OK;
}

/* A day at a time. */
static enum err prune_minutes(struct factory *factory, int64_t before, struct err_detail *detail)
{
    const int64_t newest = clock_now_s() - (int64_t)LINE_MIN * DAY;
    const int64_t end = (before < newest ? before : newest) / 60;
    for (;;) {
        int64_t first = 0;
        TRY(first_minute(factory, &first, detail));
        if (first >= end)
            return ERR_OK;
        struct minutes minutes = {first, first + MINUTES < end ? first + MINUTES : end};
        TRY(store_run(factory->store, delete_minutes, &minutes, detail));
    }
}

static enum err note(const struct fleet_call *call, int64_t before,
                     const struct factory_pruned *pruned, struct err_detail *detail)
{
    char when[32], text[160];
    clock_format(before, when);
    (void)snprintf(text, sizeof text,
                   "before %s: %" PRIu64 " runs, %" PRIu64 " keys that newer ones have replaced",
                   when, pruned->runs, pruned->keyings);
    const struct keeper_note record = {.kind = AUDIT_FACTORY_PRUNED, .text = text};
    return keeper_note_event(call->keeper, call->actor.name, &record, detail);
}

enum err factory_prune(struct factory *factory, const struct fleet_call *call,
                       const struct factory_prune *request, struct factory_pruned *ret_pruned,
                       struct err_detail *detail)
{
    uint64_t own[KINDS] = {0};
    uint64_t *cursor = request->cursor != NULL ? request->cursor : own;
    struct factory_pruned pruned = {0};
    enum err err = prune_kind(factory, call, request, RUNS, &cursor[RUNS], &pruned.runs, detail);
    if (err == ERR_OK)
        err =
            prune_kind(factory, call, request, KEYINGS, &cursor[KEYINGS], &pruned.keyings, detail);
    if (err == ERR_OK && !request->dry_run)
        err = prune_minutes(factory, request->before, detail);
    if (err == ERR_OK)
        cursor[RUNS] = cursor[KEYINGS] = 0;
    *ret_pruned = pruned;
    if (request->dry_run || pruned.runs + pruned.keyings == 0)
        return err;
    enum err noted = note(call, request->before, &pruned, err == ERR_OK ? detail : NULL);
    return err == ERR_OK ? noted : err;
}

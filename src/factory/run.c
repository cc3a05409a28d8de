#include "factory/run.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "factory/internal.h"

static const char *const names[FACTORY_OPERATIONS] = {
    [FACTORY_PROVISION] = "PROVISION",
    [FACTORY_PRETEST] = "PRETEST",
    [FACTORY_CHECKCONFIG] = "CHECKCONFIG",
    [FACTORY_POSTTEST] = "POSTTEST",
};

const char *factory_operation_name(enum factory_operation operation)
{
    return operation > 0 && operation < FACTORY_OPERATIONS ? names[operation] : "";
}

enum err factory_operation_of(const char *name, enum factory_operation *ret_operation)
{
    for (unsigned i = FACTORY_PROVISION; i < FACTORY_OPERATIONS; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret_operation = (enum factory_operation)i;
            return ERR_OK;
        }
    }
    return ERR_ARGUMENT;
}

/* ---- begin ---- */

struct begin {
    const struct factory_run_begin *run;
    int64_t now;
    bool is_new;
};

/* ERR_OK where it is the same run again. */
static enum err compare(struct store_conn *conn, const struct factory_run_begin *run,
                        struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT operation, config_id, revision, batch, station FROM factory_run "
                      "WHERE run = ?",
                      &stmt, detail));
    store_bind_bytes(stmt, 1, BYTES(run->run));
    TRY(store_get_row(stmt, detail));
    bool same =
        store_column_i64(stmt, 0) == (int64_t)run->operation &&
        column_id(stmt, 1) == run->config_id && store_column_i64(stmt, 2) == run->revision &&
        store_column_i64(stmt, 3) == run->batch && strcmp(column_text(stmt, 4), run->station) == 0;
    return same ? ERR_OK : err_set(detail, ERR_EXISTS, "this run began with something else");
}

static enum err check_package(struct store_conn *conn, const struct factory_run_begin *run,
                              struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT 1 FROM package WHERE config_id = ? AND revision = ?", &stmt,
                      detail));
    bind_id(stmt, 1, run->config_id);
    store_bind_i64(stmt, 2, run->revision);
    enum err err = store_get_row(stmt, detail);
    return err == ERR_NOT_FOUND
               ? err_set(detail, err, "configuration 0x%016" PRIx64 " has no revision %" PRIu32,
                         run->config_id, run->revision)
               : err;
}

static enum err insert(struct store_conn *conn, const struct begin *begin,
                       struct err_detail *detail)
{
    const struct factory_run_begin *run = begin->run;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn,
        "INSERT INTO factory_run (run, operation, config_id, revision, batch, "
        "station, operator, port, node_id, begun) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &stmt, detail));
    store_bind_bytes(stmt, 1, BYTES(run->run));
    store_bind_i64(stmt, 2, run->operation);
    bind_id(stmt, 3, run->config_id);
    store_bind_i64(stmt, 4, run->revision);
    store_bind_i64(stmt, 5, run->batch);
    store_bind_text(stmt, 6, run->station);
    store_bind_text(stmt, 7, run->operator);
    store_bind_text(stmt, 8, run->port);
    if (run->node_id != NULL)
        bind_id(stmt, 9, *run->node_id);
    store_bind_i64(stmt, 10, begin->now);
    return store_exec_stmt(stmt, detail);
}

static enum err begin_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct begin *begin = ctx;
    enum err err = compare(conn, begin->run, detail);
    begin->is_new = err == ERR_NOT_FOUND;
    if (err != ERR_NOT_FOUND)
        return err;
    TRY(check_package(conn, begin->run, detail));
    return insert(conn, begin, detail);
}

enum err factory_run_begin(struct factory *factory, const struct factory_run_begin *run,
                           bool *ret_new, struct err_detail *detail)
{
    TRY(check_text("station", run->station, FACTORY_NAME_MAX, false, detail));
    TRY(check_text("operator", run->operator, FACTORY_NAME_MAX, true, detail));
    TRY(check_text("port", run->port, FACTORY_NAME_MAX, true, detail));
    struct begin begin = {.run = run, .now = clock_now_s()};
    TRY(store_run(factory->store, begin_fn, &begin, detail));
    *ret_new = begin.is_new;
    return ERR_OK;
}

/* ---- end ---- */

struct end {
    const struct factory_run_end *end;
    int64_t now;
    bool is_new;
};

/* What device_ran wants of the row, and whether the run has ended. */
static enum err find(struct store_conn *conn, const struct factory_run_end *end,
                     struct factory_run *run, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, operation, config_id, revision, batch, station, node_id, ended "
                      "FROM factory_run WHERE run = ?",
                      &stmt, detail));
    store_bind_bytes(stmt, 1, BYTES(end->run));
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && strcmp(column_text(stmt, 5), end->station) != 0))
        return err_set(detail, ERR_NOT_FOUND, "station %s has begun no such run", end->station);
    TRY(err);
    run->id = store_column_u64(stmt, 0);
    run->operation = (enum factory_operation)store_column_i64(stmt, 1);
    run->config_id = column_id(stmt, 2);
    run->revision = (uint32_t)store_column_i64(stmt, 3);
    run->batch = (uint32_t)store_column_i64(stmt, 4);
    run->has_node = !store_column_null(stmt, 6);
    run->node_id = run->has_node ? column_id(stmt, 6) : 0;
    run->has_ended = !store_column_null(stmt, 7);
    return ERR_OK;
}

static enum err update(struct store_conn *conn, const struct end *end,
                       const struct factory_run *run, struct err_detail *detail)
{
    const struct factory_run_end *e = end->end;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE factory_run SET node_id = ?, ended = ?, return_code = ?, locked = ?, "
                      "milliseconds = ?, node_type = ?, hardware = ?, versions_before = ?, "
                      "versions_after = ?, text = ? WHERE id = ?",
                      &stmt, detail));
    if (run->has_node)
        bind_id(stmt, 1, run->node_id);
    store_bind_i64(stmt, 2, end->now);
    store_bind_i64(stmt, 3, e->return_code);
    store_bind_i64(stmt, 4, e->locked);
    store_bind_u64(stmt, 5, e->milliseconds);
    store_bind_text(stmt, 6, e->node_type);
    store_bind_text(stmt, 7, e->hardware);
    store_bind_text(stmt, 8, e->versions_before);
    store_bind_text(stmt, 9, e->versions_after);
    store_bind_text(stmt, 10, e->text);
    store_bind_u64(stmt, 11, run->id);
    return store_exec_stmt(stmt, detail);
}

static enum err end_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct end *end = ctx;
    struct factory_run run = {.return_code = end->end->return_code, .station = end->end->station};
    TRY(find(conn, end->end, &run, detail));
    end->is_new = !run.has_ended;
    if (run.has_ended)
        return ERR_OK;
    memcpy(run.run, end->end->run, sizeof run.run);
    if (end->end->node_id != NULL) {
        run.has_node = true;
        run.node_id = *end->end->node_id;
    }
    TRY(update(conn, end, &run, detail));
    run.ended = end->now;
    TRY(line_counted(conn, &run, detail));
    return run.has_node ? device_ran(conn, &run, end->end->kcv, detail) : ERR_OK;
}

enum err factory_run_end(struct factory *factory, const struct factory_run_end *end, bool *ret_new,
                         struct err_detail *detail)
{
    TRY(check_text("node_type", end->node_type, FACTORY_NAME_MAX, true, detail));
    TRY(check_text("hardware", end->hardware, FACTORY_NAME_MAX, true, detail));
    TRY(check_text("text", end->text, FACTORY_TEXT_MAX, true, detail));
    TRY(check_text("versions_before", end->versions_before, FACTORY_VERSIONS_MAX, true, detail));
    TRY(check_text("versions_after", end->versions_after, FACTORY_VERSIONS_MAX, true, detail));
    struct end ctx = {.end = end, .now = clock_now_s()};
    TRY(store_run(factory->store, end_fn, &ctx, detail));
    *ret_new = ctx.is_new;
    return ERR_OK;
}

/* ---- lists ---- */

#define COLUMNS                                                                                    \
    "id, run, operation, config_id, revision, batch, station, operator, port, node_id, begun, "    \
    "ended, return_code, locked, milliseconds, node_type, hardware, versions_before, "             \
    "versions_after, text"

static struct factory_run run_of(struct store_stmt *stmt)
{
    struct factory_run run = {.id = store_column_u64(stmt, 0),
                              .operation = (enum factory_operation)store_column_i64(stmt, 2),
                              .config_id = column_id(stmt, 3),
                              .revision = (uint32_t)store_column_i64(stmt, 4),
                              .batch = (uint32_t)store_column_i64(stmt, 5),
                              .station = column_text(stmt, 6),
                              .operator= column_text(stmt, 7),
                              .port = column_text(stmt, 8),
                              .has_node = !store_column_null(stmt, 9),
                              .begun = store_column_i64(stmt, 10),
                              .has_ended = !store_column_null(stmt, 11),
                              .ended = store_column_i64(stmt, 11),
                              .return_code = (int)store_column_i64(stmt, 12),
                              .locked = store_column_i64(stmt, 13) != 0,
                              .milliseconds = store_column_u64(stmt, 14),
                              .node_type = column_text(stmt, 15),
                              .hardware = column_text(stmt, 16),
                              .versions_before = column_text(stmt, 17),
                              .versions_after = column_text(stmt, 18),
                              .text = column_text(stmt, 19)};
    run.node_id = run.has_node ? column_id(stmt, 9) : 0;
    column_copy(stmt, 1, run.run, sizeof run.run);
    return run;
}

/* One condition leads through its index; a '+' before the others' columns keeps theirs out. */
static void list_sql(const struct factory_run_filter *filter, char sql[640])
{
    bool node = filter->node_id != NULL, batch = filter->batch != NULL,
         code = filter->return_code != NULL && *filter->return_code > 0;
    (void)snprintf(sql, 640,
                   "SELECT " COLUMNS
                   " FROM factory_run WHERE id < ?%s%s%s%s ORDER BY id DESC LIMIT ?",
                   node ? " AND node_id = ?" : "",
                   !batch ? ""
                   : node ? " AND +batch = ?"
                          : " AND batch = ?",
                   filter->return_code == NULL ? ""
                   : code && !node && !batch   ? " AND return_code = ? AND return_code > 0"
                                               : " AND +return_code = ?",
                   filter->station == NULL                        ? ""
                   : node || batch || filter->return_code != NULL ? " AND +station = ?"
                                                                  : " AND station = ?");
}

static void list_bind(struct store_stmt *stmt, const struct factory_run_filter *filter,
                      unsigned limit)
{
    unsigned n = 0;
    store_bind_i64(stmt, ++n,
                   filter->before != 0 && filter->before < INT64_MAX ? (int64_t)filter->before
                                                                     : INT64_MAX);
    if (filter->node_id != NULL)
        bind_id(stmt, ++n, *filter->node_id);
    if (filter->batch != NULL)
        store_bind_i64(stmt, ++n, *filter->batch);
    if (filter->return_code != NULL)
        store_bind_i64(stmt, ++n, *filter->return_code);
    if (filter->station != NULL)
        store_bind_text(stmt, ++n, filter->station);
    store_bind_i64(stmt, ++n, (int64_t)limit + 1);
}

enum err factory_run_list(struct factory *factory, const struct factory_run_filter *filter,
                          factory_run_fn *each, void *ctx, uint64_t *ret_next,
                          struct err_detail *detail)
{
    char sql[640];
    unsigned limit = filter->limit < FACTORY_PAGE_MAX ? filter->limit : FACTORY_PAGE_MAX;
    list_sql(filter, sql);
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn, sql, &stmt, detail));
    list_bind(stmt, filter, limit);
    uint64_t last = 0;
    for (unsigned given = 0;; given++) {
        bool row = false;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        if (given == limit) {
            *ret_next = last;
            return ERR_OK;
        }
        const struct factory_run run = run_of(stmt);
        last = run.id;
        TRY(each(ctx, &run));
    }
}

enum err factory_run_get(struct factory *factory, const uint8_t run[FACTORY_RUN_ID],
                         factory_run_fn *each, void *ctx, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn, "SELECT " COLUMNS " FROM factory_run WHERE run = ?", &stmt,
                      detail));
    store_bind_bytes(stmt, 1, bytes_of(run, FACTORY_RUN_ID));
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "no such run");
    TRY(err);
    const struct factory_run found = run_of(stmt);
    return each(ctx, &found);
}

#include <inttypes.h>
#include <stdio.h>

#include "factory/internal.h"

#define SQL_MAX 640
#define COLUMNS                                                                                    \
    "d.node_id, d.keying, d.state, d.stage, d.config_id, d.revision, d.batch, d.time, d.station, " \
    "d.operator, d.return_code, d.exported"

static struct factory_device device_of(struct store_stmt *stmt)
{
    return (struct factory_device){.node_id = column_id(stmt, 0),
                                   .keying = store_column_u64(stmt, 1),
                                   .state = (enum factory_device_state)store_column_i64(stmt, 2),
                                   .stage = (unsigned)store_column_i64(stmt, 3),
                                   .config_id = column_id(stmt, 4),
                                   .revision = (uint32_t)store_column_i64(stmt, 5),
                                   .batch = (uint32_t)store_column_i64(stmt, 6),
                                   .time = store_column_i64(stmt, 7),
                                   .station = column_text(stmt, 8),
                                   .operator= column_text(stmt, 9),
                                   .return_code = (int)store_column_i64(stmt, 10),
                                   .exported = store_column_u64(stmt, 11)};
}

static enum err no_device(uint64_t node_id, struct err_detail *detail)
{
    return err_set(detail, ERR_NOT_FOUND, "no device 0x%08" PRIx64, node_id);
}

enum err factory_device_get(struct factory *factory, uint64_t node_id, factory_device_fn *each,
                            void *ctx, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      "SELECT " COLUMNS ", k.kcv FROM device d LEFT JOIN device_keying k "
                      "ON k.id = d.keying WHERE d.node_id = ?",
                      &stmt, detail));
    bind_id(stmt, 1, node_id);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return no_device(node_id, detail);
    TRY(err);
    struct factory_device device = device_of(stmt);
    column_copy(stmt, 12, device.kcv, sizeof device.kcv);
    return each(ctx, &device);
}

/* ---- what a station asks ---- */

static enum err find_keying(struct store_conn *conn, uint64_t node_id, const uint8_t *kcv,
                            uint64_t *ret_keying, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id FROM device_keying WHERE node_id = ? AND kcv = ? "
                      "ORDER BY id DESC LIMIT 1",
                      &stmt, detail));
    bind_id(stmt, 1, node_id);
    store_bind_bytes(stmt, 2, bytes_of(kcv, FACTORY_KCV));
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_OK)
        *ret_keying = store_column_u64(stmt, 0);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Is there a PRETEST of the device that went well after run `id`? */
static enum err pretested_since(struct store_conn *conn, uint64_t node_id, uint64_t id,
                                bool *ret_is, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT 1 FROM factory_run WHERE node_id = ? AND id > ? AND operation = ? "
                      "AND return_code = 0 LIMIT 1",
                      &stmt, detail));
    bind_id(stmt, 1, node_id);
    store_bind_u64(stmt, 2, id);
    store_bind_i64(stmt, 3, FACTORY_PRETEST);
    enum err err = store_get_row(stmt, detail);
    *ret_is = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err read_had(struct store_conn *conn, uint64_t keying, struct arena *arena,
                         struct factory_device_had *had, struct err_detail *detail)
{
    struct factory_keying found = {0};
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT k.config_id, k.revision, k.kcv, k.applications, r.operation, r.id "
                      "FROM device_keying k LEFT JOIN factory_run r ON r.run = k.run "
                      "WHERE k.id = ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, keying);
    TRY(store_get_row(stmt, detail));
    had->newest = keying == had->device->keying;
    had->config_id = column_id(stmt, 0);
    had->revision = (uint32_t)store_column_i64(stmt, 1);
    column_copy(stmt, 2, had->kcv, sizeof had->kcv);
    TRY(applications_read(store_column_bytes(stmt, 3), arena, &found));
    had->applications = found.applications;
    had->applications_len = found.applications_len;
    if (store_column_i64(stmt, 4) != FACTORY_POSTTEST)
        return ERR_OK;
    bool since = false;
    TRY(pretested_since(conn, had->device->node_id, store_column_u64(stmt, 5), &since, detail));
    had->tested = !since;
    return ERR_OK;
}

enum err factory_device_had(struct factory *factory, uint64_t node_id, const uint8_t *kcv,
                            struct arena *arena, factory_device_had_fn *each, void *ctx,
                            struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(read_begin(factory, &read, detail));
    TRY(store_prepare(read.conn, "SELECT " COLUMNS " FROM device d WHERE d.node_id = ?", &stmt,
                      detail));
    bind_id(stmt, 1, node_id);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return no_device(node_id, detail);
    TRY(err);
    const struct factory_device device = device_of(stmt);
    struct factory_device_had had = {.device = &device};
    uint64_t keying = device.keying;
    if (kcv != NULL)
        TRY(find_keying(read.conn, node_id, kcv, &keying, detail));
    if (keying == 0)
        return no_device(node_id, detail);
    TRY(read_had(read.conn, keying, arena, &had, detail));
    return each(ctx, &had);
}

/* Which condition's index leads. The database can't know how many rows each leaves, so we say: the
 * fewest first, as far as it is known. The others' columns stand behind a '+', which keeps their
 * indexes out. */
enum lead {
    LEAD_NONE,
    LEAD_BATCH,
    LEAD_PRETESTED,
    LEAD_KEYED,
    LEAD_FAILED,
    LEAD_NEW,
    LEAD_CONFIG,
    LEAD_SENT
};

/* Whether few devices are in the state of export that is wanted. */
static bool is_rare(const struct factory_device_counts *counts, bool exported)
{
    uint64_t wanted = 0, others = 0;
    for (unsigned state = 0; state < FACTORY_DEVICE_STATES; state++) {
        wanted += counts->of[state][exported];
        others += counts->of[state][!exported];
    }
    return wanted <= others;
}

static enum lead lead_of(const struct factory_device_filter *f,
                         const struct factory_device_counts *counts)
{
    if (f->batch != NULL)
        return LEAD_BATCH;
    if (f->state != NULL && *f->state != FACTORY_DEVICE_PROVISIONED)
        return *f->state == FACTORY_DEVICE_KEYED ? LEAD_KEYED : LEAD_PRETESTED;
    if (f->return_code != NULL && *f->return_code != 0)
        return LEAD_FAILED;
    if (f->exported != NULL && (f->config_id == NULL || is_rare(counts, *f->exported)))
        return *f->exported ? LEAD_SENT : LEAD_NEW;
    return f->config_id != NULL ? LEAD_CONFIG : LEAD_NONE;
}

/* What makes the database see that a partial index has all rows that are wanted. */
static const char *const lead_where[] = {
    [LEAD_NONE] = "",
    [LEAD_BATCH] = "",
    [LEAD_PRETESTED] = " AND d.state = 0",
    [LEAD_KEYED] = " AND d.state = 1",
    [LEAD_FAILED] = " AND d.return_code <> 0",
    [LEAD_NEW] = " AND d.exported = 0",
    [LEAD_CONFIG] = "",
    [LEAD_SENT] = " AND d.exported <> 0",
};

static enum err list_sql(const struct factory_device_filter *f, enum lead lead, char sql[SQL_MAX])
{
    int len = snprintf(sql, SQL_MAX,
                       "SELECT " COLUMNS
                       " FROM device d WHERE d.node_id >= ? AND d.node_id <= ?%s%s%s%s%s%s "
                       "ORDER BY d.node_id LIMIT ?",
                       f->batch != NULL ? " AND d.batch = ?" : "",
                       f->config_id == NULL  ? ""
                       : lead == LEAD_CONFIG ? " AND d.config_id = ?"
                                             : " AND +d.config_id = ?",
                       f->state == NULL ? "" : " AND +d.state = ?",
                       f->return_code == NULL ? ""
                       : lead == LEAD_FAILED  ? " AND d.return_code = ?"
                                              : " AND +d.return_code = ?",
                       f->exported == NULL ? ""
                       : *f->exported      ? " AND +d.exported <> 0"
                                           : " AND +d.exported = 0 AND d.keying <> 0",
                       lead_where[lead]);
    return len > 0 && len < SQL_MAX ? ERR_OK : ERR_INTERNAL;
}

static void list_bind(struct store_stmt *stmt, const struct factory_device_filter *f,
                      unsigned limit)
{
    unsigned n = 0;
    bind_id(stmt, ++n, f->from);
    bind_id(stmt, ++n, f->to != 0 ? f->to : UINT64_MAX);
    if (f->batch != NULL)
        store_bind_i64(stmt, ++n, *f->batch);
    if (f->config_id != NULL)
        bind_id(stmt, ++n, *f->config_id);
    if (f->state != NULL)
        store_bind_i64(stmt, ++n, *f->state);
    if (f->return_code != NULL)
        store_bind_i64(stmt, ++n, *f->return_code);
    store_bind_i64(stmt, ++n, (int64_t)limit + 1);
}

enum err factory_device_list(struct factory *factory, const struct factory_device_filter *filter,
                             factory_device_fn *each, void *ctx, bool *ret_more, uint64_t *ret_next,
                             struct err_detail *detail)
{
    char sql[SQL_MAX];
    unsigned limit = filter->limit < FACTORY_PAGE_MAX ? filter->limit : FACTORY_PAGE_MAX;
    struct factory_device_counts counts;
    TRY(factory_device_count(factory, &counts, detail));
    TRY(list_sql(filter, lead_of(filter, &counts), sql));
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn, sql, &stmt, detail));
    list_bind(stmt, filter, limit);
    for (unsigned given = 0;; given++) {
        bool row = false;
        TRY(store_step(stmt, &row, detail));
        if (!row) {
            *ret_more = false;
            return ERR_OK;
        }
        const struct factory_device device = device_of(stmt);
        if (given == limit) {
            *ret_more = true;
            *ret_next = device.node_id;
            return ERR_OK;
        }
        TRY(each(ctx, &device));
    }
}

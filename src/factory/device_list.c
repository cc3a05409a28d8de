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
        return err_set(detail, err, "no device 0x%08" PRIx64, node_id);
    TRY(err);
    struct factory_device device = device_of(stmt);
    column_copy(stmt, 12, device.kcv, sizeof device.kcv);
    return each(ctx, &device);
}

/* Which condition's index leads. The database can't know how many rows each leaves, so we say: the
 * fewest first. The others' columns stand behind a '+', which keeps their indexes out. */
enum lead { LEAD_NONE, LEAD_BATCH, LEAD_KEYED, LEAD_FAILED, LEAD_NEW, LEAD_CONFIG };

static enum lead lead_of(const struct factory_device_filter *f)
{
    if (f->batch != NULL)
        return LEAD_BATCH;
    if (f->state != NULL && *f->state == FACTORY_DEVICE_KEYED)
        return LEAD_KEYED;
    if (f->return_code != NULL && *f->return_code != 0)
        return LEAD_FAILED;
    if (f->exported != NULL && !*f->exported)
        return LEAD_NEW;
    return f->config_id != NULL ? LEAD_CONFIG : LEAD_NONE;
}

static enum err list_sql(const struct factory_device_filter *f, char sql[SQL_MAX])
{
    enum lead lead = lead_of(f);
    int len = snprintf(
        sql, SQL_MAX,
        "SELECT " COLUMNS " FROM device d WHERE d.node_id >= ? AND d.node_id <= ?%s%s%s%s%s%s%s "
        "ORDER BY d.node_id LIMIT ?",
        f->batch != NULL ? " AND d.batch = ?" : "",
        f->config_id == NULL  ? ""
        : lead == LEAD_CONFIG ? " AND d.config_id = ?"
                              : " AND +d.config_id = ?",
        f->state == NULL ? "" : " AND +d.state = ?", lead == LEAD_KEYED ? " AND d.state = 1" : "",
        f->return_code == NULL ? ""
        : lead == LEAD_FAILED  ? " AND d.return_code = ? AND d.return_code <> 0"
                               : " AND +d.return_code = ?",
        lead == LEAD_NEW ? " AND d.exported = 0" : "",
        f->exported == NULL ? ""
        : *f->exported      ? " AND +d.exported <> 0"
                            : " AND +d.exported = 0 AND d.keying <> 0");
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
    TRY(list_sql(filter, sql));
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

#include "factory/internal.h"

#define COLUMNS                                                                                    \
    "x.id, x.made, x.made_by, x.config_id, x.batches, x.nodes, x.from_time, x.to_time, "           \
    "x.only_new, x.devices"

static struct factory_export_info info_of(struct store_stmt *stmt)
{
    struct factory_export_info info = {.id = store_column_u64(stmt, 0),
                                       .made = store_column_i64(stmt, 1),
                                       .made_by = column_text(stmt, 2),
                                       .has_config = !store_column_null(stmt, 3),
                                       .batches = column_text(stmt, 4),
                                       .nodes = column_text(stmt, 5),
                                       .has_from = !store_column_null(stmt, 6),
                                       .from = store_column_i64(stmt, 6),
                                       .has_to = !store_column_null(stmt, 7),
                                       .to = store_column_i64(stmt, 7),
                                       .only_new = store_column_i64(stmt, 8) != 0,
                                       .devices = store_column_u64(stmt, 9)};
    info.config_id = info.has_config ? column_id(stmt, 3) : 0;
    return info;
}

enum err factory_export_list(struct factory *factory, uint64_t before, unsigned limit,
                             const uint64_t *node_id, factory_export_fn *each, void *ctx,
                             struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      node_id == NULL
                          ? "SELECT " COLUMNS " FROM device_export x WHERE x.id < ? AND "
                            "x.devices IS NOT NULL ORDER BY x.id DESC LIMIT ?"
                          : "SELECT " COLUMNS " FROM device_exported e JOIN device_export x ON "
                            "x.id = e.export WHERE e.export < ? AND e.node_id = ? AND "
                            "x.devices IS NOT NULL ORDER BY e.export DESC LIMIT ?",
                      &stmt, detail));
    unsigned n = 0;
    store_bind_i64(stmt, ++n, before != 0 && before < INT64_MAX ? (int64_t)before : INT64_MAX);
    if (node_id != NULL)
        bind_id(stmt, ++n, *node_id);
    store_bind_i64(stmt, ++n, limit < FACTORY_PAGE_MAX ? limit : FACTORY_PAGE_MAX);
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        const struct factory_export_info info = info_of(stmt);
        TRY(each(ctx, &info));
    }
}

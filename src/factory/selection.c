#include "factory/selection.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const struct factory_range *left = a, *right = b;
    return left->first < right->first ? -1 : left->first > right->first;
}

/* In order and apart, so that no device comes twice. */
static size_t merge(struct factory_range *ranges, size_t len)
{
    qsort(ranges, len, sizeof *ranges, compare);
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        if (kept > 0 && ranges[i].first <= ranges[kept - 1].last) {
            if (ranges[i].last > ranges[kept - 1].last)
                ranges[kept - 1].last = ranges[i].last;
            continue;
        }
        ranges[kept++] = ranges[i];
    }
    return kept;
}

enum err selection_read(struct selection *selection, const struct factory_export_request *request,
                        struct err_detail *detail)
{
    selection->request = request;
    TRY(factory_ranges_of("batches", request->batches, UINT32_MAX, selection->batches,
                          &selection->batches_len, detail));
    TRY(factory_ranges_of("nodes", request->nodes, UINT64_MAX, selection->nodes,
                          &selection->nodes_len, detail));
    if (selection->nodes_len == 0)
        selection->nodes[selection->nodes_len++] = (struct factory_range){0, UINT64_MAX};
    selection->nodes_len = merge(selection->nodes, selection->nodes_len);
    if (request->from != NULL && request->to != NULL && *request->from > *request->to)
        return err_set(detail, ERR_ARGUMENT, "to: is before from");
    return ERR_OK;
}

/* By the ids alone, in their order: sorting a million rows would cost more than passing over some.
 */
enum err selection_where(const struct selection *selection, struct buf *sql)
{
    const struct factory_export_request *r = selection->request;
    TRY(buf_printf(sql, " WHERE +d.state = 2 AND d.node_id >= ? AND d.node_id <= ?%s%s%s%s",
                   r->config_id != NULL ? " AND +d.config_id = ?" : "",
                   r->from != NULL ? " AND d.time >= ?" : "",
                   r->to != NULL ? " AND d.time <= ?" : "",
                   r->only_new ? " AND d.exported = 0" : ""));
    for (size_t i = 0; i < selection->batches_len; i++)
        TRY(buf_printf(sql, "%s(+d.batch >= ? AND +d.batch <= ?)", i == 0 ? " AND (" : " OR "));
    return selection->batches_len > 0 ? buf_printf(sql, ")") : ERR_OK;
}

unsigned selection_bind(const struct selection *selection, struct store_stmt *stmt, uint64_t first,
                        uint64_t last)
{
    const struct factory_export_request *r = selection->request;
    unsigned n = 0;
    bind_id(stmt, ++n, first);
    bind_id(stmt, ++n, last);
    if (r->config_id != NULL)
        bind_id(stmt, ++n, *r->config_id);
    if (r->from != NULL)
        store_bind_i64(stmt, ++n, *r->from);
    if (r->to != NULL)
        store_bind_i64(stmt, ++n, *r->to);
    for (size_t i = 0; i < selection->batches_len; i++) {
        store_bind_u64(stmt, ++n, selection->batches[i].first);
        store_bind_u64(stmt, ++n, selection->batches[i].last);
    }
    return n;
}

static bool is_everything(const struct selection *selection)
{
    const struct factory_export_request *r = selection->request;
    return r->config_id == NULL && r->from == NULL && r->to == NULL &&
           selection->batches_len == 0 && selection->nodes_len == 1 &&
           selection->nodes[0].first == 0 && selection->nodes[0].last == UINT64_MAX;
}

enum err selection_count(struct factory *factory, const struct selection *selection,
                         uint64_t *ret_devices, struct err_detail *detail)
{
    if (is_everything(selection)) {
        struct factory_device_counts counts;
        TRY(factory_device_count(factory, &counts, detail));
        *ret_devices =
            counts.of[FACTORY_DEVICE_PROVISIONED][0] +
            (selection->request->only_new ? 0 : counts.of[FACTORY_DEVICE_PROVISIONED][1]);
        return ERR_OK;
    }
    AUTO(buf_done) struct buf sql = {0};
    TRY(buf_printf(&sql, "SELECT count(*) FROM device d"));
    TRY(selection_where(selection, &sql));
    TRY(buf_append(&sql, bytes_of("", 1)));
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn, (const char *)sql.data, &stmt, detail));
    uint64_t devices = 0;
    for (size_t i = 0; i < selection->nodes_len; i++) {
        (void)selection_bind(selection, stmt, selection->nodes[i].first, selection->nodes[i].last);
        TRY(store_get_row(stmt, detail));
        devices += store_column_u64(stmt, 0);
        store_reset(stmt);
    }
    *ret_devices = devices;
    return ERR_OK;
}

#pragma once

#include "factory/internal.h"

/* Which devices an export takes: its request, read. */
struct selection {
    const struct factory_export_request *request;
    struct factory_range batches[FACTORY_RANGES_MAX], nodes[FACTORY_RANGES_MAX];
    size_t batches_len, nodes_len; /* nodes: rising, apart; always at least one */
};

MUST_CHECK enum err selection_read(struct selection *selection,
                                   const struct factory_export_request *request,
                                   struct err_detail *detail);
/* " WHERE ..." on `device d`, for one range of nodes, with the parameters of selection_bind. */
MUST_CHECK enum err selection_where(const struct selection *selection, struct buf *sql);
/* From parameter 1 on; gives the number of the last. */
unsigned selection_bind(const struct selection *selection, struct store_stmt *stmt, uint64_t first,
                        uint64_t last);
MUST_CHECK enum err selection_count(struct factory *factory, const struct selection *selection,
                                    uint64_t *ret_devices, struct err_detail *detail);

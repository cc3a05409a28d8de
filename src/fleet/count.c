#include "fleet/internal.h"

enum err node_count_add(struct store_conn *conn, uint32_t network, enum fleet_node_state state,
                        int64_t nodes, struct err_detail *detail)
{
    if (nodes == 0)
        return ERR_OK;
    AUTO(store_stmt_freep) struct store_stmt *update = NULL;
    TRY(store_prepare(conn,
                      "UPDATE node_count SET nodes = nodes + ? WHERE network = ? AND state = ?",
                      &update, detail));
    store_bind_i64(update, 1, nodes);
    store_bind_i64(update, 2, network);
    store_bind_i64(update, 3, state);
    TRY(store_exec_stmt(update, detail));
    if (store_changes(conn) != 0)
        return ERR_OK;
    AUTO(store_stmt_freep) struct store_stmt *insert = NULL;
    TRY(store_prepare(conn, "INSERT INTO node_count (network, state, nodes) VALUES (?, ?, ?)",
                      &insert, detail));
    store_bind_i64(insert, 1, network);
    store_bind_i64(insert, 2, state);
    store_bind_i64(insert, 3, nodes);
    return store_exec_stmt(insert, detail);
}

enum err node_count_read(struct store_conn *conn, uint32_t network, uint64_t ret_counts[3],
                         struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT state, sum(nodes) FROM node_count WHERE ? IN (0, network) "
                      "GROUP BY state",
                      &stmt, detail));
    store_bind_i64(stmt, 1, network);
    uint64_t counts[3] = {0};
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        int64_t state = store_column_i64(stmt, 0);
        if (state >= FLEET_NODE_ACTIVE && state <= FLEET_NODE_DESTROYED)
            counts[state - FLEET_NODE_ACTIVE] = store_column_u64(stmt, 1);
    }
    memcpy(ret_counts, counts, sizeof(counts));
    return ERR_OK;
}

#include "fleet/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "fleet/internal.h"
#include "fleet/name.h"

const char *fleet_node_state_name(enum fleet_node_state state)
{
    switch (state) {
    case FLEET_NODE_ACTIVE: return "active";
    case FLEET_NODE_REVOKED: return "revoked";
    case FLEET_NODE_DESTROYED: return "destroyed";
    default: return "unknown";
    }
}

enum err fleet_node_state_parse(const char *name, enum fleet_node_state *ret_state)
{
    for (unsigned state = FLEET_NODE_ACTIVE; state <= FLEET_NODE_DESTROYED; state++) {
        if (strcmp(fleet_node_state_name((enum fleet_node_state)state), name) == 0) {
            *ret_state = (enum fleet_node_state)state;
            return ERR_OK;
        }
    }
    return ERR_ARGUMENT;
}

#define NODE_COLUMNS "node_id, state, batch, reprovisioned, epoch, fingerprint"

static struct fleet_node read_node(struct store_stmt *stmt, unsigned id_bits)
{
    struct fleet_node node = {.id = node_row_id(store_column_u64(stmt, 0), id_bits),
                              .state = (enum fleet_node_state)store_column_i64(stmt, 1),
                              .batch = (uint32_t)store_column_i64(stmt, 2),
                              .reprovisioned = (uint32_t)store_column_i64(stmt, 3),
                              .epoch = (uint32_t)store_column_i64(stmt, 4)};
    struct bytes mark = store_column_bytes(stmt, 5);
    if (mark.len == sizeof(node.fingerprint))
        memcpy(node.fingerprint, mark.data, mark.len);
    return node;
}

static enum err list(struct store_conn *conn, const struct net *net,
                     const struct fleet_node_filter *filter, fleet_node_fn *each, void *ctx,
                     struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      filter->by_batch
                          ? "SELECT " NODE_COLUMNS " FROM node WHERE network = ? AND "
                            "node_id >= ? AND batch = ? AND (? = 0 OR state = ?) "
                            "ORDER BY network, batch, node_id"
                          : "SELECT " NODE_COLUMNS " FROM node WHERE network = ? AND "
                            "node_id >= ? AND ? = 0 AND (? = 0 OR state = ?) ORDER BY node_id",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    store_bind_u64(stmt, 2, node_row_id(filter->first, net->id_bits));
    store_bind_i64(stmt, 3, filter->by_batch ? filter->batch : 0);
    store_bind_i64(stmt, 4, filter->state);
    store_bind_i64(stmt, 5, filter->state);
    for (uint64_t given = 0; filter->max == 0 || given < filter->max; given++) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        struct fleet_node node = read_node(stmt, net->id_bits);
        TRY(each(ctx, &node, net->id_bits, detail));
    }
    return ERR_OK;
}

enum err fleet_node_list(const struct fleet_call *call, const struct fleet_node_filter *filter,
                         fleet_node_fn *each, void *ctx, struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_NODE_READ, detail));
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    struct store_conn *conn = store_reader_conn(reader);
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_load(conn, filter->network, detail, &net));
    return list(conn, net, filter, each, ctx, detail);
}

static enum err read_history(struct store_conn *conn, const struct net *net, uint64_t id,
                             struct fleet_node_info *info, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT reprovisioned, batch, epoch, replaced FROM node_history "
                      "WHERE network = ? AND node_id = ? ORDER BY epoch DESC LIMIT ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    store_bind_u64(stmt, 2, node_row_id(id, net->id_bits));
    store_bind_i64(stmt, 3, FLEET_HISTORY_MAX);
    while (info->versions < FLEET_HISTORY_MAX) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        info->history[info->versions++] =
            (struct fleet_node_version){.reprovisioned = (uint32_t)store_column_i64(stmt, 0),
                                        .batch = (uint32_t)store_column_i64(stmt, 1),
                                        .epoch = (uint32_t)store_column_i64(stmt, 2),
                                        .replaced = store_column_i64(stmt, 3)};
    }
    return ERR_OK;
}

static enum err read_origin(struct store_conn *conn, struct fleet_node_info *info,
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT kind, actor, ended FROM operation WHERE serial = ?", &stmt,
                      detail));
    store_bind_i64(stmt, 1, info->node.epoch);
    enum err err = store_get_row(stmt, detail);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    snprintf(info->operation, sizeof(info->operation), "%s", store_column_text(stmt, 0));
    snprintf(info->actor, sizeof(info->actor), "%s", store_column_text(stmt, 1));
    info->written = store_column_i64(stmt, 2);
    return ERR_OK;
}

static enum err not_there(const struct net *net, uint64_t id, enum err err, const char *text,
                          struct err_detail *detail)
{
    char hex[FLEET_NODE_ID_TEXT];
    fleet_node_id_format(id, net->id_bits, hex);
    return err_set(detail, err, "node %s %s", hex, text);
}

enum err fleet_node_show(const struct fleet_call *call, const char *network, uint64_t id,
                         struct err_detail *detail, struct fleet_node_info *ret_info)
{
    TRY(vault_may(&call->actor, VAULT_NODE_READ, detail));
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    struct store_conn *conn = store_reader_conn(reader);
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_load(conn, network, detail, &net));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT " NODE_COLUMNS " FROM node WHERE network = ? AND node_id = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    store_bind_u64(stmt, 2, node_row_id(id, net->id_bits));
    enum err err =
        net->id_bits == 32 && id > UINT32_MAX ? ERR_NOT_FOUND : store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return not_there(net, id, err, "is not known", detail);
    TRY(err);
    struct fleet_node_info info = {.node = read_node(stmt, net->id_bits), .id_bits = net->id_bits};
    TRY(read_history(conn, net, id, &info, detail));
    TRY(read_origin(conn, &info, detail));
    *ret_info = info;
    return ERR_OK;
}

struct node_change {
    const struct net *net;
    struct fleet_range range;
    enum fleet_node_change change;
    struct operation *op;
    uint64_t changed;                         /* out */
    int64_t before[FLEET_NODE_DESTROYED + 1]; /* nodes of the range per state */
};

/* Every id of the range must be there and allow the step. */
static enum err change_check(struct store_conn *conn, struct node_change *c,
                             struct err_detail *detail)
{
    memset(c->before, 0, sizeof(c->before));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT node_id, state FROM node WHERE network = ? AND node_id >= ? AND "
                      "node_id <= ? ORDER BY node_id",
                      &stmt, detail));
    store_bind_i64(stmt, 1, c->net->id);
    store_bind_u64(stmt, 2, node_row_id(c->range.first, c->net->id_bits));
    store_bind_u64(stmt, 3, node_row_id(c->range.last, c->net->id_bits));
    uint64_t count = fleet_range_count(c->range);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t want = c->range.first + i;
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row || node_row_id(store_column_u64(stmt, 0), c->net->id_bits) != want)
            return not_there(c->net, want, ERR_NOT_FOUND, "is not known", detail);
        int64_t state = store_column_i64(stmt, 1);
        if (state == FLEET_NODE_DESTROYED && c->change != FLEET_NODE_DESTROY)
            return not_there(c->net, want, ERR_STATE, "is destroyed", detail);
        if (state >= FLEET_NODE_ACTIVE && state <= FLEET_NODE_DESTROYED)
            c->before[state]++;
    }
    return ERR_OK;
}

static enum err change_exec(struct store_conn *conn, const struct node_change *c, const char *sql,
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, sql, &stmt, detail));
    store_bind_i64(stmt, 1, c->net->id);
    store_bind_u64(stmt, 2, node_row_id(c->range.first, c->net->id_bits));
    store_bind_u64(stmt, 3, node_row_id(c->range.last, c->net->id_bits));
    return store_exec_stmt(stmt, detail);
}

static enum err change_counts(struct store_conn *conn, const struct node_change *c,
                              struct err_detail *detail)
{
    static const enum fleet_node_state after[] = {[FLEET_NODE_REVOKE] = FLEET_NODE_REVOKED,
                                                  [FLEET_NODE_REINSTATE] = FLEET_NODE_ACTIVE,
                                                  [FLEET_NODE_DESTROY] = FLEET_NODE_DESTROYED};
    int64_t moved = 0;
    for (int state = FLEET_NODE_ACTIVE; state < FLEET_NODE_DESTROYED; state++) {
        if (state == (int)after[c->change])
            continue;
        moved += c->before[state];
        TRY(node_count_add(conn, c->net->id, (enum fleet_node_state)state, -c->before[state],
                           detail));
    }
    return node_count_add(conn, c->net->id, after[c->change], moved, detail);
}

static enum err change_rows(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct node_change *c = ctx;
    static const char *const sql[] = {
        [FLEET_NODE_REVOKE] = "UPDATE node SET state = 2 WHERE network = ? AND node_id >= ? AND "
                              "node_id <= ? AND state = 1",
        [FLEET_NODE_REINSTATE] = "UPDATE node SET state = 1 WHERE network = ? AND node_id >= ? AND "
                                 "node_id <= ? AND state = 2",
        [FLEET_NODE_DESTROY] = "UPDATE node SET state = 3, sealed = x'', fingerprint = x'' "
                               "WHERE network = ? AND node_id >= ? AND node_id <= ? AND "
                               "state <> 3",
    };
    static const char *const words[] = {[FLEET_NODE_REVOKE] = "revoked",
                                        [FLEET_NODE_REINSTATE] = "reinstated",
                                        [FLEET_NODE_DESTROY] = "destroyed"};
    TRY(change_check(conn, c, detail));
    TRY(change_exec(conn, c, sql[c->change], detail));
    c->changed = (uint64_t)store_changes(conn);
    TRY(change_counts(conn, c, detail));
    if (c->change == FLEET_NODE_DESTROY)
        TRY(change_exec(conn, c,
                        "UPDATE node_history SET sealed = x'', fingerprint = x'' "
                        "WHERE network = ? AND node_id >= ? AND node_id <= ?",
                        detail));
    snprintf(c->op->summary, sizeof(c->op->summary), "%s: %" PRIu64 " %s of %.50s", c->net->name,
             c->changed, words[c->change], c->op->source);
    return operation_end(conn, c->op, detail);
}

enum err fleet_node_change(const struct fleet_call *call, const char *network,
                           struct fleet_range range, enum fleet_node_change change,
                           struct err_detail *detail, uint64_t *ret_changed)
{
    static const char *const kinds[] = {[FLEET_NODE_REVOKE] = "node-revoke",
                                        [FLEET_NODE_REINSTATE] = "node-reinstate",
                                        [FLEET_NODE_DESTROY] = "node-destroy"};
    TRY(vault_may(&call->actor, VAULT_NODE_MANAGE, detail));
    if ((size_t)change >= ARRAY_LEN(kinds) || range.first > range.last ||
        range.last - range.first >= FLEET_NODES_MAX)
        return err_set(detail, ERR_ARGUMENT, "no such change or range");
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, network, detail, &net));
    if (net->id_bits == 32 && range.last > UINT32_MAX)
        return not_there(net, range.last, ERR_LIMIT, "is wider than the network's ids", detail);
    char first[FLEET_NODE_ID_TEXT], last[FLEET_NODE_ID_TEXT], what[64];
    fleet_node_id_format(range.first, net->id_bits, first);
    fleet_node_id_format(range.last, net->id_bits, last);
    snprintf(what, sizeof(what), "%s-%s", first, last);
    TRY(net_lock_take(call, net->id));
    struct operation op;
    struct node_change c = {.net = net, .range = range, .change = change, .op = &op};
    struct err_detail why = {0};
    enum err err = operation_begin(call, kinds[change], net->id, what, &op, detail);
    if (err == ERR_OK) {
        err = store_run_alone(call->fleet->store, change_rows, &c, &why);
        if (err != ERR_OK && detail)
            *detail = why;
        err = operation_close(call, &op, err, &why, err == ERR_OK ? detail : NULL);
    }
    net_lock_give(call->fleet, net->id);
    TRY(err);
    *ret_changed = c.changed;
    return ERR_OK;
}

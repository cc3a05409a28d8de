#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "fleet/merge.h"

/* The key generation function of a local key server: keys for a range of ids. */

struct generate {
    const struct fleet_call *call;
    const struct fleet_node_generate *request;
    const struct net *net;
    const struct net_key *base; /* NULL: random */
    struct operation *op;
    struct store_conn *conn;
    struct stage stage;
    struct merge merge;
    struct keeper_node nodes[KEEPER_NODES_MAX];
    struct keeper_made made[KEEPER_NODES_MAX];
};

static void generate_freep(struct generate **g)
{
    if (!*g)
        return;
    stage_done(&(*g)->stage);
    free((*g)->merge.verdicts);
    free(*g);
}

static enum err refuse(const struct generate *g, uint64_t id, enum err err, const char *text,
                       struct err_detail *detail)
{
    char hex[FLEET_NODE_ID_TEXT];
    fleet_node_id_format(id, g->net->id_bits, hex);
    return err_set(detail, err, "node %s %s", hex, text);
}

/* Nodes of the chunk that exist: refused, or their next count. */
static enum err look_up(struct generate *g, uint64_t first, size_t count, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(g->conn,
                      "SELECT node_id, state, reprovisioned FROM node WHERE network = ? AND "
                      "node_id >= ? AND node_id <= ? ORDER BY node_id",
                      &stmt, detail));
    store_bind_i64(stmt, 1, g->net->id);
    store_bind_u64(stmt, 2, node_row_id(first, g->net->id_bits));
    store_bind_u64(stmt, 3, node_row_id(first + count - 1, g->net->id_bits));
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        uint64_t id = node_row_id(store_column_u64(stmt, 0), g->net->id_bits);
        if (store_column_i64(stmt, 1) != FLEET_NODE_ACTIVE)
            return refuse(g, id, ERR_STATE, "is revoked or destroyed", detail);
        if (!g->request->reprovision)
            return refuse(g, id, ERR_EXISTS, "exists", detail);
        uint64_t again = store_column_u64(stmt, 2) + 1;
        g->nodes[id - first].reprovisioned = again > UINT32_MAX ? UINT32_MAX : (uint32_t)again;
    }
}

static enum err make_chunk(struct generate *g, uint64_t first, size_t count,
                           struct err_detail *detail)
{
    for (size_t i = 0; i < count; i++)
        g->nodes[i] = (struct keeper_node){.id = first + i};
    TRY(look_up(g, first, count, detail));
    struct keeper_row base = {0};
    if (g->base)
        base =
            (struct keeper_row){g->net->id, KEEPER_BASE, g->base->version.version, g->base->epoch};
    TRY(keeper_generate_nodes(g->call->keeper, g->call->actor.name, g->net->id, g->op->serial,
                              g->base ? &base : NULL, g->base ? &g->base->made.sealed : NULL,
                              g->net->realm, g->nodes, count, g->made, detail));
    for (size_t i = 0; i < count; i++) {
        if (g->made[i].sealed.len != KEEPER_SEALED_NODE)
            return ERR_INTERNAL;
        struct stage_row row = {.id = g->nodes[i].id,
                                .batch = g->request->batch,
                                .reprovisioned = g->nodes[i].reprovisioned};
        memcpy(row.fingerprint, g->made[i].fingerprint, sizeof(row.fingerprint));
        memcpy(row.sealed, g->made[i].sealed.data, sizeof(row.sealed));
        TRY(stage_add(&g->stage, &row, detail));
    }
    return ERR_OK;
}

static enum err make_keys(struct generate *g, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(g->call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    g->conn = store_reader_conn(reader);
    uint64_t total = fleet_range_count(g->request->range);
    for (uint64_t done = 0; done < total;) {
        uint64_t left = total - done;
        size_t count = left < KEEPER_NODES_MAX ? (size_t)left : KEEPER_NODES_MAX;
        TRY(make_chunk(g, g->request->range.first + done, count, detail));
        done += count;
        TRY(progress_tell(g->call, "generate", done, total));
    }
    return stage_close(&g->stage, detail);
}

static enum err store_nodes(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct generate *g = ctx;
    TRY(merge_rows(conn, &g->merge, detail));
    snprintf(g->op->summary, sizeof(g->op->summary),
             "%s batch %" PRIu32 ": %" PRIu64 " new, %" PRIu64 " reprovisioned, %s", g->net->name,
             g->request->batch, g->merge.count[FLEET_NEW], g->merge.count[FLEET_REPROVISIONED],
             g->base ? "derived" : "random");
    return operation_end(conn, g->op, detail);
}

static enum err generate(const struct fleet_call *call, const struct fleet_node_generate *request,
                         const struct net *net, struct operation *op, struct err_detail *detail,
                         struct fleet_node_generated *ret_result)
{
    AUTO(generate_freep) struct generate *g = calloc(1, sizeof(*g));
    if (!g)
        return ERR_NO_MEMORY;
    g->stage.fd = -1;
    g->call = call;
    g->request = request;
    g->net = net;
    g->op = op;
    if (!request->random) {
        g->base = net_key_active(net->keys, net->key_count, FLEET_KEY_BASE, clock_now_s());
        if (!g->base)
            return err_set(detail, ERR_STATE, "network %s has no active base", net->name);
    }
    TRY(stage_open(&g->stage, call->fleet->spool_dir, detail));
    TRY(make_keys(g, detail));
    g->merge =
        (struct merge){.call = call, .net = net, .stage = &g->stage, .op = op, .write = true};
    g->merge.verdicts = calloc((size_t)g->stage.count, 1);
    if (!g->merge.verdicts)
        return ERR_NO_MEMORY;
    TRY(store_run_alone(call->fleet->store, store_nodes, g, detail));
    *ret_result =
        (struct fleet_node_generated){.created = g->merge.count[FLEET_NEW],
                                      .reprovisioned = g->merge.count[FLEET_REPROVISIONED],
                                      .epoch = op->serial};
    return ERR_OK;
}

static enum err generate_locked(const struct fleet_call *call,
                                const struct fleet_node_generate *request,
                                struct err_detail *detail, struct fleet_node_generated *ret_result)
{
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, request->network, detail, &net));
    char first[FLEET_NODE_ID_TEXT], last[FLEET_NODE_ID_TEXT], what[96];
    fleet_node_id_format(request->range.first, net->id_bits, first);
    fleet_node_id_format(request->range.last, net->id_bits, last);
    snprintf(what, sizeof(what), "%s-%s batch %" PRIu32, first, last, request->batch);
    struct operation op;
    TRY(operation_begin(call, "generate", net->id, what, &op, detail));
    struct err_detail why = {0};
    enum err err = generate(call, request, net, &op, &why, ret_result);
    if (err != ERR_OK && detail)
        *detail = why;
    return operation_close(call, &op, err, &why, err == ERR_OK ? detail : NULL);
}

enum err fleet_node_generate(const struct fleet_call *call,
                             const struct fleet_node_generate *request, struct err_detail *detail,
                             struct fleet_node_generated *ret_result)
{
    TRY(vault_may(&call->actor, VAULT_NODE_MANAGE, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, request->network, detail, &net));
    if (request->range.first > request->range.last ||
        request->range.last - request->range.first >= FLEET_NODES_MAX)
        return err_set(detail, ERR_LIMIT, "1 to %" PRIu64 " nodes at once", FLEET_NODES_MAX);
    if (net->id_bits == 32 && request->range.last > UINT32_MAX)
        return err_set(detail, ERR_LIMIT, "node ids of network %s have 32 bits", net->name);
    if (request->range.first == 0)
        return err_set(detail, ERR_ARGUMENT, "0 is not a node id");
    TRY(net_lock_take(call, net->id));
    enum err err = generate_locked(call, request, detail, ret_result);
    net_lock_give(call->fleet, net->id);
    return err;
}

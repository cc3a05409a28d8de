#include "fleet/merge.h"

#include "base/clock.h"

#define TELL_EVERY 16384

const char *merge_reason_text(enum merge_reason reason)
{
    switch (reason) {
    case MERGE_REVOKED: return "the node is revoked";
    case MERGE_DESTROYED: return "the node is destroyed";
    case MERGE_SUPERSEDED: return "this key was replaced by a newer one before";
    default: return "";
    }
}

/* The node that is there at or after a given id: rows before it are new without a question to the
 * store, so a file of new nodes costs one. */
struct there {
    bool known; /* the rest is valid */
    bool any;
    uint64_t id;
    enum fleet_node_state state;
    uint32_t reprovisioned;
    uint8_t fingerprint[KEEPER_FINGERPRINT];
};

struct statements {
    struct store_stmt *find, *history, *insert, *keep, *update, *batch;
};

static void statements_free(struct statements *s)
{
    store_stmt_free(s->find);
    store_stmt_free(s->history);
    store_stmt_free(s->insert);
    store_stmt_free(s->keep);
    store_stmt_free(s->update);
    store_stmt_free(s->batch);
}

static enum err prepare(struct store_conn *conn, bool write, struct statements *s,
                        struct err_detail *detail)
{
    TRY(store_prepare(conn,
                      "SELECT node_id, state, reprovisioned, fingerprint FROM node "
                      "WHERE network = ? AND node_id >= ? ORDER BY node_id LIMIT 1",
                      &s->find, detail));
    TRY(store_prepare(conn,
                      "SELECT epoch FROM node_history WHERE network = ? AND node_id = ? AND "
                      "fingerprint = ? LIMIT 1",
                      &s->history, detail));
    if (!write)
        return ERR_OK;
    TRY(store_prepare(conn,
                      "INSERT INTO node (network, node_id, state, batch, reprovisioned, epoch, "
                      "fingerprint, sealed) VALUES (?, ?, 1, ?, ?, ?, ?, ?)",
                      &s->insert, detail));
    TRY(store_prepare(conn,
                      "INSERT INTO node_history (network, node_id, epoch, batch, reprovisioned, "
                      "replaced, fingerprint, sealed) SELECT network, node_id, epoch, batch, "
                      "reprovisioned, ?, fingerprint, sealed FROM node "
                      "WHERE network = ? AND node_id = ?",
                      &s->keep, detail));
    TRY(store_prepare(conn,
                      "UPDATE node SET batch = ?, reprovisioned = ?, epoch = ?, fingerprint = ?, "
                      "sealed = ? WHERE network = ? AND node_id = ?",
                      &s->update, detail));
    return store_prepare(conn, "REPLACE INTO batch (network, batch, operation) VALUES (?, ?, ?)",
                         &s->batch, detail);
}

static enum err look(const struct merge *m, struct statements *s, uint64_t id, struct there *there,
                     struct err_detail *detail)
{
    if (there->known && (!there->any || there->id >= id))
        return ERR_OK;
    store_bind_i64(s->find, 1, m->net->id);
    store_bind_u64(s->find, 2, node_row_id(id, m->net->id_bits));
    *there = (struct there){.known = true};
    enum err err = store_get_row(s->find, detail);
    if (err == ERR_OK) {
        there->any = true;
        there->id = node_row_id(store_column_u64(s->find, 0), m->net->id_bits);
        there->state = (enum fleet_node_state)store_column_i64(s->find, 1);
        there->reprovisioned = (uint32_t)store_column_i64(s->find, 2);
        struct bytes mark = store_column_bytes(s->find, 3);
        if (mark.len == sizeof(there->fingerprint))
            memcpy(there->fingerprint, mark.data, mark.len);
    }
    store_reset(s->find);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err judge(const struct merge *m, struct statements *s, const struct stage_row *row,
                      const struct there *there, enum fleet_verdict *ret_verdict,
                      enum merge_reason *ret_reason, struct err_detail *detail)
{
    *ret_reason = MERGE_FINE;
    if (!there->any || there->id != row->id) {
        *ret_verdict = FLEET_NEW;
        return ERR_OK;
    }
    *ret_verdict = FLEET_REFUSED;
    if (there->state == FLEET_NODE_DESTROYED) {
        *ret_reason = MERGE_DESTROYED;
        return ERR_OK;
    }
    if (memcmp(there->fingerprint, row->fingerprint, sizeof(row->fingerprint)) == 0) {
        *ret_verdict = FLEET_UNCHANGED;
        return ERR_OK;
    }
    if (there->state == FLEET_NODE_REVOKED) {
        *ret_reason = MERGE_REVOKED;
        return ERR_OK;
    }
    /* A file that is older than what is here must not bring an old key back. */
    store_bind_i64(s->history, 1, m->net->id);
    store_bind_u64(s->history, 2, node_row_id(row->id, m->net->id_bits));
    store_bind_bytes(s->history, 3, BYTES(row->fingerprint));
    enum err err = store_get_row(s->history, detail);
    store_reset(s->history);
    if (err == ERR_OK)
        *ret_reason = MERGE_SUPERSEDED;
    else if (err == ERR_NOT_FOUND)
        *ret_verdict = FLEET_REPROVISIONED;
    else
        return err;
    return ERR_OK;
}

static enum err write_new(const struct merge *m, struct statements *s, const struct stage_row *row,
                          struct err_detail *detail)
{
    store_bind_i64(s->insert, 1, m->net->id);
    store_bind_u64(s->insert, 2, node_row_id(row->id, m->net->id_bits));
    store_bind_i64(s->insert, 3, row->batch);
    store_bind_i64(s->insert, 4, row->reprovisioned);
    store_bind_i64(s->insert, 5, m->op->serial);
    store_bind_bytes(s->insert, 6, BYTES(row->fingerprint));
    store_bind_bytes(s->insert, 7, BYTES(row->sealed));
    return store_exec_stmt(s->insert, detail);
}

static enum err write_again(const struct merge *m, struct statements *s,
                            const struct stage_row *row, const struct there *there, int64_t now,
                            struct err_detail *detail)
{
    uint64_t id = node_row_id(row->id, m->net->id_bits);
    store_bind_i64(s->keep, 1, now);
    store_bind_i64(s->keep, 2, m->net->id);
    store_bind_u64(s->keep, 3, id);
    TRY(store_exec_stmt(s->keep, detail));
    uint64_t count = (uint64_t)there->reprovisioned + 1;
    if (count < row->reprovisioned)
        count = row->reprovisioned;
    if (count > UINT32_MAX)
        count = UINT32_MAX;
    store_bind_i64(s->update, 1, row->batch);
    store_bind_u64(s->update, 2, count);
    store_bind_i64(s->update, 3, m->op->serial);
    store_bind_bytes(s->update, 4, BYTES(row->fingerprint));
    store_bind_bytes(s->update, 5, BYTES(row->sealed));
    store_bind_i64(s->update, 6, m->net->id);
    store_bind_u64(s->update, 7, id);
    return store_exec_stmt(s->update, detail);
}

static enum err touch_batch(const struct merge *m, struct statements *s, uint32_t batch,
                            uint64_t *last, struct err_detail *detail)
{
    if (*last == batch)
        return ERR_OK;
    *last = batch;
    store_bind_i64(s->batch, 1, m->net->id);
    store_bind_i64(s->batch, 2, batch);
    store_bind_i64(s->batch, 3, m->op->serial);
    return store_exec_stmt(s->batch, detail);
}

static enum err merge_all(struct merge *m, struct statements *s, struct err_detail *detail)
{
    struct there there = {0};
    uint64_t last_batch = UINT64_MAX;
    int64_t now = clock_now_s();
    for (uint64_t i = 0; i < m->stage->count; i++) {
        const struct stage_row *row = stage_at(m->stage, i);
        enum fleet_verdict verdict;
        enum merge_reason reason;
        TRY(look(m, s, row->id, &there, detail));
        TRY(judge(m, s, row, &there, &verdict, &reason, detail));
        m->count[verdict]++;
        m->verdicts[i] = (uint8_t)(verdict | (unsigned)reason << 4);
        if (i % TELL_EVERY == 0)
            TRY(progress_tell(m->call, m->write ? "merge" : "compare", i, m->stage->count));
        if (!m->write || (verdict != FLEET_NEW && verdict != FLEET_REPROVISIONED))
            continue;
        /* With one row refused nothing will stay: go on for the report only. */
        if (m->count[FLEET_REFUSED] && !m->skip_refused)
            continue;
        TRY(touch_batch(m, s, row->batch, &last_batch, detail));
        if (verdict == FLEET_NEW)
            TRY(write_new(m, s, row, detail));
        else
            TRY(write_again(m, s, row, &there, now, detail));
    }
    return ERR_OK;
}

static enum err count_batches(struct store_conn *conn, struct merge *m, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT count(*) FROM batch WHERE network = ? AND operation = ?", &stmt,
                      detail));
    store_bind_i64(stmt, 1, m->net->id);
    store_bind_i64(stmt, 2, m->op->serial);
    TRY(store_get_row(stmt, detail));
    m->batches = store_column_u64(stmt, 0);
    return ERR_OK;
}

enum err merge_rows(struct store_conn *conn, struct merge *m, struct err_detail *detail)
{
    memset(m->count, 0, sizeof(m->count));
    AUTO(statements_free) struct statements s = {0};
    TRY(prepare(conn, m->write, &s, detail));
    TRY(merge_all(m, &s, detail));
    if (m->write && m->count[FLEET_REFUSED] && !m->skip_refused)
        return err_set(detail, ERR_REFUSED, "%llu lines are refused",
                       (unsigned long long)m->count[FLEET_REFUSED]);
    if (!m->write)
        return ERR_OK;
    TRY(node_count_add(conn, m->net->id, FLEET_NODE_ACTIVE, (int64_t)m->count[FLEET_NEW], detail));
    return count_batches(conn, m, detail);
}

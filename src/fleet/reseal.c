#include "fleet/snapshot.h"

/* Where fleet keeps sealed records, for the vault's reseal. The version of the domain key stands in
 * bytes 1 and 2 of a sealed record, so SQL finds what is left to do. */

enum place { NODES, HISTORY, KEYS, PASSPHRASES, PWDH, PEERS, PLACES };

/* Each gives (a, b, fingerprint, sealed, epoch) above a cursor (a, b): parameters are the domain,
 * the cursor, the version below which records are old, and the limit. */
static const char *const selects[PLACES] = {
    [NODES] = ("SELECT node_id, 0, fingerprint, sealed, epoch FROM node WHERE network = ? AND "
               "node_id >= ? AND ? = 0 AND length(sealed) > 0 AND substr(sealed, 2, 2) < ? "
               "ORDER BY node_id LIMIT ?"),
    [HISTORY] = ("SELECT node_id, epoch, fingerprint, sealed, epoch FROM node_history "
                 "WHERE network = ? AND (node_id, epoch) >= (?, ?) AND length(sealed) > 0 AND "
                 "substr(sealed, 2, 2) < ? ORDER BY node_id, epoch LIMIT ?"),
    [KEYS] = ("SELECT kind, version, fingerprint, sealed, epoch FROM network_key "
              "WHERE network = ? AND (kind, version) >= (?, ?) AND length(sealed) > 0 AND "
              "substr(sealed, 2, 2) < ? ORDER BY kind, version LIMIT ?"),
    [PASSPHRASES] = ("SELECT version, 0, fingerprint, sealed, epoch FROM network_passphrase "
                     "WHERE network = ? AND version >= ? AND ? = 0 AND length(sealed) > 0 AND "
                     "substr(sealed, 2, 2) < ? ORDER BY version LIMIT ?"),
    [PWDH] = ("SELECT version, 0, pwdh_fingerprint, pwdh, epoch FROM network_passphrase "
              "WHERE network = ? AND version >= ? AND ? = 0 AND length(pwdh) > 0 AND "
              "substr(pwdh, 2, 2) < ? ORDER BY version LIMIT ?"),
    [PEERS] = ("SELECT id, 0, x'', secret, epoch FROM peer WHERE domain = ? AND id >= ? AND ? = 0 "
               "AND length(secret) > 0 AND substr(secret, 2, 2) < ? ORDER BY id LIMIT ?"),
};

/* Parameters: new form, domain, a, b, old form: what was changed meanwhile is left alone. */
static const char *const updates[PLACES] = {
    [NODES] = ("UPDATE node SET sealed = ? WHERE network = ? AND node_id = ? AND ? = 0 AND "
               "sealed = ?"),
    [HISTORY] = ("UPDATE node_history SET sealed = ? WHERE network = ? AND node_id = ? AND "
                 "epoch = ? AND sealed = ?"),
    [KEYS] = ("UPDATE network_key SET sealed = ? WHERE network = ? AND kind = ? AND version = ? "
              "AND sealed = ?"),
    [PASSPHRASES] = ("UPDATE network_passphrase SET sealed = ? WHERE network = ? AND version = ? "
                     "AND ? = 0 AND sealed = ?"),
    [PWDH] = ("UPDATE network_passphrase SET pwdh = ? WHERE network = ? AND version = ? AND ? = 0 "
              "AND pwdh = ?"),
    [PEERS] = ("UPDATE peer SET secret = ? WHERE domain = ? AND id = ? AND ? = 0 AND secret = ?"),
};

/* What a record's `key` says: its place, and the second part of its row's key. */
static uint64_t key_of(enum place place, uint64_t b)
{
    return (uint64_t)place << 32 | b;
}

static enum err id_bits_of(struct store_conn *conn, uint32_t domain, unsigned *ret_id_bits,
                           struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT id_bits FROM network WHERE id = ?", &stmt, detail));
    store_bind_i64(stmt, 1, domain);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND) {
        *ret_id_bits = 32; /* the peers' domain has no nodes */
        return ERR_OK;
    }
    TRY(err);
    *ret_id_bits = (unsigned)store_column_i64(stmt, 0);
    return ERR_OK;
}

static struct keeper_row row_of(enum place place, uint32_t domain, uint64_t a, uint64_t b,
                                uint32_t epoch, unsigned id_bits)
{
    struct keeper_row row = {.domain = domain, .row = a, .epoch = epoch};
    switch (place) {
    case NODES:
    case HISTORY:
        row.table = KEEPER_NODE;
        row.row = node_row_id(a, id_bits);
        break;
    case KEYS:
        row.table = net_key_table((enum fleet_key_kind)a);
        row.row = b;
        break;
    case PASSPHRASES: row.table = KEEPER_PASSPHRASE; break;
    case PWDH: row.table = KEEPER_PWDH; break;
    default: row.table = KEEPER_PEER_SECRET; break;
    }
    return row;
}

/* cursor: the place, (a, b) to go on from, and whether they are set. */
static enum err read_place(struct store_conn *conn, uint32_t domain, uint16_t version,
                           unsigned id_bits, uint64_t cursor[4], struct vault_record *records,
                           size_t max, size_t *ret_count, struct err_detail *detail)
{
    enum place place = (enum place)cursor[0];
    uint8_t below[2];
    be16_store(below, version);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, selects[place], &stmt, detail));
    store_bind_i64(stmt, 1, domain);
    store_bind_i64(stmt, 2, cursor[3] ? (int64_t)cursor[1] : INT64_MIN);
    store_bind_u64(stmt, 3, cursor[2]);
    store_bind_bytes(stmt, 4, BYTES(below));
    store_bind_i64(stmt, 5, (int64_t)max);
    size_t count = 0;
    while (count < max) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        uint64_t a = store_column_u64(stmt, 0), b = store_column_u64(stmt, 1);
        struct vault_record *record = &records[count++];
        record->row = row_of(place, domain, a, b, (uint32_t)store_column_i64(stmt, 4), id_bits);
        record->key = key_of(place, b);
        TRY(made_read(stmt, 2, 3, &record->made, detail));
        /* The next one. Two-part keys go on within the first part. */
        bool two = place == HISTORY || place == KEYS;
        if (!two && (int64_t)a == INT64_MAX) {
            cursor[0]++;
            cursor[1] = cursor[2] = cursor[3] = 0;
            break;
        }
        cursor[1] = two ? a : a + 1;
        cursor[2] = two ? b + 1 : 0;
        cursor[3] = 1;
    }
    *ret_count = count;
    return ERR_OK;
}

static enum err next(void *ctx, uint32_t domain, uint16_t version, uint64_t cursor[4],
                     struct vault_record *records, size_t max, struct err_detail *detail,
                     size_t *ret_count)
{
    struct fleet *fleet = ctx;
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    struct store_conn *conn = store_reader_conn(reader);
    unsigned id_bits;
    TRY(id_bits_of(conn, domain, &id_bits, detail));
    size_t count = 0;
    while (cursor[0] < PLACES) {
        TRY(read_place(conn, domain, version, id_bits, cursor, records, max, &count, detail));
        if (count)
            break;
        cursor[0]++;
        cursor[1] = cursor[2] = cursor[3] = 0;
    }
    *ret_count = count;
    return ERR_OK;
}

struct put {
    uint32_t domain;
    const struct vault_record *before, *after;
    size_t count;
    bool hot; /* records that the snapshot holds */
};

static enum err put_rows(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct put *put = ctx;
    unsigned id_bits;
    TRY(id_bits_of(conn, put->domain, &id_bits, detail));
    for (size_t i = 0; i < put->count; i++) {
        const struct vault_record *before = &put->before[i];
        enum place place = (enum place)(before->key >> 32);
        if (place >= PLACES)
            return ERR_INTERNAL;
        uint64_t a = before->row.row, b = before->key & UINT32_MAX;
        if (place == NODES || place == HISTORY)
            a = node_row_id(a, id_bits);
        else if (place == KEYS)
            a = before->row.table == KEEPER_GATEWAY ? FLEET_KEY_GATEWAY
                : before->row.table == KEEPER_CDLD  ? FLEET_KEY_CDLD
                                                    : FLEET_KEY_BASE;
        put->hot |= place == KEYS || place == PEERS;
        AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
        TRY(store_prepare(conn, updates[place], &stmt, detail));
        store_bind_bytes(stmt, 1, keeper_sealed_view(&put->after[i].made.sealed));
        store_bind_i64(stmt, 2, put->domain);
        store_bind_u64(stmt, 3, a);
        store_bind_u64(stmt, 4, b);
        store_bind_bytes(stmt, 5, keeper_sealed_view(&before->made.sealed));
        TRY(store_exec_stmt(stmt, detail));
    }
    return ERR_OK;
}

static enum err put(void *ctx, uint32_t domain, const struct vault_record *before,
                    const struct vault_record *after, size_t count, struct err_detail *detail)
{
    struct fleet *fleet = ctx;
    struct put put = {.domain = domain, .before = before, .after = after, .count = count};
    TRY(store_run(fleet->store, put_rows, &put, detail));
    return put.hot ? snapshot_publish(fleet, detail) : ERR_OK;
}

struct vault_source fleet_reseal_source(struct fleet *fleet)
{
    return (struct vault_source){.next = next, .put = put, .ctx = fleet};
}

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fleet/internal.h"

/* Networks as rows. */

void net_freep(struct net **net)
{
    free(*net);
}

enum err made_read(struct store_stmt *stmt, unsigned fingerprint, unsigned sealed,
                   struct keeper_made *ret_made, struct err_detail *detail)
{
    struct bytes mark = store_column_bytes(stmt, fingerprint);
    struct bytes blob = store_column_bytes(stmt, sealed);
    if (blob.len > KEEPER_SEALED_MAX || (mark.len != KEEPER_FINGERPRINT && mark.len != 0))
        return err_set(detail, ERR_CORRUPT, "a sealed record has %zu bytes", blob.len);
    struct keeper_made made = {.sealed.len = (uint8_t)blob.len};
    if (mark.len)
        memcpy(made.fingerprint, mark.data, mark.len);
    if (blob.len)
        memcpy(made.sealed.data, blob.data, blob.len);
    *ret_made = made;
    return ERR_OK;
}

static enum err load_keys(struct store_conn *conn, struct net *net, size_t max,
                          struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT kind, version, retired, created, activates, epoch, fingerprint, "
                      "sealed FROM network_key WHERE network = ? ORDER BY kind, version",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        if (net->key_count == max)
            return err_set(detail, ERR_CORRUPT, "network %s: too many keys", net->name);
        struct net_key *key = &net->keys[net->key_count++];
        key->version =
            (struct fleet_key_version){.kind = (enum fleet_key_kind)store_column_i64(stmt, 0),
                                       .version = (uint32_t)store_column_i64(stmt, 1),
                                       .created = store_column_i64(stmt, 3),
                                       .activates = store_column_i64(stmt, 4)};
        key->retired = (unsigned)store_column_i64(stmt, 2);
        key->epoch = (uint32_t)store_column_i64(stmt, 5);
        TRY(made_read(stmt, 6, 7, &key->made, detail));
    }
}

static enum err load_passphrase(struct store_conn *conn, struct net *net, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT version, salt, passes, memory_kib, lanes, epoch, fingerprint, "
                      "sealed, pwdh_fingerprint, pwdh FROM network_passphrase "
                      "WHERE network = ? ORDER BY version DESC LIMIT 1",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    enum err err = store_get_row(stmt, detail);
    struct bytes salt = err == ERR_OK ? store_column_bytes(stmt, 1) : (struct bytes){0};
    if (err == ERR_NOT_FOUND || (err == ERR_OK && salt.len != KEEPER_SALT_SIZE))
        return err_set(detail, ERR_CORRUPT, "network %s: no passphrase record", net->name);
    TRY(err);
    net->pass.version = (uint32_t)store_column_i64(stmt, 0);
    memcpy(net->pass.pwhash.salt, salt.data, salt.len);
    net->pass.pwhash.t_cost = (uint32_t)store_column_i64(stmt, 2);
    net->pass.pwhash.m_kib = (uint32_t)store_column_i64(stmt, 3);
    net->pass.pwhash.lanes = (uint32_t)store_column_i64(stmt, 4);
    net->pass.epoch = (uint32_t)store_column_i64(stmt, 5);
    TRY(made_read(stmt, 6, 7, &net->pass.sealed, detail));
    return made_read(stmt, 8, 9, &net->pass.pwdh, detail);
}

enum err net_load(struct store_conn *conn, const char *name, struct err_detail *detail,
                  struct net **ret_net)
{
    size_t max = (size_t)FLEET_KEY_KINDS * FLEET_VERSIONS_MAX;
    AUTO(net_freep) struct net *net = calloc(1, sizeof(*net) + max * sizeof(net->keys[0]));
    if (!net)
        return ERR_NO_MEMORY;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT id, name, realm, id_bits, created FROM network WHERE name = ?",
                      &stmt, detail));
    store_bind_text(stmt, 1, name);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "network %.63s", name);
    TRY(err);
    net->id = (uint32_t)store_column_i64(stmt, 0);
    snprintf(net->name, sizeof(net->name), "%s", store_column_text(stmt, 1));
    snprintf(net->realm, sizeof(net->realm), "%s", store_column_text(stmt, 2));
    net->id_bits = (unsigned)store_column_i64(stmt, 3);
    net->created = store_column_i64(stmt, 4);
    TRY(load_passphrase(conn, net, detail));
    TRY(load_keys(conn, net, max, detail));
    *ret_net = TAKE(net);
    return ERR_OK;
}

enum err net_read(struct fleet *fleet, const char *name, struct err_detail *detail,
                  struct net **ret_net)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    return net_load(store_reader_conn(reader), name, detail, ret_net);
}

enum err net_insert_key(struct store_conn *conn, uint32_t network, const struct net_key *key,
                        struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO network_key (network, kind, version, retired, created, "
                      "activates, epoch, fingerprint, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_i64(stmt, 1, network);
    store_bind_i64(stmt, 2, key->version.kind);
    store_bind_i64(stmt, 3, key->version.version);
    store_bind_i64(stmt, 4, key->retired);
    store_bind_i64(stmt, 5, key->version.created);
    store_bind_i64(stmt, 6, key->version.activates);
    store_bind_i64(stmt, 7, key->epoch);
    store_bind_bytes(stmt, 8, BYTES(key->made.fingerprint));
    store_bind_bytes(stmt, 9, keeper_sealed_view(&key->made.sealed));
    return store_exec_stmt(stmt, detail);
}

enum err net_insert_passphrase(struct store_conn *conn, const struct net *net,
                               struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *wipe = NULL;
    TRY(store_prepare(conn,
                      "UPDATE network_passphrase SET sealed = x'', pwdh = x'' WHERE network = ?",
                      &wipe, detail));
    store_bind_i64(wipe, 1, net->id);
    TRY(store_exec_stmt(wipe, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO network_passphrase (network, version, salt, passes, memory_kib, "
                      "lanes, created, epoch, fingerprint, sealed, pwdh_fingerprint, pwdh) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    store_bind_i64(stmt, 2, net->pass.version);
    store_bind_bytes(stmt, 3, BYTES(net->pass.pwhash.salt));
    store_bind_i64(stmt, 4, net->pass.pwhash.t_cost);
    store_bind_i64(stmt, 5, net->pass.pwhash.m_kib);
    store_bind_i64(stmt, 6, net->pass.pwhash.lanes);
    store_bind_i64(stmt, 7, net->created);
    store_bind_i64(stmt, 8, net->pass.epoch);
    store_bind_bytes(stmt, 9, BYTES(net->pass.sealed.fingerprint));
    store_bind_bytes(stmt, 10, keeper_sealed_view(&net->pass.sealed.sealed));
    store_bind_bytes(stmt, 11, BYTES(net->pass.pwdh.fingerprint));
    store_bind_bytes(stmt, 12, keeper_sealed_view(&net->pass.pwdh.sealed));
    return store_exec_stmt(stmt, detail);
}

enum err net_insert(struct store_conn *conn, const struct net *net, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO network (id, name, realm, id_bits, created) "
                      "VALUES (?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    store_bind_text(stmt, 2, net->name);
    store_bind_text(stmt, 3, net->realm);
    store_bind_i64(stmt, 4, net->id_bits);
    store_bind_i64(stmt, 5, net->created);
    enum err err = store_exec_stmt(stmt, detail);
    if (err == ERR_EXISTS)
        return err_set(detail, err, "network %s or its realm %s", net->name, net->realm);
    TRY(err);
    TRY(net_insert_passphrase(conn, net, detail));
    for (size_t i = 0; i < net->key_count; i++)
        TRY(net_insert_key(conn, net->id, &net->keys[i], detail));
    return ERR_OK;
}

enum err net_delete(struct store_conn *conn, uint32_t network, struct err_detail *detail)
{
    static const char *const statements[] = {
        "DELETE FROM node WHERE network = ?",
        "DELETE FROM node_count WHERE network = ?",
        "DELETE FROM node_history WHERE network = ?",
        "DELETE FROM batch WHERE network = ?",
        "DELETE FROM peer_network WHERE network = ?",
        "DELETE FROM device_signer WHERE network = ?",
        "DELETE FROM network_key WHERE network = ?",
        "DELETE FROM network_passphrase WHERE network = ?",
        "DELETE FROM network WHERE id = ?",
    };
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
        TRY(store_prepare(conn, statements[i], &stmt, detail));
        store_bind_i64(stmt, 1, network);
        TRY(store_exec_stmt(stmt, detail));
    }
    return ERR_OK;
}

const struct net_key *net_key_active(const struct net_key *keys, size_t count,
                                     enum fleet_key_kind kind, int64_t now)
{
    const struct net_key *active = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct net_key *key = &keys[i];
        if (key->version.kind == kind && !key->retired && key->version.activates <= now &&
            (!active || key->version.version > active->version.version))
            active = key;
    }
    return active;
}

void net_keys_date(struct net_key *keys, size_t count, int64_t now)
{
    for (size_t i = 0; i < count; i++) {
        struct net_key *key = &keys[i];
        if (key->retired)
            key->version.state = key->retired == 1 ? FLEET_KEY_RETIRED : FLEET_KEY_DESTROYED;
        else if (key->version.activates > now)
            key->version.state = FLEET_KEY_PRE_ACTIVE;
        else if (key == net_key_active(keys, count, key->version.kind, now))
            key->version.state = FLEET_KEY_ACTIVE;
        else
            key->version.state = FLEET_KEY_PREVIOUS;
    }
}

uint32_t net_key_last(const struct net *net, enum fleet_key_kind kind)
{
    uint32_t last = 0;
    for (size_t i = 0; i < net->key_count; i++) {
        if (net->keys[i].version.kind == kind && net->keys[i].version.version > last)
            last = net->keys[i].version.version;
    }
    return last;
}

uint8_t net_key_table(enum fleet_key_kind kind)
{
    static const uint8_t tables[] = {[FLEET_KEY_GATEWAY] = KEEPER_GATEWAY,
                                     [FLEET_KEY_CDLD] = KEEPER_CDLD,
                                     [FLEET_KEY_BASE] = KEEPER_BASE};
    return (size_t)kind < ARRAY_LEN(tables) ? tables[kind] : 0;
}

#include "fleet/peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "fleet/snapshot.h"
#include "fleet/name.h"

struct peer_change {
    char host[FLEET_HOST_MAX + 1];
    char realm[FLEET_REALM_MAX + 1];
    char network[FLEET_NAME_MAX + 1];
    const struct fleet_peer_create *create;
    const struct fleet_peer_set *set;
    bool allow;
    uint32_t id; /* in and out */
    uint32_t domain;
    struct keeper_made secret;
    struct operation *op;
};

static enum err find(struct store_conn *conn, const char *host, uint32_t *ret_id,
                     struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT id FROM peer WHERE host = ?", &stmt, detail));
    store_bind_text(stmt, 1, host);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "gateway %.200s", host);
    TRY(err);
    *ret_id = (uint32_t)store_column_i64(stmt, 0);
    return ERR_OK;
}

/* Begin, change, end, publish: what every change here does. */
static enum err change(const struct fleet_call *call, struct peer_change *c, store_fn *fn,
                       struct operation *op, struct err_detail *detail)
{
    struct err_detail why = {0};
    c->op = op;
    enum err err = store_run(call->fleet->store, fn, c, &why);
    if (err != ERR_OK && detail)
        *detail = why;
    TRY(operation_close(call, op, err, &why, err == ERR_OK ? detail : NULL));
    return snapshot_publish(call->fleet, detail);
}

static enum err begin(const struct fleet_call *call, const char *kind, struct peer_change *c,
                      const char *host, struct operation *op, struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_PEER_MANAGE, detail));
    TRY(fleet_host_parse(bytes_str(host), c->host, detail));
    return operation_begin(call, kind, 0, c->host, op, detail);
}

static enum err insert(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct peer_change *c = ctx;
    /* The serial of the operation that made it: never used twice, so a secret of a removed gateway
     * fits no other. */
    c->id = c->op->serial;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO peer (id, host, realm, enabled, require_tls, certificate, "
                      "domain, epoch, secret, created) VALUES (?, ?, ?, 1, ?, ?, 0, 0, NULL, ?)",
                      &stmt, detail));
    store_bind_i64(stmt, 1, c->id);
    store_bind_text(stmt, 2, c->host);
    store_bind_text(stmt, 3, c->realm);
    store_bind_i64(stmt, 4, c->create->require_tls);
    if (c->create->certificate)
        store_bind_bytes(stmt, 5, bytes_of(c->create->certificate, 32));
    store_bind_i64(stmt, 6, clock_now_s());
    enum err err = store_exec_stmt(stmt, detail);
    if (err == ERR_EXISTS)
        return err_set(detail, err, "gateway %.200s", c->host);
    TRY(err);
    snprintf(c->op->summary, sizeof(c->op->summary), "%.100s realm %.40s", c->host, c->realm);
    return operation_end(conn, c->op, detail);
}

enum err fleet_peer_create(const struct fleet_call *call, const struct fleet_peer_create *request,
                           struct err_detail *detail, uint32_t *ret_id)
{
    struct peer_change c = {.create = request};
    struct operation op;
    TRY(fleet_realm_parse(bytes_str(request->realm), c.realm, detail));
    TRY(begin(call, "peer-create", &c, request->host, &op, detail));
    TRY(change(call, &c, insert, &op, detail));
    *ret_id = c.id;
    return ERR_OK;
}

static enum err exec_i64(struct store_conn *conn, const char *sql, int64_t value, uint32_t id,
                         struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, sql, &stmt, detail));
    store_bind_i64(stmt, 1, value);
    store_bind_i64(stmt, 2, id);
    return store_exec_stmt(stmt, detail);
}

static enum err update(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct peer_change *c = ctx;
    const struct fleet_peer_set *set = c->set;
    TRY(find(conn, c->host, &c->id, detail));
    if (set->enabled)
        TRY(exec_i64(conn, "UPDATE peer SET enabled = ? WHERE id = ?", *set->enabled, c->id,
                     detail));
    if (set->require_tls)
        TRY(exec_i64(conn, "UPDATE peer SET require_tls = ? WHERE id = ?", *set->require_tls, c->id,
                     detail));
    if (set->certificate || set->drop_certificate) {
        AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
        TRY(store_prepare(conn, "UPDATE peer SET certificate = ? WHERE id = ?", &stmt, detail));
        if (set->certificate)
            store_bind_bytes(stmt, 1, bytes_of(set->certificate, 32));
        store_bind_i64(stmt, 2, c->id);
        TRY(store_exec_stmt(stmt, detail));
    }
    snprintf(c->op->summary, sizeof(c->op->summary), "%.100s%s%s%s", c->host,
             set->enabled ? (*set->enabled ? " enabled" : " disabled") : "",
             set->require_tls ? (*set->require_tls ? " TLS" : " TLS optional") : "",
             set->certificate || set->drop_certificate ? " certificate" : "");
    return operation_end(conn, c->op, detail);
}

enum err fleet_peer_set(const struct fleet_call *call, const char *host,
                        const struct fleet_peer_set *request, struct err_detail *detail)
{
    struct peer_change c = {.set = request};
    struct operation op;
    TRY(begin(call, "peer-set", &c, host, &op, detail));
    return change(call, &c, update, &op, detail);
}

static enum err allow(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct peer_change *c = ctx;
    TRY(find(conn, c->host, &c->id, detail));
    AUTO(store_stmt_freep) struct store_stmt *network = NULL;
    TRY(store_prepare(conn, "SELECT id FROM network WHERE name = ?", &network, detail));
    store_bind_text(network, 1, c->network);
    enum err err = store_get_row(network, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "network %s", c->network);
    TRY(err);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      c->allow ? "REPLACE INTO peer_network (peer, network) VALUES (?, ?)"
                               : "DELETE FROM peer_network WHERE peer = ? AND network = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, c->id);
    store_bind_i64(stmt, 2, store_column_i64(network, 0));
    TRY(store_exec_stmt(stmt, detail));
    snprintf(c->op->summary, sizeof(c->op->summary), "%.70s %s %s", c->host,
             c->allow ? "may read" : "may no longer read", c->network);
    return operation_end(conn, c->op, detail);
}

enum err fleet_peer_allow(const struct fleet_call *call, const char *host, const char *network,
                          bool yes, struct err_detail *detail)
{
    struct peer_change c = {.allow = yes};
    struct operation op;
    TRY(fleet_name_check(bytes_str(network), detail));
    snprintf(c.network, sizeof(c.network), "%s", network);
    TRY(begin(call, yes ? "peer-allow" : "peer-deny", &c, host, &op, detail));
    return change(call, &c, allow, &op, detail);
}

static enum err store_secret(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct peer_change *c = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "UPDATE peer SET domain = ?, epoch = ?, secret = ? WHERE id = ?", &stmt,
                      detail));
    store_bind_i64(stmt, 1, c->domain);
    store_bind_i64(stmt, 2, c->op->serial);
    if (c->secret.sealed.len)
        store_bind_bytes(stmt, 3, keeper_sealed_view(&c->secret.sealed));
    store_bind_i64(stmt, 4, c->id);
    TRY(store_exec_stmt(stmt, detail));
    if (store_changes(conn) == 0)
        return err_set(detail, ERR_NOT_FOUND, "gateway %.200s", c->host);
    snprintf(c->op->summary, sizeof(c->op->summary), "%.100s %s", c->host,
             c->secret.sealed.len ? "has a new secret" : "has no secret any more");
    return operation_end(conn, c->op, detail);
}

/* The domain of all gateways' secrets, made with the first. */
static enum err peers_domain(const struct fleet_call *call, uint32_t *ret_domain,
                             struct err_detail *detail)
{
    struct vault *vault = call->fleet->vault;
    uint32_t id;
    if (vault_domain_list(vault, "peers", &id, 1) == 0)
        TRY(vault_domain_create(vault, call->keeper, call->actor.name, "peers", detail, &id));
    *ret_domain = id;
    return vault_domain_hold(vault, id);
}

static enum err set_secret(const struct fleet_call *call, struct peer_change *c,
                           struct bytes secret, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    TRY(find(store_reader_conn(reader), c->host, &c->id, detail));
    if (secret.len == 0)
        return ERR_OK;
    struct keeper_row row = {c->domain, KEEPER_PEER_SECRET, c->id, c->op->serial};
    return keeper_seal(call->keeper, call->actor.name, row, secret, &c->secret, detail);
}

static enum err set_secret_locked(const struct fleet_call *call, const char *host,
                                  struct bytes secret, struct err_detail *detail)
{
    struct operation op;
    struct peer_change c = {.op = &op};
    TRY(peers_domain(call, &c.domain, detail));
    enum err err = begin(call, "peer-secret", &c, host, &op, detail);
    if (err == ERR_OK) {
        struct err_detail why = {0};
        err = set_secret(call, &c, secret, &why);
        if (err == ERR_OK) {
            err = change(call, &c, store_secret, &op, detail);
        } else {
            if (detail)
                *detail = why;
            err = operation_close(call, &op, err, &why, NULL);
        }
    }
    vault_domain_release(call->fleet->vault, c.domain);
    return err;
}

enum err fleet_peer_set_secret(const struct fleet_call *call, const char *host, struct bytes secret,
                               struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_PEER_MANAGE, detail));
    if (secret.len > FLEET_SECRET_MAX)
        return err_set(detail, ERR_LIMIT, "a shared secret has at most %d bytes", FLEET_SECRET_MAX);
    TRY(net_lock_take(call, 0)); /* no network has this id: gateways one at a time */
    enum err err = set_secret_locked(call, host, secret, detail);
    net_lock_give(call->fleet, 0);
    return err;
}

static enum err delete (struct store_conn *conn, void *ctx, struct err_detail *detail) {
    struct peer_change *c = ctx; TRY(find(conn, c->host, &c->id, detail));
    static const char *const statements[] = {"DELETE FROM peer_network WHERE peer = ?",
                                             "DELETE FROM peer WHERE id = ?"};
    for (size_t i = 0; i < ARRAY_LEN(statements);
         i++){AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
              TRY(store_prepare(conn, statements[i], &stmt, detail));
              store_bind_i64(stmt, 1, c->id); TRY(store_exec_stmt(stmt, detail));}
snprintf(c->op->summary, sizeof(c->op->summary), "%.140s removed", c->host);
return operation_end(conn, c->op, detail);
}

enum err fleet_peer_remove(const struct fleet_call *call, const char *host,
                           struct err_detail *detail)
{
    struct peer_change c = {0};
    struct operation op;
    TRY(begin(call, "peer-remove", &c, host, &op, detail));
    return change(call, &c, delete, &op, detail);
}

static void tell(const struct snapshot *snapshot, const struct peer_entry *entry,
                 struct fleet_peer_info *info)
{
    memset(info, 0, sizeof(*info));
    info->peer = entry->view.peer;
    for (size_t i = 0; i < entry->network_count; i++) {
        for (size_t n = 0; n < snapshot->network_count; n++) {
            const struct fleet_network_view *network = &snapshot->networks[n];
            if (network->id == entry->networks[i] && info->networks < FLEET_PEER_NETWORKS_MAX)
                memcpy(info->network[info->networks++], network->name, sizeof(network->name));
        }
    }
}

enum err fleet_peer_show(const struct fleet_call *call, const char *host, struct err_detail *detail,
                         struct fleet_peer_info *ret_info)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_READ, detail));
    char name[FLEET_HOST_MAX + 1];
    TRY(fleet_host_parse(bytes_str(host), name, detail));
    struct snapshot *snapshot = snapshot_get(call->fleet);
    enum err err = ERR_NOT_FOUND;
    for (size_t i = 0; i < snapshot->peer_count && err != ERR_OK; i++) {
        if (strcmp(snapshot->peers[i].view.peer.host, name) == 0) {
            tell(snapshot, &snapshot->peers[i], ret_info);
            err = ERR_OK;
        }
    }
    snapshot_unref(snapshot);
    return err == ERR_OK ? err : err_set(detail, err, "gateway %.200s", name);
}

enum err fleet_peer_list(const struct fleet_call *call, fleet_peer_fn *each, void *ctx,
                         struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_READ, detail));
    struct fleet_peer_info *info = malloc(sizeof(*info));
    if (!info)
        return ERR_NO_MEMORY;
    struct snapshot *snapshot = snapshot_get(call->fleet);
    enum err err = ERR_OK;
    for (size_t i = 0; i < snapshot->peer_count && err == ERR_OK; i++) {
        tell(snapshot, &snapshot->peers[i], info);
        err = each(ctx, info, detail);
    }
    snapshot_unref(snapshot);
    free(info);
    return err;
}

enum err fleet_peers_from_file(struct fleet *fleet, const struct fleet_static_peer *peers,
                               size_t count, struct err_detail *detail)
{
    struct static_peer *statics = calloc(count ? count : 1, sizeof(*statics));
    if (!statics)
        return ERR_NO_MEMORY;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        statics[i].require_tls = peers[i].require_tls;
        err = fleet_host_parse(bytes_str(peers[i].host), statics[i].host, detail);
        if (err == ERR_OK)
            err = fleet_realm_parse(bytes_str(peers[i].realm), statics[i].realm, detail);
    }
    if (err != ERR_OK) {
        free(statics);
        return err;
    }
    pthread_mutex_lock(&fleet->mutex);
    struct static_peer *old = fleet->statics;
    fleet->statics = statics;
    fleet->static_count = count;
    pthread_mutex_unlock(&fleet->mutex);
    free(old);
    return snapshot_publish(fleet, detail);
}

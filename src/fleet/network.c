#include "fleet/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "fleet/snapshot.h"
#include "fleet/name.h"

static const char *const kind_names[] = {
    [FLEET_KEY_GATEWAY] = "gateway", [FLEET_KEY_CDLD] = "cdld", [FLEET_KEY_BASE] = "base"};

const char *fleet_key_kind_name(enum fleet_key_kind kind)
{
    return kind >= FLEET_KEY_GATEWAY && kind <= FLEET_KEY_BASE ? kind_names[kind] : "unknown";
}

enum err fleet_key_kind_parse(const char *name, enum fleet_key_kind *ret_kind)
{
    for (unsigned kind = FLEET_KEY_GATEWAY; kind <= FLEET_KEY_BASE; kind++) {
        if (strcmp(kind_names[kind], name) == 0) {
            *ret_kind = (enum fleet_key_kind)kind;
            return ERR_OK;
        }
    }
    return ERR_ARGUMENT;
}

size_t fleet_key_kind_size(enum fleet_key_kind kind)
{
    return keeper_key_size(net_key_table(kind));
}

const char *fleet_key_state_name(enum fleet_key_state state)
{
    static const char *const names[] = {"pre-active", "active", "previous", "retired", "destroyed"};
    return (size_t)state < ARRAY_LEN(names) ? names[state] : "unknown";
}

enum err passphrase_check_form(struct bytes passphrase, struct err_detail *detail)
{
    if (passphrase.len < FLEET_PASS_MIN || passphrase.len > FLEET_PASS_MAX)
        return err_set(detail, ERR_ARGUMENT, "a passphrase has %d to %d bytes", FLEET_PASS_MIN,
                       FLEET_PASS_MAX);
    return ERR_OK;
}

static enum err draw_salt(uint8_t salt[KEEPER_SALT_SIZE], struct err_detail *detail)
{
    if (getrandom(salt, KEEPER_SALT_SIZE, 0) != KEEPER_SALT_SIZE)
        return err_errno(detail, "getrandom");
    return ERR_OK;
}

enum err net_prepare(const struct fleet_call *call, const struct fleet_network_create *request,
                     size_t keys, struct err_detail *detail, struct net **ret_net)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_MANAGE, detail));
    TRY(fleet_name_check(bytes_str(request->name), detail));
    if (request->id_bits != 0 && request->id_bits != 32 && request->id_bits != 64)
        return err_set(detail, ERR_ARGUMENT, "node ids have 32 or 64 bits");
    AUTO(net_freep) struct net *net = calloc(1, sizeof(*net) + keys * sizeof(net->keys[0]));
    if (!net)
        return ERR_NO_MEMORY;
    memcpy(net->name, request->name, strlen(request->name));
    TRY(fleet_realm_parse(bytes_str(request->realm), net->realm, detail));
    net->id_bits = request->id_bits ? request->id_bits : 32;
    net->created = clock_now_s();
    net->pass.version = 1;
    net->pass.pwhash = (struct keeper_pwhash){
        .t_cost = request->argon_passes ? request->argon_passes : 3,
        .m_kib = request->argon_memory_kib ? request->argon_memory_kib : 64 * 1024,
        .lanes = request->argon_lanes ? request->argon_lanes : 4};
    TRY(draw_salt(net->pass.pwhash.salt, detail));
    /* Known names are refused before a domain is made for nothing; the insert decides. */
    struct snapshot *snapshot = snapshot_get(call->fleet);
    bool taken = snapshot_network(snapshot, net->realm) != NULL;
    for (size_t i = 0; i < snapshot->network_count; i++)
        taken |= strcmp(snapshot->networks[i].name, net->name) == 0;
    snapshot_unref(snapshot);
    if (taken)
        return err_set(detail, ERR_EXISTS, "network %s or its realm %s", net->name, net->realm);
    TRY(vault_domain_create(call->fleet->vault, call->keeper, call->actor.name, "network", detail,
                            &net->id));
    *ret_net = TAKE(net);
    return ERR_OK;
}

void net_abandon(const struct fleet_call *call, const struct net *net)
{
    /* What fails here the next start finds as an orphan. */
    (void)(vault_domain_destroy(call->fleet->vault, call->keeper, call->actor.name, net->id,
                                NULL) == ERR_OK);
}

struct change {
    const struct net *net;
    const struct net_key *key;
    const struct operation *op;
};

static enum err insert_network(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct change *change = ctx;
    TRY(net_insert(conn, change->net, detail));
    return operation_end(conn, change->op, detail);
}

static enum err make_key(const struct fleet_call *call, uint32_t network, uint32_t epoch,
                         enum fleet_key_kind kind, uint32_t version, int64_t activates,
                         struct net_key *ret_key, struct err_detail *detail)
{
    struct net_key key = {.version = {.kind = kind,
                                      .version = version,
                                      .created = clock_now_s(),
                                      .activates = activates},
                          .epoch = epoch};
    struct keeper_row row = {network, net_key_table(kind), version, epoch};
    TRY(keeper_generate(call->keeper, call->actor.name, row, &key.made, detail));
    *ret_key = key;
    return ERR_OK;
}

static enum err create(const struct fleet_call *call, struct net *net, struct operation *op,
                       struct bytes passphrase, struct err_detail *detail)
{
    net->pass.epoch = op->serial;
    TRY(keeper_passphrase_set(call->keeper, call->actor.name, net->id, net->pass.version,
                              op->serial, &net->pass.pwhash, passphrase, &net->pass.sealed,
                              &net->pass.pwdh, detail));
    for (unsigned kind = FLEET_KEY_GATEWAY; kind <= FLEET_KEY_BASE; kind++)
        TRY(make_key(call, net->id, op->serial, (enum fleet_key_kind)kind, 1, net->created,
                     &net->keys[net->key_count++], detail));
    snprintf(op->summary, sizeof(op->summary), "%s realm %.80s", net->name, net->realm);
    struct change change = {.net = net, .op = op};
    return store_run(call->fleet->store, insert_network, &change, detail);
}

enum err fleet_network_create(const struct fleet_call *call,
                              const struct fleet_network_create *request, struct err_detail *detail,
                              uint32_t *ret_id)
{
    TRY(passphrase_check_form(request->passphrase, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_prepare(call, request, FLEET_KEY_KINDS, detail, &net));
    struct operation op;
    struct err_detail why = {0};
    enum err err = operation_begin(call, "network-create", net->id, net->name, &op, detail);
    if (err == ERR_OK) {
        err = create(call, net, &op, request->passphrase, &why);
        enum err closed = operation_close(call, &op, err, &why, detail);
        if (err == ERR_OK) {
            TRY(snapshot_publish(call->fleet, detail));
            TRY(closed);
            *ret_id = net->id;
            return ERR_OK;
        }
        if (detail)
            *detail = why;
    }
    net_abandon(call, net);
    return err;
}

static void tell(const struct fleet_call *call, struct net *net, struct fleet_network *to)
{
    *to = (struct fleet_network){.id = net->id,
                                 .id_bits = net->id_bits,
                                 .created = net->created,
                                 .passphrase_version = net->pass.version,
                                 .argon_passes = net->pass.pwhash.t_cost,
                                 .argon_memory_kib = net->pass.pwhash.m_kib,
                                 .argon_lanes = net->pass.pwhash.lanes};
    memcpy(to->name, net->name, sizeof(to->name));
    memcpy(to->realm, net->realm, sizeof(to->realm));
    memcpy(to->salt, net->pass.pwhash.salt, sizeof(to->salt));
    struct vault_domain domain;
    if (vault_domain_get(call->fleet->vault, net->id, &domain) == ERR_OK) {
        to->domain_version = domain.version;
        to->resealing = domain.oldest != domain.version;
    }
    net_keys_date(net->keys, net->key_count, clock_now_s());
    for (size_t i = 0; i < net->key_count; i++)
        to->key[to->keys++] = net->keys[i].version;
}

enum err fleet_network_show(const struct fleet_call *call, const char *name,
                            struct err_detail *detail, struct fleet_network *ret_network)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_READ, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    tell(call, net, ret_network);
    return ERR_OK;
}

static void network_freep(struct fleet_network **network)
{
    free(*network);
}

enum err fleet_network_list(const struct fleet_call *call, fleet_network_fn *each, void *ctx,
                            struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_READ, detail));
    AUTO(network_freep) struct fleet_network *told = calloc(1, sizeof(*told));
    if (!told)
        return ERR_NO_MEMORY;
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    struct store_conn *conn = store_reader_conn(reader);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT name FROM network ORDER BY name", &stmt, detail));
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        AUTO(net_freep) struct net *net = NULL;
        TRY(net_load(conn, store_column_text(stmt, 0), detail, &net));
        tell(call, net, told);
        TRY(each(ctx, told, detail));
    }
}

enum err fleet_network_count(const struct fleet_call *call, const char *name,
                             struct err_detail *detail, uint64_t ret_counts[3])
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_READ, detail));
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    struct store_conn *conn = store_reader_conn(reader);
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_load(conn, name, detail, &net));
    return node_count_read(conn, net->id, ret_counts, detail);
}

static enum err insert_key(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct change *change = ctx;
    TRY(net_insert_key(conn, change->net->id, change->key, detail));
    return operation_end(conn, change->op, detail);
}

static enum err rotate_check(const struct net *net, enum fleet_key_kind kind, int64_t now,
                             struct err_detail *detail)
{
    unsigned count = 0;
    for (size_t i = 0; i < net->key_count; i++) {
        const struct net_key *key = &net->keys[i];
        if (key->version.kind != kind)
            continue;
        count++;
        if (!key->retired && key->version.activates > now)
            return err_set(detail, ERR_STATE, "version %u of the %s key waits for its date",
                           key->version.version, fleet_key_kind_name(kind));
    }
    if (count >= FLEET_VERSIONS_MAX)
        return err_set(detail, ERR_LIMIT, "a key has at most %d versions", FLEET_VERSIONS_MAX);
    return ERR_OK;
}

static enum err rotate(const struct fleet_call *call, const struct net *net,
                       enum fleet_key_kind kind, int64_t activates, struct operation *op,
                       uint32_t *ret_version, struct err_detail *detail)
{
    struct net_key key;
    uint32_t version = net_key_last(net, kind) + 1;
    TRY(make_key(call, net->id, op->serial, kind, version, activates, &key, detail));
    char date[32];
    clock_format(activates, date);
    snprintf(op->summary, sizeof(op->summary), "%s %s version %u from %s", net->name,
             fleet_key_kind_name(kind), version, date);
    struct change change = {.net = net, .key = &key, .op = op};
    TRY(store_run(call->fleet->store, insert_key, &change, detail));
    *ret_version = version;
    return ERR_OK;
}

enum err fleet_network_rotate(const struct fleet_call *call, const char *name,
                              enum fleet_key_kind kind, int64_t activates,
                              struct err_detail *detail, uint32_t *ret_version)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_MANAGE, detail));
    if (net_key_table(kind) == 0)
        return err_set(detail, ERR_ARGUMENT, "no such kind of key");
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    TRY(net_lock_take(call, net->id));
    uint32_t id = net->id;
    free(TAKE(net));
    int64_t now = clock_now_s();
    if (activates < now)
        activates = now;
    struct operation op;
    struct err_detail why = {0};
    enum err err = net_read(call->fleet, name, detail, &net);
    if (err == ERR_OK)
        err = rotate_check(net, kind, now, detail);
    if (err == ERR_OK)
        err = operation_begin(call, "network-rotate", net->id, fleet_key_kind_name(kind), &op,
                              detail);
    if (err == ERR_OK) {
        err = rotate(call, net, kind, activates, &op, ret_version, &why);
        if (err != ERR_OK && detail)
            *detail = why;
        err = operation_close(call, &op, err, &why, err == ERR_OK ? detail : NULL);
    }
    net_lock_give(call->fleet, id);
    TRY(err);
    return snapshot_publish(call->fleet, detail);
}

struct retire {
    const char *name;
    enum fleet_key_kind kind;
    uint32_t version;
    bool destroy;
    struct operation *op;
};

static enum err retire_check(const struct retire *retire, struct net *net,
                             struct err_detail *detail)
{
    net_keys_date(net->keys, net->key_count, clock_now_s());
    for (size_t i = 0; i < net->key_count; i++) {
        const struct fleet_key_version *key = &net->keys[i].version;
        if (key->kind != retire->kind || key->version != retire->version)
            continue;
        if (key->state == FLEET_KEY_ACTIVE)
            return err_set(detail, ERR_STATE, "version %u is the active one: rotate first",
                           retire->version);
        if (key->state == FLEET_KEY_DESTROYED)
            return err_set(detail, ERR_STATE, "version %u is destroyed", retire->version);
        return ERR_OK;
    }
    return err_set(detail, ERR_NOT_FOUND, "version %u of the %s key", retire->version,
                   fleet_key_kind_name(retire->kind));
}

static enum err retire_row(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct retire *retire = ctx;
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_load(conn, retire->name, detail, &net));
    TRY(retire_check(retire, net, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      retire->destroy
                          ? "UPDATE network_key SET retired = 2, sealed = x'', fingerprint = x'' "
                            "WHERE network = ? AND kind = ? AND version = ?"
                          : "UPDATE network_key SET retired = 1 "
                            "WHERE network = ? AND kind = ? AND version = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    store_bind_i64(stmt, 2, retire->kind);
    store_bind_i64(stmt, 3, retire->version);
    TRY(store_exec_stmt(stmt, detail));
    snprintf(retire->op->summary, sizeof(retire->op->summary), "%s %s version %u %s", net->name,
             fleet_key_kind_name(retire->kind), retire->version,
             retire->destroy ? "destroyed" : "retired");
    return operation_end(conn, retire->op, detail);
}

enum err fleet_network_retire(const struct fleet_call *call, const char *name,
                              enum fleet_key_kind kind, uint32_t version, bool destroy,
                              struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_MANAGE, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    struct operation op;
    struct retire retire = {name, kind, version, destroy, &op};
    TRY(retire_check(&retire, net, detail));
    TRY(operation_begin(call, destroy ? "network-key-destroy" : "network-key-retire", net->id,
                        fleet_key_kind_name(kind), &op, detail));
    struct err_detail why = {0};
    enum err err = store_run(call->fleet->store, retire_row, &retire, &why);
    if (err != ERR_OK && detail)
        *detail = why;
    TRY(operation_close(call, &op, err, &why, err == ERR_OK ? detail : NULL));
    return snapshot_publish(call->fleet, detail);
}

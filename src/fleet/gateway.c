#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "fleet/snapshot.h"
#include "fleet/name.h"

/* The gateway key file: the network's keys on their way to a local key server. */

enum err net_export_keys(const struct net *net, bool passphrase,
                         struct keeper_network_keys *ret_keys, struct err_detail *detail)
{
    struct keeper_network_keys keys = {.versions.passphrase = net->pass.version};
    int64_t now = clock_now_s();
    const struct net_key *active[FLEET_KEY_BASE + 1] = {0};
    for (unsigned kind = FLEET_KEY_GATEWAY; kind <= FLEET_KEY_BASE; kind++) {
        active[kind] = net_key_active(net->keys, net->key_count, (enum fleet_key_kind)kind, now);
        if (!active[kind])
            return err_set(detail, ERR_STATE, "network %s has no active %s key", net->name,
                           fleet_key_kind_name((enum fleet_key_kind)kind));
    }
    const struct net_key *gateway = active[FLEET_KEY_GATEWAY], *cdld = active[FLEET_KEY_CDLD],
                         *base = active[FLEET_KEY_BASE];
    keys.versions.gateway = gateway->version.version;
    keys.versions.cdld = cdld->version.version;
    keys.versions.base = base->version.version;
    keys.gateway.epoch = gateway->epoch;
    keys.gateway.sealed = keeper_sealed_view(&gateway->made.sealed);
    keys.cdld.epoch = cdld->epoch;
    keys.cdld.sealed = keeper_sealed_view(&cdld->made.sealed);
    keys.base.epoch = base->epoch;
    keys.base.sealed = keeper_sealed_view(&base->made.sealed);
    keys.pwdh.epoch = net->pass.epoch;
    keys.pwdh.sealed = keeper_sealed_view(&net->pass.pwdh.sealed);
    if (passphrase) {
        keys.passphrase.epoch = net->pass.epoch;
        keys.passphrase.sealed = keeper_sealed_view(&net->pass.sealed.sealed);
    }
    *ret_keys = keys;
    return ERR_OK;
}

static enum err export_file(const struct fleet_call *call, const struct net *net,
                            struct operation *op, struct buf *file, struct buf *signature,
                            struct err_detail *detail)
{
    struct keeper_network_keys keys;
    TRY(net_export_keys(net, true, &keys, detail));
    struct keeper_gateway_file head = {
        .pwhash = net->pass.pwhash, .versions = keys.versions, .id_width = (uint8_t)net->id_bits};
    snprintf(head.network, sizeof(head.network), "%s", net->name);
    snprintf(head.realm, sizeof(head.realm), "%s", net->realm);
    TRY(keeper_export_gateway(call->keeper, call->actor.name, net->id, &head, &keys, file,
                              signature, detail));
    snprintf(op->summary, sizeof(op->summary),
             "%s gateway %" PRIu32 " cdld %" PRIu32 " base %" PRIu32, net->name,
             keys.versions.gateway, keys.versions.cdld, keys.versions.base);
    return operation_finish(call, op, detail);
}

static enum err export_held(const struct fleet_call *call, const char *name, struct buf *file,
                            struct buf *signature, struct err_detail *detail)
{
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    struct operation op;
    TRY(operation_begin(call, "gateway-export", net->id, name, &op, detail));
    struct err_detail why = {0};
    enum err err = export_file(call, net, &op, file, signature, &why);
    if (err != ERR_OK && detail)
        *detail = why;
    return operation_close(call, &op, err, &why, err == ERR_OK ? detail : NULL);
}

enum err fleet_gateway_export(const struct fleet_call *call, const char *name,
                              struct bytes passphrase, struct buf *file, struct buf *signature,
                              struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_KEY_EXPORT, detail));
    if (passphrase.len != 0)
        TRY(fleet_network_check_passphrase(call, name, passphrase, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    TRY(vault_domain_hold(call->fleet->vault, net->id));
    enum err err = export_held(call, name, file, signature, detail);
    vault_domain_release(call->fleet->vault, net->id);
    return err;
}

struct gateway_import {
    const struct fleet_call *call;
    const struct fleet_gateway_import *request;
    struct keeper_gateway_file head;
    struct keeper_gateway_keys keys;
    struct net *net; /* as it is, or as it will be */
    struct operation op;
    struct net_key added[FLEET_KEY_KINDS];
    size_t added_count;
    bool new_passphrase;
    struct fleet_gateway_result result;
};

static enum err check_signature(const struct fleet_gateway_import *request,
                                struct err_detail *detail)
{
    AUTO(rsa_public_freep) struct rsa_public *signer = NULL;
    TRY(rsa_public_from_pem(request->signer_pem, &signer, detail));
    uint8_t digest[HASH_SHA256_SIZE];
    TRY(hash_sha256(&request->file, 1, digest));
    enum err err = rsa_verify_sha256(signer, digest, request->signature, detail);
    if (err == ERR_SIGNATURE)
        return err_set(detail, err,
                       "gateway key file: not signed by this signer, or altered since");
    return err;
}

/* What stands in clear before the ciphertext: which network to look for. The keeper reads the same
 * bytes again and authenticates them. docs/formats.md has the format. */
static enum err peek_head(struct gateway_import *g, struct err_detail *detail)
{
    static const char magic[] = "CLVGWKF1";
    struct reader r = reader_of(g->request->file);
    if (!bytes_equal(reader_bytes(&r, sizeof(magic) - 1), bytes_str(magic)))
        return err_set(detail, ERR_UNSUPPORTED, "not a gateway key file of this format");
    (void)reader_u16(&r);
    g->head.pwhash.t_cost = reader_u32(&r);
    g->head.pwhash.m_kib = reader_u32(&r);
    g->head.pwhash.lanes = reader_u32(&r);
    reader_copy(&r, g->head.pwhash.salt, sizeof(g->head.pwhash.salt));
    struct bytes network = reader_bytes16(&r), realm = reader_bytes16(&r);
    g->head.versions.gateway = reader_u32(&r);
    g->head.versions.cdld = reader_u32(&r);
    g->head.versions.base = reader_u32(&r);
    g->head.versions.passphrase = reader_u32(&r);
    g->head.id_width = reader_u8(&r);
    if (reader_status(&r) != ERR_OK || network.len > FLEET_NAME_MAX || realm.len > FLEET_REALM_MAX)
        return err_set(detail, ERR_SYNTAX, "gateway key file: bad header");
    memcpy(g->head.network, network.data, network.len);
    memcpy(g->head.realm, realm.data, realm.len);
    return ERR_OK;
}

static enum err check_head(const struct gateway_import *g, struct err_detail *detail)
{
    TRY(fleet_name_check(bytes_str(g->head.network), detail));
    char realm[FLEET_REALM_MAX + 1];
    TRY(fleet_realm_parse(bytes_str(g->head.realm), realm, detail));
    if (strcmp(realm, g->head.realm) != 0 || (g->head.id_width != 32 && g->head.id_width != 64) ||
        !g->head.versions.gateway || !g->head.versions.cdld || !g->head.versions.base ||
        !g->head.versions.passphrase)
        return err_set(detail, ERR_SYNTAX, "gateway key file: bad header");
    if (g->request->name && strcmp(g->request->name, g->head.network) != 0)
        return err_set(detail, ERR_MISMATCH, "gateway key file: it is of network %s, not %.63s",
                       g->head.network, g->request->name);
    return ERR_OK;
}

static enum err read_keys(struct gateway_import *g, struct err_detail *detail)
{
    struct keeper_gateway_file head;
    TRY(keeper_import_gateway(g->call->keeper, g->call->actor.name, g->net->id, g->op.serial,
                              g->request->file, g->request->passphrase, &head, &g->keys, detail));
    if (strcmp(head.network, g->head.network) != 0 || strcmp(head.realm, g->head.realm) != 0 ||
        head.id_width != g->head.id_width)
        return err_set(detail, ERR_INTERNAL, "gateway key file: header read in two ways");
    g->head = head;
    return ERR_OK;
}

static struct net_key file_key(const struct gateway_import *g, enum fleet_key_kind kind)
{
    int64_t now = clock_now_s();
    struct net_key key = {.version = {.kind = kind, .created = now, .activates = now},
                          .epoch = g->op.serial};
    key.version.version = kind == FLEET_KEY_GATEWAY ? g->head.versions.gateway
                          : kind == FLEET_KEY_CDLD  ? g->head.versions.cdld
                                                    : g->head.versions.base;
    key.made = kind == FLEET_KEY_GATEWAY ? g->keys.gateway
               : kind == FLEET_KEY_CDLD  ? g->keys.cdld
                                         : g->keys.base;
    return key;
}

static enum err compare_key(struct gateway_import *g, const struct net_key *key,
                            struct err_detail *detail)
{
    for (size_t i = 0; i < g->net->key_count; i++) {
        const struct net_key *have = &g->net->keys[i];
        if (have->version.kind != key->version.kind ||
            have->version.version != key->version.version)
            continue;
        if (have->retired != 2 &&
            memcmp(have->made.fingerprint, key->made.fingerprint, KEEPER_FINGERPRINT) != 0)
            return err_set(detail, ERR_MISMATCH,
                           "network %s has another %s key of version %" PRIu32, g->net->name,
                           fleet_key_kind_name(key->version.kind), key->version.version);
        g->result.unchanged++;
        return ERR_OK;
    }
    g->added[g->added_count++] = *key;
    g->result.added++;
    return ERR_OK;
}

static enum err compare_passphrase(struct gateway_import *g, struct err_detail *detail)
{
    bool same = memcmp(g->head.pwhash.salt, g->net->pass.pwhash.salt, KEEPER_SALT_SIZE) == 0;
    if (g->head.versions.passphrase == g->net->pass.version && !same)
        return err_set(detail, ERR_MISMATCH,
                       "network %s has another passphrase of version %" PRIu32, g->net->name,
                       g->net->pass.version);
    g->new_passphrase = g->head.versions.passphrase > g->net->pass.version;
    return ERR_OK;
}

static void take_passphrase(struct gateway_import *g)
{
    g->net->pass.version = g->head.versions.passphrase;
    g->net->pass.pwhash = g->head.pwhash;
    g->net->pass.epoch = g->op.serial;
    g->net->pass.sealed = g->keys.passphrase;
    g->net->pass.pwdh = g->keys.pwdh;
}

static enum err put(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct gateway_import *g = ctx;
    if (g->result.created) {
        TRY(net_insert(conn, g->net, detail));
    } else {
        if (g->new_passphrase)
            TRY(net_insert_passphrase(conn, g->net, detail));
        for (size_t i = 0; i < g->added_count; i++)
            TRY(net_insert_key(conn, g->net->id, &g->added[i], detail));
    }
    return operation_end(conn, &g->op, detail);
}

static enum err store_keys(struct gateway_import *g, struct err_detail *detail)
{
    snprintf(g->op.summary, sizeof(g->op.summary),
             "%s %s: %" PRIu32 " added, %" PRIu32 " unchanged", g->net->name,
             g->result.created ? "created" : "updated", g->result.added, g->result.unchanged);
    return store_run(g->call->fleet->store, put, g, detail);
}

static enum err update(struct gateway_import *g, struct err_detail *detail)
{
    TRY(read_keys(g, detail));
    TRY(compare_passphrase(g, detail));
    for (unsigned kind = FLEET_KEY_GATEWAY; kind <= FLEET_KEY_BASE; kind++) {
        struct net_key key = file_key(g, (enum fleet_key_kind)kind);
        TRY(compare_key(g, &key, detail));
    }
    if (g->new_passphrase)
        take_passphrase(g);
    return store_keys(g, detail);
}

static enum err create(struct gateway_import *g, struct err_detail *detail)
{
    TRY(read_keys(g, detail));
    take_passphrase(g);
    for (unsigned kind = FLEET_KEY_GATEWAY; kind <= FLEET_KEY_BASE; kind++)
        g->net->keys[g->net->key_count++] = file_key(g, (enum fleet_key_kind)kind);
    g->result.added = FLEET_KEY_KINDS;
    return store_keys(g, detail);
}

static enum err run(struct gateway_import *g, struct err_detail *detail)
{
    TRY(operation_begin(g->call, "gateway-import", g->net->id, g->head.network, &g->op, detail));
    struct err_detail why = {0};
    enum err err = g->result.created ? create(g, &why) : update(g, &why);
    if (err != ERR_OK && detail)
        *detail = why;
    return operation_close(g->call, &g->op, err, &why, err == ERR_OK ? detail : NULL);
}

static enum err run_new(struct gateway_import *g, struct err_detail *detail)
{
    struct fleet_network_create request = {
        .name = g->head.network, .realm = g->head.realm, .id_bits = g->head.id_width};
    TRY(net_prepare(g->call, &request, FLEET_KEY_KINDS, detail, &g->net));
    g->result.created = true;
    enum err err = run(g, detail);
    if (err != ERR_OK)
        net_abandon(g->call, g->net);
    return err;
}

static enum err run_existing(struct gateway_import *g, struct err_detail *detail)
{
    uint32_t id = g->net->id;
    if (strcmp(g->net->realm, g->head.realm) != 0 || g->net->id_bits != g->head.id_width)
        return err_set(detail, ERR_MISMATCH,
                       "gateway key file: network %s here has another realm or id width",
                       g->net->name);
    TRY(net_lock_take(g->call, id));
    struct net *net = NULL;
    enum err err = net_read(g->call->fleet, g->head.network, detail, &net);
    if (err == ERR_OK) {
        free(g->net);
        g->net = net;
        err = run(g, detail);
    }
    net_lock_give(g->call->fleet, id);
    return err;
}

static void gateway_import_done(struct gateway_import *g)
{
    free(g->net);
}

enum err fleet_gateway_import(const struct fleet_call *call,
                              const struct fleet_gateway_import *request, struct err_detail *detail,
                              struct fleet_gateway_result *ret_result)
{
    TRY(vault_may(&call->actor, VAULT_KEY_IMPORT, detail));
    TRY(check_signature(request, detail));
    AUTO(gateway_import_done) struct gateway_import g = {.call = call, .request = request};
    TRY(peek_head(&g, detail));
    TRY(check_head(&g, detail));
    snprintf(g.result.name, sizeof(g.result.name), "%s", g.head.network);
    enum err err = net_read(call->fleet, g.head.network, detail, &g.net);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    TRY(err == ERR_OK ? run_existing(&g, detail) : run_new(&g, detail));
    TRY(snapshot_publish(call->fleet, detail));
    *ret_result = g.result;
    return ERR_OK;
}

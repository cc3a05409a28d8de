#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "fleet/snapshot.h"

/* A network's passphrase, domain key, and end. */

struct change {
    const struct net *net;
    struct operation *op;
};

static enum err store_passphrase(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct change *change = ctx;
    TRY(net_insert_passphrase(conn, change->net, detail));
    return operation_end(conn, change->op, detail);
}

static enum err set_passphrase(const struct fleet_call *call, struct net *net, struct operation *op,
                               struct bytes passphrase, struct err_detail *detail)
{
    net->pass.version++;
    net->pass.epoch = op->serial;
    net->created = clock_now_s(); /* of the passphrase's row */
    if (getrandom(net->pass.pwhash.salt, KEEPER_SALT_SIZE, 0) != KEEPER_SALT_SIZE)
        return err_errno(detail, "getrandom");
    TRY(keeper_passphrase_set(call->keeper, call->actor.name, net->id, net->pass.version,
                              op->serial, &net->pass.pwhash, passphrase, &net->pass.sealed,
                              &net->pass.pwdh, detail));
    snprintf(op->summary, sizeof(op->summary), "%s passphrase version %u", net->name,
             net->pass.version);
    struct change change = {net, op};
    return store_run(call->fleet->store, store_passphrase, &change, detail);
}

static enum err set_locked(const struct fleet_call *call, const char *name, struct bytes passphrase,
                           struct err_detail *detail)
{
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    struct operation op;
    TRY(operation_begin(call, "network-passphrase", net->id, name, &op, detail));
    struct err_detail why = {0};
    enum err err = set_passphrase(call, net, &op, passphrase, &why);
    if (err != ERR_OK && detail)
        *detail = why;
    return operation_close(call, &op, err, &why, err == ERR_OK ? detail : NULL);
}

enum err fleet_network_set_passphrase(const struct fleet_call *call, const char *name,
                                      struct bytes passphrase, struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_MANAGE, detail));
    TRY(passphrase_check_form(passphrase, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    TRY(net_lock_take(call, net->id));
    enum err err = set_locked(call, name, passphrase, detail);
    net_lock_give(call->fleet, net->id);
    return err;
}

enum err fleet_network_check_passphrase(const struct fleet_call *call, const char *name,
                                        struct bytes passphrase, struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_READ, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    struct keeper_row row = {net->id, KEEPER_PASSPHRASE, net->pass.version, net->pass.epoch};
    enum err err = keeper_passphrase_check(call->keeper, call->actor.name, row,
                                           keeper_sealed_view(&net->pass.sealed.sealed),
                                           &net->pass.pwhash, passphrase, detail);
    if (err == ERR_MISMATCH)
        return err_set(detail, err, "it is not the passphrase of network %s", net->name);
    return err;
}

static enum err delete_network(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct change *change = ctx;
    TRY(net_delete(conn, change->net->id, detail));
    return operation_end(conn, change->op, detail);
}

/* The domain key goes first: what a crash leaves then can't be opened by anybody, and a network
 * without a domain is removed when its destruction is asked for again. */
static enum err destroy(const struct fleet_call *call, const struct net *net, struct operation *op,
                        struct err_detail *detail)
{
    enum err err =
        vault_domain_destroy(call->fleet->vault, call->keeper, call->actor.name, net->id, detail);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    snprintf(op->summary, sizeof(op->summary), "%s destroyed", net->name);
    struct change change = {net, op};
    return store_run_alone(call->fleet->store, delete_network, &change, detail);
}

enum err fleet_network_destroy(const struct fleet_call *call, const char *name, const char *confirm,
                               struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_NETWORK_MANAGE, detail));
    if (!confirm || strcmp(name, confirm) != 0)
        return err_set(detail, ERR_MISMATCH, "the confirmation is not the network's name");
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    TRY(net_lock_take(call, net->id));
    struct operation op;
    struct err_detail why = {0};
    enum err err = operation_begin(call, "network-destroy", net->id, name, &op, detail);
    if (err == ERR_OK) {
        err = destroy(call, net, &op, &why);
        if (err != ERR_OK && detail)
            *detail = why;
        err = operation_close(call, &op, err, &why, err == ERR_OK ? detail : NULL);
    }
    net_lock_give(call->fleet, net->id);
    TRY(snapshot_publish(call->fleet, err == ERR_OK ? detail : NULL));
    return err;
}

enum err fleet_network_rotate_domain(const struct fleet_call *call, const char *name,
                                     struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_DOMAIN_ROTATE, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, name, detail, &net));
    uint16_t version;
    return vault_domain_rotate(call->fleet->vault, call->keeper, call->actor.name, net->id, detail,
                               &version);
}

static bool reseal_progress(void *ctx, uint64_t done)
{
    const struct fleet_call *call = ctx;
    return progress_tell(call, "reseal", done, 0) == ERR_OK;
}

static enum err reseal(const struct fleet_call *call, uint32_t domain, struct err_detail *detail)
{
    return vault_domain_reseal(call->fleet->vault, call->keeper, call->actor.name, domain,
                               reseal_progress, (void *)(uintptr_t)call, detail);
}

enum err fleet_network_reseal(const struct fleet_call *call, const char *name,
                              struct err_detail *detail)
{
    TRY(vault_may(&call->actor, VAULT_DOMAIN_ROTATE, detail));
    if (name) {
        AUTO(net_freep) struct net *net = NULL;
        TRY(net_read(call->fleet, name, detail, &net));
        TRY(reseal(call, net->id, detail));
    } else {
        uint32_t ids[KEEPER_DOMAINS_MAX];
        size_t count = vault_domains_unfinished(call->fleet->vault, ids, ARRAY_LEN(ids));
        for (size_t i = 0; i < count; i++)
            TRY(reseal(call, ids[i], detail));
    }
    return snapshot_publish(call->fleet, detail);
}

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fleet/snapshot.h"
#include "base/clock.h"
#include "fleet/import_run.h"

/* A whole keyring.csv: the network's own keys in its first four lines, then the nodes. */

/* Does the network have this key already, in whatever version? */
static bool has_key(const struct net *net, enum fleet_key_kind kind, const struct keeper_made *made)
{
    for (size_t i = 0; i < net->key_count; i++) {
        const struct net_key *key = &net->keys[i];
        if (key->version.kind == kind && key->retired != 2 &&
            memcmp(key->made.fingerprint, made->fingerprint, KEEPER_FINGERPRINT) == 0)
            return true;
    }
    return false;
}

static enum err put_key(struct store_conn *conn, struct import *im, enum fleet_key_kind kind,
                        int64_t now, struct err_detail *detail)
{
    const struct keeper_made *made = &im->head[net_key_table(kind)];
    if (made->sealed.len == 0 || has_key(im->net, kind, made))
        return ERR_OK;
    uint32_t version = net_key_last(im->net, kind) + 1;
    if (version > FLEET_VERSIONS_MAX)
        return err_set(detail, ERR_LIMIT, "the %s key has %d versions", fleet_key_kind_name(kind),
                       FLEET_VERSIONS_MAX);
    for (size_t i = 0; i < im->net->key_count; i++) {
        const struct net_key *key = &im->net->keys[i];
        if (key->version.kind == kind && !key->retired && key->version.activates > now)
            return err_set(detail, ERR_STATE,
                           "version %" PRIu32 " of the %s key waits for its date",
                           key->version.version, fleet_key_kind_name(kind));
    }
    struct net_key key = {
        .version = {.kind = kind, .version = version, .created = now, .activates = now},
        .epoch = im->op.serial,
        .made = *made};
    return net_insert_key(conn, im->net->id, &key, detail);
}

enum err import_put_keys(struct store_conn *conn, struct import *im, struct err_detail *detail)
{
    if (!im->keyring)
        return ERR_OK;
    if (im->head_required) /* a new network: its keys are in im->net */
        return net_insert(conn, im->net, detail);
    int64_t now = clock_now_s();
    for (unsigned kind = FLEET_KEY_GATEWAY; kind <= FLEET_KEY_BASE; kind++)
        TRY(put_key(conn, im, (enum fleet_key_kind)kind, now, detail));
    return ERR_OK;
}

static enum err take_new_keys(struct import *im, struct err_detail *detail)
{
    for (unsigned kind = FLEET_KEY_GATEWAY; kind <= FLEET_KEY_BASE; kind++) {
        const struct keeper_made *made = &im->head[net_key_table((enum fleet_key_kind)kind)];
        if (made->sealed.len == 0)
            return err_set(detail, ERR_SYNTAX, "%s: no %s line", im->request->source,
                           fleet_key_kind_name((enum fleet_key_kind)kind));
        im->net->keys[im->net->key_count++] =
            (struct net_key){.version = {.kind = (enum fleet_key_kind)kind,
                                         .version = 1,
                                         .created = im->net->created,
                                         .activates = im->net->created},
                             .epoch = im->op.serial,
                             .made = *made};
    }
    return ERR_OK;
}

static enum err import_new_network(struct import *im, const struct fleet_network_create *create,
                                   struct err_detail *detail)
{
    struct net *net = im->net;
    net->pass.epoch = im->op.serial;
    TRY(keeper_passphrase_set(im->call->keeper, im->call->actor.name, net->id, net->pass.version,
                              im->op.serial, &net->pass.pwhash, create->passphrase,
                              &net->pass.sealed, &net->pass.pwdh, detail));
    im->versions = (struct keeper_versions){1, 1, 1, 1};
    TRY(import_read(im, detail));
    TRY(take_new_keys(im, detail));
    return import_merge(im, detail);
}

static enum err import_existing(struct import *im, struct err_detail *detail)
{
    im->versions = (struct keeper_versions){.gateway = net_key_last(im->net, FLEET_KEY_GATEWAY) + 1,
                                            .cdld = net_key_last(im->net, FLEET_KEY_CDLD) + 1,
                                            .base = net_key_last(im->net, FLEET_KEY_BASE) + 1,
                                            .passphrase = im->net->pass.version};
    TRY(import_read(im, detail));
    return import_merge(im, detail);
}

static enum err run(struct import *im, const struct fleet_network_create *create,
                    struct err_detail *detail, struct fleet_import_result *ret_result)
{
    if (im->request->manifest_path)
        TRY(import_check_manifest(im, detail));
    TRY(operation_begin(im->call, im->request->dry_run ? "keyring-dry-run" : "keyring-import",
                        im->net->id, im->request->source, &im->op, detail));
    im->result.epoch = im->op.serial;
    struct err_detail why = {0};
    enum err err = create ? import_new_network(im, create, &why) : import_existing(im, &why);
    if (err != ERR_OK && detail)
        *detail = why;
    enum err closed = operation_close(im->call, &im->op, err, &why, err == ERR_OK ? detail : NULL);
    if (err == ERR_OK || err == ERR_REFUSED)
        *ret_result = im->result;
    return closed;
}

static enum err run_new(struct import *im, const struct fleet_network_create *create,
                        struct err_detail *detail, struct fleet_import_result *ret_result)
{
    TRY(passphrase_check_form(create->passphrase, detail));
    if (im->request->backup)
        return err_set(detail, ERR_ARGUMENT, "there is nothing to back up of a new network");
    TRY(net_prepare(im->call, create, FLEET_KEY_KINDS, detail, &im->net));
    im->head_required = true;
    im->adopt_salt = true;
    enum err err = run(im, create, detail, ret_result);
    if (err != ERR_OK || im->request->dry_run) /* nobody uses the domain that was made for it */
        net_abandon(im->call, im->net);
    return err;
}

static enum err run_locked(struct import *im, struct err_detail *detail,
                           struct fleet_import_result *ret_result)
{
    TRY(net_read(im->call->fleet, im->request->network, detail, &im->net));
    TRY(net_lock_take(im->call, im->net->id));
    uint32_t id = im->net->id;
    free(TAKE(im->net));
    enum err err = net_read(im->call->fleet, im->request->network, detail, &im->net);
    if (err == ERR_OK)
        err = run(im, NULL, detail, ret_result);
    net_lock_give(im->call->fleet, id);
    return err;
}

enum err fleet_keyring_import(const struct fleet_call *call, const struct fleet_import *request,
                              const struct fleet_network_create *create, struct err_detail *detail,
                              struct fleet_import_result *ret_result)
{
    TRY(vault_may(&call->actor, VAULT_KEY_IMPORT, detail));
    if (!request->sig_path != !request->manifest_path)
        return err_set(detail, ERR_ARGUMENT, "signature and manifest go together");
    AUTO(import_freep) struct import *im = NULL;
    TRY(import_new(call, request, &im));
    im->keyring = true;
    TRY(create ? run_new(im, create, detail, ret_result) : run_locked(im, detail, ret_result));
    return snapshot_publish(call->fleet, detail);
}

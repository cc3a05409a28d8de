#include <stdio.h>

#include "base/clock.h"
#include "crypto/random.h"
#include "line/procedure_run.h"

/* No key is lost, and no device has two: a fresh key is written to the device as pending, reported
 * (durable when that is answered), and activated after that. Whatever is cut between leaves either
 * a device whose active key the server has, or one that is keyed anew. */

#define KEY_SIZE 16

/* What one target is given, and what of it leaves this process. */
struct fresh_key {
    struct secret *key;
    uint8_t value[CHECK_VALUE_SIZE];
    struct buf sealed;
};

struct fresh_keys {
    struct fresh_key root;
    struct fresh_key hosts[LINE_APPS_MAX];
    struct line_gateway_keys gateway;
};

static void fresh_done(struct fresh_key *fresh)
{
    secret_freep(&fresh->key);
    buf_done(&fresh->sealed);
}

static void fresh_keys_done(struct fresh_keys *keys)
{
    fresh_done(&keys->root);
    for (size_t i = 0; i < LINE_APPS_MAX; i++)
        fresh_done(&keys->hosts[i]);
    line_gateway_keys_done(&keys->gateway);
}

static enum err make(struct fresh_key *fresh, const struct rsa_public *backend,
                     struct err_detail *detail)
{
    TRY(random_secret(KEY_SIZE, &fresh->key));
    TRY(check_value_of(secret_view(fresh->key), fresh->value));
    return rsa_oaep_encrypt(backend, OAEP_SHA1, secret_view(fresh->key), &fresh->sealed, detail);
}

static enum err make_all(struct run *run, struct fresh_keys *keys)
{
    struct err_detail detail = {0};
    TRY(line_fail_err(&run->fault, LINE_UNKNOWN, "root key",
                      make(&keys->root, run->package.kms_key, &detail), &detail));
    for (size_t i = 1; i < run->targets_len; i++) {
        const struct run_target *target = &run->targets[i];
        if (target->key != NULL)
            TRY(line_fail_err(&run->fault, LINE_UNKNOWN, target->name,
                              make(&keys->hosts[i - 1], target->key, &detail), &detail));
    }
    return ERR_OK;
}

static enum err write_all(struct run *run, const struct fresh_keys *keys)
{
    struct line_node *node = run->node;
    run_stage(run, "keys", 0, 0);
    /* First: with it the device forgets what is pending from another run. */
    TRY(line_node_key_write(node, NODE_ROOT_KEY, 0, keys->root.key, &run->fault));
    TRY(line_node_key_write(node, NODE_GATEWAY_KEY, 0, keys->gateway.gateway, &run->fault));
    TRY(line_node_key_write(node, NODE_CDLD_KEY, 0, keys->gateway.cdld, &run->fault));
    for (size_t i = 1; i < run->targets_len; i++) {
        if (keys->hosts[i - 1].key != NULL)
            TRY(line_node_key_write(node, NODE_HOST_KEY, run->targets[i].number,
                                    keys->hosts[i - 1].key, &run->fault));
    }
    return ERR_OK;
}

static enum err report(struct run *run, const struct fresh_keys *keys)
{
    struct line_report_app apps[LINE_APPS_MAX];
    struct line_server *server = run->job->server;
    for (size_t i = 1; i < run->targets_len; i++) {
        const struct run_target *target = &run->targets[i];
        apps[i - 1] = (struct line_report_app){
            .name = target->name,
            .id = bytes_of(target->is.identifier, target->is.identifier_len),
            .key = buf_view(&keys->hosts[i - 1].sealed),
            .extra = keys->hosts[i - 1].key != NULL ? BYTES(keys->hosts[i - 1].value)
                                                    : (struct bytes){0},
        };
    }
    struct line_report told = {.run = run->id,
                               .node_id = run->identity.node_id,
                               .config_id = run->package.config_id,
                               .revision = run->package.revision,
                               .batch = run->job->batch,
                               .time = clock_now_s(),
                               .key = buf_view(&keys->root.sealed),
                               .apps = apps,
                               .apps_len = run->targets_len - 1};
    memcpy(told.kcv, keys->root.value, sizeof told.kcv);
    run_stage(run, "report", 0, 0);
    return server->ops->report(server, &told, &run->fault);
}

/* ---- is it the key? ---- */

static enum err is_active(struct run *run, enum node_key kind, unsigned target,
                          const uint8_t value[CHECK_VALUE_SIZE], bool *ret_is)
{
    struct line_key_state state = {0};
    TRY(line_node_key_check(run->node, kind, target, &state, &run->fault));
    *ret_is =
        state.has_active && secret_equal(BYTES(state.active), bytes_of(value, CHECK_VALUE_SIZE));
    return ERR_OK;
}

static enum err check_active(struct run *run, enum node_key kind, const struct run_target *target,
                             const uint8_t value[CHECK_VALUE_SIZE])
{
    static const char *const names[NODE_KEYS] = {[NODE_ROOT_KEY] = "root key",
                                                 [NODE_GATEWAY_KEY] = "gateway key",
                                                 [NODE_CDLD_KEY] = "code download key",
                                                 [NODE_HOST_KEY] = "key"};
    bool is = false;
    TRY(is_active(run, kind, target->number, value, &is));
    if (!is)
        return line_fail(&run->fault, run_code(target, LINE_NODE_VERIFY, LINE_HOST_VERIFY),
                         "%s: its %s is not the one it was given", run_target_name(target),
                         names[kind]);
    return ERR_OK;
}

static enum err verify_keys(struct run *run, const struct fresh_keys *keys)
{
    const struct run_target *node = &run->targets[0];
    TRY(check_active(run, NODE_ROOT_KEY, node, keys->root.value));
    TRY(check_active(run, NODE_GATEWAY_KEY, node, keys->gateway.gateway_kcv));
    TRY(check_active(run, NODE_CDLD_KEY, node, keys->gateway.cdld_kcv));
    for (size_t i = 1; i < run->targets_len; i++) {
        if (keys->hosts[i - 1].key != NULL)
            TRY(check_active(run, NODE_HOST_KEY, &run->targets[i], keys->hosts[i - 1].value));
    }
    return ERR_OK;
}

static const struct line_record_app *recorded_app(const struct line_record *record,
                                                  const char *name)
{
    for (size_t i = 0; i < record->apps_len; i++) {
        if (strcmp(record->apps[i].name, name) == 0)
            return &record->apps[i];
    }
    return NULL;
}

/* Keys of hosts are activated with the root key, but another client may have written one between.
 */
static enum err hosts_have_theirs(struct run *run, bool *ret_have)
{
    *ret_have = true;
    for (size_t i = 1; i < run->targets_len && *ret_have; i++) {
        const struct run_target *target = &run->targets[i];
        const struct line_record_app *app = recorded_app(&run->record, target->name);
        if (target->key == NULL)
            continue;
        *ret_have = app != NULL;
        if (app != NULL)
            TRY(is_active(run, NODE_HOST_KEY, target->number, app->kcv, ret_have));
    }
    return ERR_OK;
}

enum err run_compare_keys(struct run *run)
{
    struct line_server *server = run->job->server;
    struct line_key_state state = {0};
    TRY(line_node_key_check(run->node, NODE_ROOT_KEY, 0, &state, &run->fault));
    TRY(server->ops->device(server, run->identity.node_id, state.has_active ? state.active : NULL,
                            &run->record, &run->fault));
    if (!run->record.known || run->record.config_id != run->package.config_id)
        return ERR_OK;
    bool is = state.has_active && secret_equal(BYTES(state.active), BYTES(run->record.kcv));
    /* A device whose run ended well gets a new key, unless it is locked and takes none. */
    run->resumed = is && (!run->record.provisioned || run->locked);
    run->tested = run->resumed && run->record.tested;
    /* Locked means that all of it was verified. */
    if (run->resumed && !run->locked)
        TRY(hosts_have_theirs(run, &run->resumed));
    if (run->resumed)
        run_log(run, LOG_LEVEL_INFO, "the device has the key that the server knows: no new one");
    return ERR_OK;
}

/* The network's keys of a device that is finished: those of this revision? */
static enum err has_gateway_keys(struct run *run, const struct line_gateway_keys *keys,
                                 bool *ret_has)
{
    bool has = false;
    TRY(is_active(run, NODE_GATEWAY_KEY, 0, keys->gateway_kcv, &has));
    if (has)
        TRY(is_active(run, NODE_CDLD_KEY, 0, keys->cdld_kcv, &has));
    *ret_has = has;
    return ERR_OK;
}

/* What the server is told at the end, and goes by: the key that the device has. */
static enum err saw_key(struct run *run, const uint8_t value[CHECK_VALUE_SIZE])
{
    memcpy(run->kcv, value, sizeof run->kcv);
    run->has_kcv = true;
    return ERR_OK;
}

static enum err key_device(struct run *run, struct fresh_keys *keys)
{
    struct line_server *server = run->job->server;
    bool has = false;
    TRY(server->ops->gateway_keys(server, run->package.config_id, run->package.revision,
                                  &keys->gateway, &run->fault));
    if (run->resumed) {
        TRY(has_gateway_keys(run, &keys->gateway, &has));
        if (has)
            return saw_key(run, run->record.kcv);
    }
    if (run->locked)
        return line_fail(&run->fault, LINE_NODE_ERROR,
                         "the device is locked and takes no keys; a locked device can't be "
                         "provisioned anew");
    TRY(make_all(run, keys));
    TRY(write_all(run, keys));
    TRY(report(run, keys));
    run_stage(run, "activate", 0, 0);
    TRY(line_node_key_activate(run->node, keys->root.value, &run->fault));
    TRY(verify_keys(run, keys));
    run->keyed = true;
    return saw_key(run, keys->root.value);
}

enum err run_keys(struct run *run)
{
    struct fresh_keys keys = {0};
    enum err err = key_device(run, &keys);
    fresh_keys_done(&keys);
    return err;
}

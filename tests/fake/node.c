#include "fake/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/check_value.h"
#include "crypto/hash.h"

struct fake_node fake_node;

struct line_node {
    struct line_node_config config;
};

void fake_node_reset(void)
{
    fake_node = (struct fake_node){.id = 0x10200, .type = "UNODE", .hardware = "7", .hosts = 1};
    fake_node.targets[0] = (struct fake_target){.name = "UNODE", .version = "1.0"};
    fake_node.targets[1] = (struct fake_target){.name = "meter",
                                                .version = "5.5",
                                                .identifier = {0xab, 0xcd, 0x12, 0x34},
                                                .identifier_len = 4};
}

static enum err fail(struct line_fault *fault, enum line_code code, const char *call)
{
    return line_fail(fault, code, "fake: %s", call);
}

/* What every call begins with. `ret_last`: do it, then say that nothing came. */
static enum err enter(const char *call, struct line_fault *fault, bool *ret_last)
{
    unsigned n = ++fake_node.calls;
    *ret_last = fake_node.pulled_after && n == fake_node.pull_at;
    if (fake_node.pull_at != 0 && n >= fake_node.pull_at && !*ret_last)
        return fail(fault, LINE_NO_DEVICE, call);
    if (fake_node.fail_call != NULL && strcmp(fake_node.fail_call, call) == 0)
        return fail(fault, fake_node.fail_code, call);
    return ERR_OK;
}

#define ENTER(call)                                                                                \
    bool last = false;                                                                             \
    TRY(enter(call, fault, &last))
#define LEAVE(call) return last ? fail(fault, LINE_NO_DEVICE, call) : ERR_OK

enum err line_node_open(const struct line_node_config *config, struct line_node **ret_node,
                        struct line_fault *fault)
{
    if (fake_node.absent)
        return fail(fault, LINE_NO_DEVICE, "open");
    *ret_node = calloc(1, sizeof **ret_node);
    if (*ret_node == NULL)
        abort();
    (*ret_node)->config = *config;
    return ERR_OK;
}

void line_node_close(struct line_node *node)
{
    free(node);
}

void line_node_closep(struct line_node **node)
{
    line_node_close(*node);
}

static void identity(struct line_identity *to)
{
    *to = (struct line_identity){.node_id = fake_node.id, .hosts = fake_node.hosts, .protocol = 1};
    (void)snprintf(to->type, sizeof to->type, "%s", fake_node.type);
    (void)snprintf(to->version, sizeof to->version, "%s", fake_node.targets[0].version);
    (void)snprintf(to->hardware, sizeof to->hardware, "%s", fake_node.hardware);
    to->flags = (fake_node.locked ? NODE_F_LOCKED : 0u) |
                (fake_node.keys[NODE_ROOT_KEY].active_len != 0 ? NODE_F_KEYED : 0u) |
                (fake_node.new_image ? NODE_F_NEW_IMAGE : 0u);
}

enum err line_node_identify(struct line_node *node, struct line_identity *ret_identity,
                            struct line_fault *fault)
{
    (void)node;
    ENTER("identify");
    identity(ret_identity);
    LEAVE("identify");
}

enum err line_node_hardware(struct line_node *node, struct line_hardware *ret_hardware,
                            struct line_fault *fault)
{
    (void)node;
    ENTER("hardware");
    *ret_hardware = (struct line_hardware){.revision = 2, .self_test = fake_node.self_test};
    (void)snprintf(ret_hardware->type, sizeof ret_hardware->type, "%s", fake_node.hardware);
    LEAVE("hardware");
}

enum err line_node_calibration(struct line_node *node, enum node_calibration *ret_calibration,
                               uint16_t *ret_revision, struct line_fault *fault)
{
    (void)node;
    ENTER("calibration");
    *ret_calibration = fake_node.calibration;
    *ret_revision = 1;
    LEAVE("calibration");
}

enum err line_node_target(struct line_node *node, unsigned target, struct line_target *ret_target,
                          struct line_fault *fault)
{
    (void)node;
    ENTER("target");
    if (target > fake_node.hosts)
        return fail(fault, LINE_NO_HOST, "target");
    const struct fake_target *is = &fake_node.targets[target];
    if (is->fails != LINE_OK)
        return fail(fault, is->fails, "target");
    *ret_target = (struct line_target){.has_firmware_hash = is->has_firmware_hash,
                                       .has_config = is->has_config,
                                       .identifier_len = is->identifier_len,
                                       .link_down = is->link_down};
    memcpy(ret_target->name, is->name, sizeof is->name);
    memcpy(ret_target->version, is->version, sizeof is->version);
    memcpy(ret_target->label, is->label, sizeof is->label);
    memcpy(ret_target->firmware_hash, is->firmware_hash, 32);
    memcpy(ret_target->config_hash, is->config_hash, 32);
    memcpy(ret_target->identifier, is->identifier, 16);
    LEAVE("target");
}

static void take_firmware(unsigned number, const char *version, const uint8_t hash[32])
{
    struct fake_target *target = &fake_node.targets[number];
    (void)snprintf(target->version, sizeof target->version, "%s", version);
    target->has_firmware_hash = true;
    memcpy(target->firmware_hash, hash, 32);
}

enum err line_node_transfer(struct line_node *node, const struct line_transfer_spec *spec,
                            struct line_fault *fault)
{
    uint8_t hash[32];
    ENTER(spec->kind == NODE_FIRMWARE ? "firmware" : "configuration");
    if (fake_node.locked)
        return fail(fault, LINE_NODE_ERROR, "locked");
    TRY(hash_sha256(&spec->data, 1, hash));
    fake_node.transfers++;
    if (node->config.on_progress != NULL)
        node->config.on_progress(node->config.ctx, 1, 1);
    if (spec->kind == NODE_CONFIG) {
        struct fake_target *target = &fake_node.targets[spec->target];
        (void)snprintf(target->label, sizeof target->label, "%s", spec->text);
        memcpy(target->config_hash, hash, 32);
        target->has_config = true;
    } else if (spec->target == 0) {
        (void)snprintf(fake_node.new_version, sizeof fake_node.new_version, "%s", spec->text);
        memcpy(fake_node.new_hash, hash, 32);
        fake_node.new_image = true;
    } else if (!fake_node.stale) {
        take_firmware(spec->target, spec->text, hash);
    }
    LEAVE("transfer");
}

enum err line_node_key_write(struct line_node *node, enum node_key kind, unsigned target,
                             const struct secret *key, struct line_fault *fault)
{
    (void)node;
    (void)target;
    ENTER("key write");
    if (fake_node.locked)
        return fail(fault, LINE_NODE_ERROR, "locked");
    struct fake_key *to = &fake_node.keys[kind];
    for (int i = 1; i < NODE_KEYS && kind == NODE_ROOT_KEY; i++)
        fake_node.keys[i].pending_len = 0;
    to->pending_len = secret_len(key);
    memcpy(to->pending, secret_view(key).data, to->pending_len);
    LEAVE("key write");
}

enum err line_node_key_activate(struct line_node *node, const uint8_t root[NODE_CHECK],
                                struct line_fault *fault)
{
    uint8_t value[CHECK_VALUE_SIZE];
    (void)node;
    ENTER("activate");
    struct fake_key *key = &fake_node.keys[NODE_ROOT_KEY];
    TRY(check_value_of(bytes_of(key->pending, key->pending_len), value));
    if (memcmp(value, root, sizeof value) != 0)
        return fail(fault, LINE_NODE_VERIFY, "activate");
    for (int i = 1; i < NODE_KEYS; i++) {
        key = &fake_node.keys[i];
        if (key->pending_len == 0)
            continue;
        memcpy(key->active, key->pending, sizeof key->active);
        key->active_len = key->pending_len;
        key->pending_len = 0;
    }
    LEAVE("activate");
}

enum err line_node_key_check(struct line_node *node, enum node_key kind, unsigned target,
                             struct line_key_state *ret_state, struct line_fault *fault)
{
    const struct fake_key *key = &fake_node.keys[kind];
    (void)node;
    (void)target;
    ENTER("key check");
    *ret_state = (struct line_key_state){.has_active = key->active_len != 0,
                                         .has_pending = key->pending_len != 0};
    if (ret_state->has_active)
        TRY(check_value_of(bytes_of(key->active, key->active_len), ret_state->active));
    if (ret_state->has_pending)
        TRY(check_value_of(bytes_of(key->pending, key->pending_len), ret_state->pending));
    LEAVE("key check");
}

enum err line_node_status(struct line_node *node, struct line_node_status *ret_status,
                          struct line_fault *fault)
{
    (void)node;
    ENTER("status");
    *ret_status = (struct line_node_status){.starts = fake_node.starts};
    LEAVE("status");
}

enum err line_node_status_clear(struct line_node *node, struct line_fault *fault)
{
    (void)node;
    ENTER("status clear");
    fake_node.cleared++;
    LEAVE("status clear");
}

enum err line_node_lock(struct line_node *node, struct line_fault *fault)
{
    (void)node;
    ENTER("lock");
    fake_node.locked = true;
    LEAVE("lock");
}

enum err line_node_reset(struct line_node *node, unsigned wait_ms,
                         struct line_identity *ret_identity, struct line_fault *fault)
{
    (void)node;
    (void)wait_ms;
    ENTER("reset");
    fake_node.starts++;
    if (fake_node.new_image && !fake_node.stale)
        take_firmware(0, fake_node.new_version, fake_node.new_hash);
    fake_node.new_image = false;
    identity(ret_identity);
    LEAVE("reset");
}

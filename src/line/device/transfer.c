#include <string.h>

#include "line/device/device_priv.h"

#define PIECE 256

static uint32_t room_for(const struct device *device, unsigned kind)
{
    return kind == NODE_FIRMWARE ? device->profile->firmware_max : DEVICE_CONFIG_MAX;
}

static const char *name_of(const struct device *device, unsigned target)
{
    return target == 0 ? device->profile->type : device->profile->host[target].name;
}

/* What the slot had is nothing any more before its first byte changes. */
static bool forget_new(struct device *device, unsigned target)
{
    struct device_settings next = device->settings;
    next.target[target].has_new = 0;
    bool done = device_commit(device, &next, false);
    device_wipe(&next, sizeof next);
    return done;
}

enum node_result device_transfer_begin(struct device *device, const struct node_message *in,
                                       struct node_writer *out)
{
    struct device_transfer wanted = {0};
    unsigned target = 0;
    char name[NODE_TEXT_MAX + 1];
    if (!device_target_of(device, in, &target))
        return NODE_NO_TARGET;
    if (device->settings.locked)
        return NODE_LOCKED;
    wanted.target = (uint8_t)target;
    if (!node_field_u8(in, NODE_T_KIND, &wanted.kind) ||
        (wanted.kind != NODE_FIRMWARE && wanted.kind != NODE_CONFIG) ||
        !node_field_u32(in, NODE_T_SIZE, &wanted.size) || wanted.size == 0 ||
        !node_field_fixed(in, NODE_T_HASH, wanted.hash, sizeof wanted.hash) ||
        !node_field_text(in, wanted.kind == NODE_FIRMWARE ? NODE_T_VERSION : NODE_T_LABEL,
                         wanted.text))
        return NODE_BAD_MESSAGE;
    if (wanted.size > room_for(device, wanted.kind))
        return NODE_TOO_LARGE;
    if (node_field_text(in, NODE_T_NAME, name) && strcmp(name, name_of(device, target)) != 0)
        return NODE_WRONG_TYPE;
    const struct device_target *state = &device->settings.target[target];
    struct device_transfer *transfer = &device->transfer;
    /* The one that was cut off goes on where it stands. */
    if (!transfer->going || transfer->target != target || transfer->kind != wanted.kind ||
        transfer->size != wanted.size || strcmp(transfer->text, wanted.text) != 0 ||
        memcmp(transfer->hash, wanted.hash, sizeof wanted.hash) != 0) {
        transfer->going = false;
        if (wanted.kind == NODE_FIRMWARE && state->has_new && !forget_new(device, target))
            return NODE_FLASH;
        wanted.slot =
            1u ^ (wanted.kind == NODE_FIRMWARE ? state->firmware_slot : state->config_slot);
        *transfer = wanted;
        transfer->going = true;
    }
    node_write_u32(out, NODE_T_OFFSET, transfer->offset);
    return NODE_DONE;
}

/* Sectors are erased when the transfer comes to them: a long erase would let the station wait. */
static bool store_block(struct device *device, const uint8_t *data, uint32_t len)
{
    const struct device_ops *ops = device->ops;
    struct device_transfer *transfer = &device->transfer;
    uint32_t base =
        device_slot_at(device, transfer->target, (enum node_kind)transfer->kind, transfer->slot);
    while (len != 0) {
        uint32_t in_sector = transfer->offset % DEVICE_SECTOR;
        uint32_t part = DEVICE_SECTOR - in_sector;
        if (part > len)
            part = len;
        if (in_sector == 0 && ops->flash_erase(ops->ctx, base + transfer->offset) != 0)
            return false;
        if (ops->flash_write(ops->ctx, base + transfer->offset, data, part) != 0)
            return false;
        transfer->offset += part;
        data += part;
        len -= part;
    }
    return true;
}

enum node_result device_transfer_block(struct device *device, const struct node_message *in,
                                       struct node_writer *out)
{
    struct device_transfer *transfer = &device->transfer;
    uint32_t offset = 0;
    const uint8_t *data = NULL;
    size_t len = 0;
    if (!node_field_u32(in, NODE_T_OFFSET, &offset) || !node_field(in, NODE_T_DATA, &data, &len) ||
        len == 0 || len > NODE_BLOCK_MAX)
        return NODE_BAD_MESSAGE;
    if (device->settings.locked)
        return NODE_LOCKED;
    if (!transfer->going)
        return NODE_BAD_OFFSET; /* without an offset: begin */
    enum node_result result = NODE_DONE;
    if (offset != transfer->offset) {
        /* A block that came before is no error, one from further on is. */
        if (offset > transfer->offset || len > transfer->offset - offset)
            result = NODE_BAD_OFFSET;
    } else if (len > transfer->size - transfer->offset) {
        return NODE_TOO_LARGE;
    } else if (!store_block(device, data, (uint32_t)len)) {
        transfer->going = false;
        return NODE_FLASH;
    }
    node_write_u32(out, NODE_T_OFFSET, transfer->offset);
    return result;
}

/* What is in flash, not what came: a bad cell is found here. */
static enum node_result hash_slot(struct device *device, uint8_t ret_hash[DEVICE_HASH])
{
    const struct device_ops *ops = device->ops;
    const struct device_transfer *transfer = &device->transfer;
    uint8_t piece[PIECE];
    uint32_t base =
        device_slot_at(device, transfer->target, (enum node_kind)transfer->kind, transfer->slot);
    if (ops->sha256_begin(ops->ctx) != 0)
        return NODE_INTERNAL;
    for (uint32_t at = 0; at < transfer->size;) {
        uint32_t part = transfer->size - at < PIECE ? transfer->size - at : PIECE;
        if (ops->flash_read(ops->ctx, base + at, piece, part) != 0)
            return NODE_FLASH;
        if (ops->sha256_update(ops->ctx, piece, part) != 0)
            return NODE_INTERNAL;
        at += part;
    }
    return ops->sha256_end(ops->ctx, ret_hash) == 0 ? NODE_DONE : NODE_INTERNAL;
}

/* One commit makes it count: the node's firmware at the next start, all else at once. */
static bool take_slot(struct device *device)
{
    const struct device_transfer *transfer = &device->transfer;
    struct device_settings next = device->settings;
    struct device_target *state = &next.target[transfer->target];
    if (transfer->kind == NODE_CONFIG) {
        state->has_config = 1;
        state->config_slot = transfer->slot;
        state->config_size = transfer->size;
        memcpy(state->config_hash, transfer->hash, DEVICE_HASH);
        memcpy(state->label, transfer->text, sizeof state->label);
    } else if (transfer->target == 0) {
        state->has_new = 1;
        state->new_size = transfer->size;
        memcpy(state->new_hash, transfer->hash, DEVICE_HASH);
        memcpy(state->new_version, transfer->text, sizeof state->new_version);
    } else {
        state->has_firmware = 1;
        state->firmware_slot = transfer->slot;
        state->firmware_size = transfer->size;
        memcpy(state->firmware_hash, transfer->hash, DEVICE_HASH);
        memcpy(state->version, transfer->text, sizeof state->version);
    }
    bool done = device_commit(device, &next, false);
    device_wipe(&next, sizeof next);
    return done;
}

/* It was taken already, and the answer got lost. */
static bool taken(const struct device *device, unsigned target, unsigned kind, const uint8_t *hash)
{
    const struct device_target *state = &device->settings.target[target];
    if (kind == NODE_CONFIG)
        return state->has_config && memcmp(state->config_hash, hash, DEVICE_HASH) == 0;
    return (state->has_new && memcmp(state->new_hash, hash, DEVICE_HASH) == 0) ||
           (state->has_firmware && memcmp(state->firmware_hash, hash, DEVICE_HASH) == 0);
}

enum node_result device_transfer_end(struct device *device, const struct node_message *in,
                                     struct node_writer *out)
{
    struct device_transfer *transfer = &device->transfer;
    uint8_t kind = 0, wanted[DEVICE_HASH], hash[DEVICE_HASH];
    unsigned target = 0;
    if (!device_target_of(device, in, &target))
        return NODE_NO_TARGET;
    if (!node_field_u8(in, NODE_T_KIND, &kind) ||
        !node_field_fixed(in, NODE_T_HASH, wanted, sizeof wanted))
        return NODE_BAD_MESSAGE;
    if (device->settings.locked)
        return NODE_LOCKED;
    bool this_one = transfer->going && transfer->target == target && transfer->kind == kind &&
                    memcmp(transfer->hash, wanted, sizeof wanted) == 0;
    if (!this_one)
        return taken(device, target, kind, wanted) ? NODE_DONE : NODE_BAD_OFFSET;
    if (transfer->offset != transfer->size) {
        node_write_u32(out, NODE_T_OFFSET, transfer->offset);
        return NODE_BAD_OFFSET;
    }
    transfer->going = false;
    enum node_result result = hash_slot(device, hash);
    if (result != NODE_DONE)
        return result;
    if (memcmp(hash, wanted, sizeof hash) != 0)
        return NODE_BAD_HASH;
    return take_slot(device) ? NODE_DONE : NODE_FLASH;
}

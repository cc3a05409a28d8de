#include "line/device/device.h"

#include <string.h>

#include "line/device/device_priv.h"

bool device_target_of(const struct device *device, const struct node_message *in,
                      unsigned *ret_target)
{
    uint8_t target = 0;
    const uint8_t *data;
    size_t len;
    if (!node_field(in, NODE_T_TARGET, &data, &len)) {
        *ret_target = 0;
        return true;
    }
    if (!node_field_u8(in, NODE_T_TARGET, &target) || target > device->profile->hosts ||
        target >= NODE_TARGETS)
        return false;
    *ret_target = target;
    return true;
}

static uint32_t flags_of(const struct device *device)
{
    const struct device_settings *settings = &device->settings;
    uint32_t flags = settings->locked ? NODE_F_LOCKED : 0;
    if (settings->active[0].len != 0)
        flags |= NODE_F_KEYED;
    for (unsigned i = 0; i < DEVICE_KEYS; i++)
        flags |= settings->pending[i].len != 0 ? NODE_F_PENDING : 0;
    if (settings->target[0].has_new)
        flags |= NODE_F_NEW_IMAGE;
    return flags;
}

static enum node_result identify(struct device *device, const struct node_message *in,
                                 struct node_writer *out)
{
    const struct device_profile *profile = device->profile;
    uint8_t highest = 0;
    if (!node_field_u8(in, NODE_T_PROTOCOL, &highest))
        return NODE_BAD_MESSAGE;
    node_write_u8(out, NODE_T_PROTOCOL, NODE_PROTOCOL);
    if (highest < NODE_PROTOCOL)
        return NODE_BAD_VERSION;
    node_write_u64(out, NODE_T_NODE_ID, profile->node_id);
    node_write_text(out, NODE_T_NAME, profile->type);
    node_write_text(out, NODE_T_VERSION, device->settings.target[0].version);
    node_write_text(out, NODE_T_HARDWARE, profile->hardware);
    node_write_u16(out, NODE_T_MESSAGE_MAX, profile->message_max);
    node_write_u8(out, NODE_T_WINDOW, profile->window);
    node_write_u32(out, NODE_T_FLAGS, flags_of(device));
    node_write_u8(out, NODE_T_HOSTS, profile->hosts);
    return NODE_DONE;
}

static enum node_result hardware(struct device *device, const struct node_message *in,
                                 struct node_writer *out)
{
    (void)in;
    node_write_text(out, NODE_T_HARDWARE, device->profile->hardware);
    node_write_u16(out, NODE_T_REVISION, device->profile->revision);
    node_write_u8(out, NODE_T_SELF_TEST, device->profile->self_test);
    return NODE_DONE;
}

static enum node_result calibration(struct device *device, const struct node_message *in,
                                    struct node_writer *out)
{
    (void)in;
    node_write_u8(out, NODE_T_CALIBRATION, device->profile->calibration);
    node_write_u16(out, NODE_T_REVISION, device->profile->calibration_revision);
    return NODE_DONE;
}

static enum node_result target(struct device *device, const struct node_message *in,
                               struct node_writer *out)
{
    const struct device_profile *profile = device->profile;
    unsigned number = 0;
    uint8_t link = 0;
    if (!device_target_of(device, in, &number))
        return NODE_NO_TARGET;
    if (number != 0) {
        int state = device->ops->host(device->ops->ctx, number, &link);
        if (state != NODE_DONE)
            return state == NODE_HOST_FAILING ? NODE_HOST_FAILING : NODE_HOST_SILENT;
        node_write_u8(out, NODE_T_LINK, link);
        node_write_bytes(out, NODE_T_IDENTIFIER, profile->host[number].identifier,
                         profile->host[number].identifier_len);
    }
    const struct device_target *state = &device->settings.target[number];
    node_write_text(out, NODE_T_NAME, number == 0 ? profile->type : profile->host[number].name);
    node_write_text(out, NODE_T_VERSION, state->version);
    if (state->has_firmware)
        node_write_bytes(out, NODE_T_HASH, state->firmware_hash, DEVICE_HASH);
    if (state->has_config) {
        node_write_bytes(out, NODE_T_CONFIG_HASH, state->config_hash, DEVICE_HASH);
        node_write_text(out, NODE_T_LABEL, state->label);
    }
    return NODE_DONE;
}

static enum node_result status(struct device *device, const struct node_message *in,
                               struct node_writer *out)
{
    (void)in;
    node_write_u32(out, NODE_T_UPTIME, device->ops->uptime(device->ops->ctx));
    node_write_u32(out, NODE_T_COUNT, device->settings.starts);
    node_write_u32(out, NODE_T_FLAGS, flags_of(device));
    node_write_u8(out, NODE_T_JOIN, device->join);
    return NODE_DONE;
}

static enum node_result status_clear(struct device *device, const struct node_message *in,
                                     struct node_writer *out)
{
    struct device_settings next = device->settings;
    (void)in, (void)out;
    next.starts = 0;
    bool done = device_commit(device, &next, false);
    device_wipe(&next, sizeof next);
    if (!done)
        return NODE_FLASH;
    device->join = NODE_NOT_JOINED;
    if (device->ops->joining_cleared != NULL)
        device->ops->joining_cleared(device->ops->ctx);
    return NODE_DONE;
}

static enum node_result reset(struct device *device, const struct node_message *in,
                              struct node_writer *out)
{
    (void)in, (void)out;
    device->restart = true; /* when the answer has left */
    return NODE_DONE;
}

static device_request_fn *const requests[NODE_TYPES] = {
    [NODE_IDENTIFY] = identify,
    [NODE_HARDWARE] = hardware,
    [NODE_CALIBRATION] = calibration,
    [NODE_TARGET] = target,
    [NODE_TRANSFER_BEGIN] = device_transfer_begin,
    [NODE_TRANSFER_BLOCK] = device_transfer_block,
    [NODE_TRANSFER_END] = device_transfer_end,
    [NODE_KEY_WRITE] = device_key_write,
    [NODE_KEY_ACTIVATE] = device_key_activate,
    [NODE_KEY_CHECK] = device_key_check,
    [NODE_STATUS] = status,
    [NODE_STATUS_CLEAR] = status_clear,
    [NODE_LOCK] = device_lock,
    [NODE_UNLOCK_CHALLENGE] = device_unlock_challenge,
    [NODE_UNLOCK] = device_unlock,
    [NODE_RESET] = reset,
};

/* Fields that a refusal has for the station all the same. */
static bool keeps_fields(enum node_result result)
{
    return result == NODE_DONE || result == NODE_BAD_OFFSET || result == NODE_BAD_VERSION;
}

static void answer(struct device *device, const struct node_message *in)
{
    struct node_writer out;
    unsigned type = in->type | NODE_ANSWER;
    node_write_begin(&out, device->answer, sizeof device->answer, type, in->sequence, NODE_DONE);
    enum node_result result = NODE_BAD_TYPE;
    if (in->type < NODE_TYPES && requests[in->type] != NULL)
        result = requests[in->type](device, in, &out);
    if (result != NODE_DONE && keeps_fields(result))
        device->answer[4] = (uint8_t)result;
    else if (result != NODE_DONE)
        node_write_begin(&out, device->answer, sizeof device->answer, type, in->sequence, result);
    device->answer_len = (uint32_t)node_write_end(&out);
    device->answered = device->answer_len != 0;
}

/* A request that came before, because its answer got lost, is not done again. */
static bool came_before(const struct device *device, const struct node_message *in, uint32_t crc)
{
    return device->answered && in->type != NODE_IDENTIFY && in->type == device->last_type &&
           in->sequence == device->last_sequence && crc == device->last_crc;
}

static void take(struct device *device, const struct node_message *in)
{
    if ((in->type & NODE_ANSWER) != 0)
        return;
    uint32_t crc = node_crc32(0, in->body, in->body_len);
    if (!came_before(device, in, crc)) {
        answer(device, in);
        device->last_type = in->type;
        device->last_sequence = in->sequence;
        device->last_crc = crc;
    }
    if (device->answered)
        device->ops->send(device->ops->ctx, device->answer, device->answer_len);
}

void device_receive(struct device *device, const uint8_t *data, size_t len)
{
    struct node_message message;
    while (len != 0) {
        size_t taken = node_stream_take(&device->stream, data, len);
        data += taken;
        len -= taken;
        while (node_stream_next(&device->stream, &message))
            take(device, &message);
    }
    /* Keys may have been among it. */
    if (device->stream.len == device->stream.given)
        device_wipe(device->stream.room, sizeof device->stream.room);
    if (device->restart) {
        device->restart = false;
        device->ops->reset(device->ops->ctx);
    }
}

void device_silence(struct device *device)
{
    struct node_message message;
    while (device->stream.len != device->stream.given) {
        node_stream_stalled(&device->stream);
        while (node_stream_next(&device->stream, &message))
            take(device, &message);
    }
}

bool device_init(struct device *device, const struct device_ops *ops,
                 const struct device_profile *profile)
{
    memset(device, 0, sizeof *device);
    device->ops = ops;
    device->profile = profile;
    return device_load(device);
}

bool device_start(struct device *device)
{
    struct device_settings next = device->settings;
    struct device_target *node = &next.target[0];
    if (node->has_new) {
        node->has_new = 0;
        node->has_firmware = 1;
        node->firmware_slot ^= 1u;
        node->firmware_size = node->new_size;
        memcpy(node->firmware_hash, node->new_hash, DEVICE_HASH);
        memcpy(node->version, node->new_version, sizeof node->version);
    }
    next.starts++;
    bool done = device_commit(device, &next, false);
    device_wipe(&next, sizeof next);
    return done;
}

void device_set_join(struct device *device, enum node_join join)
{
    device->join = join;
}

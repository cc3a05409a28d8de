#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/random.h"
#include "programs/claviger-sim/node.h"

#define SILENCE_MS 60   /* the rest of a message does not come */
#define TICK_MS    1000 /* at least so often is looked whether all ends */
#define OUTBOX_MAX ((size_t)64 * 1024)

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

void sim_node_say(bool json, uint64_t node_id, const char *event, const char *text)
{
    char id[32];
    (void)snprintf(id, sizeof id, "0x%08" PRIx64, node_id);
    if (!json) {
        (void)printf("%s %s%s%s\n", id, event, text[0] != '\0' ? ": " : "", text);
        return;
    }
    json_t *object = json_pack("{s:s,s:s,s:s}", "node", id, "event", event, "text", text);
    char *line = json_dumps(object, JSON_COMPACT);
    if (line != NULL)
        (void)printf("%s\n", line); /* one call: other threads print too */
    free(line);
    json_decref(object);
}

/* ---------------------------------------------------------------- faults of the device */

static const struct {
    const char *name;
    unsigned fault;
} fault_names[] = {
    {"bad-hardware", SIM_BAD_HARDWARE},
    {"bad-calibration", SIM_BAD_CALIBRATION},
    {"failing-host", SIM_FAILING_HOST},
    {"silent-host", SIM_SILENT_HOST},
    {"host-error", SIM_HOST_ERROR},
    {"no-meter", SIM_NO_METER},
    {"bad-host-config", SIM_BAD_HOST_CONFIG},
    {"bad-config", SIM_BAD_CONFIG},
    {"bad-key", SIM_BAD_KEY},
    {"node-error", SIM_NODE_ERROR},
    {"old-protocol", SIM_OLD_PROTOCOL},
    {"garbage", SIM_GARBAGE},
};

unsigned sim_fault_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fault_names); i++) {
        if (strcmp(fault_names[i].name, name) == 0)
            return fault_names[i].fault;
    }
    return 0;
}

void sim_fault_apply(unsigned faults, uint8_t *message, size_t len)
{
    const unsigned answer = message[2] & ~NODE_ANSWER;
    const struct node_message view = {.body = message + NODE_HEAD,
                                      .body_len = len - NODE_HEAD - NODE_TAIL};
    const uint8_t *hash = NULL;
    size_t hash_len = 0;
    uint8_t link;
    if (answer == NODE_HARDWARE && (faults & SIM_NODE_ERROR) != 0)
        message[4] = NODE_INTERNAL;
    if (answer == NODE_IDENTIFY && (faults & SIM_OLD_PROTOCOL) != 0)
        message[4] = NODE_BAD_VERSION;
    if (answer == NODE_TARGET) {
        bool host = node_field_u8(&view, NODE_T_LINK, &link);
        if (host && (faults & SIM_HOST_ERROR) != 0)
            message[4] = NODE_INTERNAL;
        if ((faults & (host ? SIM_BAD_HOST_CONFIG : SIM_BAD_CONFIG)) != 0 &&
            node_field(&view, NODE_T_CONFIG_HASH, &hash, &hash_len) && hash_len != 0)
            message[hash - message] ^= 1;
    }
    be32_store(message + len - NODE_TAIL, node_crc32(0, message, len - NODE_TAIL));
    if ((faults & SIM_GARBAGE) != 0)
        message[len - 1] ^= 0xff;
}

/* ---------------------------------------------------------------- the device's callbacks */

static void tell(const struct sim_node *node, const uint8_t *message)
{
    const struct device_settings *settings = &node->image.device.settings;
    uint64_t id = node->image.profile.node_id;
    if (message[4] != NODE_DONE)
        return;
    switch (message[2] & ~NODE_ANSWER) {
    case NODE_TRANSFER_END:
        sim_node_say(node->json, id, "transferred",
                     settings->target[0].has_new ? "firmware that a reset starts" : "");
        break;
    case NODE_KEY_ACTIVATE: sim_node_say(node->json, id, "keyed", ""); break;
    case NODE_LOCK: sim_node_say(node->json, id, "locked", ""); break;
    default: break;
    }
}

static void on_send(void *ctx, const uint8_t *message, uint32_t len)
{
    struct sim_node *node = ctx;
    uint8_t copy[NODE_MESSAGE_MAX], head[2];
    if (node->silent_after != 0 && ++node->answers > node->silent_after) {
        if (node->answers == node->silent_after + 1)
            sim_node_say(node->json, node->image.profile.node_id, "silent", "");
        return;
    }
    tell(node, message);
    memcpy(copy, message, len);
    if (node->faults != 0)
        sim_fault_apply(node->faults, copy, len);
    be16_store(head, (uint16_t)len);
    if (node->outbox.len + len > OUTBOX_MAX)
        buf_consume(&node->outbox, node->outbox.len);
    if (buf_append(&node->outbox, BYTES(head)) != ERR_OK ||
        buf_append(&node->outbox, bytes_of(copy, len)) != ERR_OK)
        abort(); /* half a message would follow */
}

static uint32_t on_uptime(void *ctx)
{
    const struct sim_node *node = ctx;
    return (uint32_t)((now_ms() - node->started_ms) / 1000);
}

static int on_host(void *ctx, unsigned target, uint8_t *ret_link)
{
    const struct sim_node *node = ctx;
    (void)target;
    *ret_link = (node->faults & SIM_NO_METER) != 0;
    if ((node->faults & SIM_SILENT_HOST) != 0)
        return NODE_HOST_SILENT;
    return (node->faults & SIM_FAILING_HOST) != 0 ? NODE_HOST_FAILING : NODE_DONE;
}

static void on_cleared(void *ctx)
{
    struct sim_node *node = ctx;
    if (node->radio != NULL)
        radio_clear(node->radio, &node->radio_node);
}

static void on_reset(void *ctx)
{
    struct sim_node *node = ctx;
    node->restart = true;
}

static enum err start(struct sim_node *node, struct err_detail *detail)
{
    AUTO(secret_block32_wipe) struct secret_block32 key;
    struct device *device = &node->image.device;
    node->started_ms = now_ms();
    if (!device_init(device, &node->image.ops, &node->image.profile) || !device_start(device))
        return err_set(detail, ERR_IO, "the flash of a device");
    sim_node_say(node->json, node->image.profile.node_id, "started",
                 device->settings.target[0].version);
    if (node->radio != NULL && device_root_key(device, key.data)) {
        node->radio_node.node_id = node->image.profile.node_id;
        radio_on(node->radio, &node->radio_node, key.data);
    }
    return ERR_OK;
}

/* ---------------------------------------------------------------- the wrapper's callbacks */

static void on_write(void *ctx, const uint8_t *data, size_t len)
{
    struct sim_node *node = ctx;
    sim_line_send(node->line, data, len);
}

static void on_read(void *ctx, const uint8_t *data, size_t len)
{
    struct sim_node *node = ctx;
    node->heard_ms = now_ms();
    device_receive(&node->image.device, data, len);
}

static void on_host_bytes(void *ctx, const uint8_t *data, size_t len)
{
    const struct sim_node *node = ctx;
    char text[64];
    (void)data;
    (void)snprintf(text, sizeof text, "%zu bytes", len);
    sim_node_say(node->json, node->image.profile.node_id, "host platform", text);
}

static void send_outbox(struct sim_node *node)
{
    while (node->outbox.len >= 2) {
        size_t len = be16_load(node->outbox.data);
        if (node->wrapper->egress(node->state, node->outbox.data + 2, len, now_ms()) ==
            CLAVIGER_LINE_BUSY)
            return;
        buf_consume(&node->outbox, 2 + len);
    }
}

static void begin_wrapper(struct sim_node *node)
{
    struct claviger_line_config config = {.role = CLAVIGER_LINE_DEVICE, .baud = node->baud};
    if (random_bytes(&config.seed, sizeof config.seed) != ERR_OK)
        config.seed = (uint32_t)clock_mono_ns();
    explicit_bzero(node->state, node->wrapper->state_size);
    node->wrapper->init(node->state, &config, &node->io, now_ms());
}

enum err sim_node_open(struct sim_node *node, const char *directory, struct err_detail *detail)
{
    node->image.ops.send = on_send;
    node->image.ops.uptime = on_uptime;
    node->image.ops.host = on_host;
    node->image.ops.joining_cleared = on_cleared;
    node->image.ops.reset = on_reset;
    node->image.bad_key = (node->faults & SIM_BAD_KEY) != 0;
    node->image.profile.self_test = (node->faults & SIM_BAD_HARDWARE) != 0;
    if ((node->faults & SIM_BAD_CALIBRATION) != 0)
        node->image.profile.calibration = NODE_BAD_CALIBRATION;
    TRY(image_open(&node->image, directory, false, detail));
    node->io = (struct claviger_line_io){
        .ctx = node, .write = on_write, .read = on_read, .host = on_host_bytes};
    node->state = calloc(1, node->wrapper->state_size);
    if (node->state == NULL)
        return ERR_NO_MEMORY;
    begin_wrapper(node);
    return start(node, detail);
}

void sim_node_close(struct sim_node *node)
{
    sim_line_close(node->line);
    if (node->state != NULL)
        explicit_bzero(node->state, node->wrapper->state_size);
    free(node->state);
    buf_done(&node->outbox);
    image_close(&node->image);
}

static void take_bytes(struct sim_node *node, const uint8_t *data, size_t len)
{
    node->wrapper->ingress(node->state, data, len, now_ms());
    send_outbox(node);
    if (node->restart && node->outbox.len == 0) {
        node->restart = false;
        (void)start(node, NULL);
    }
}

void *sim_node_run(void *arg)
{
    struct sim_node *node = arg;
    uint8_t room[2048];
    while (!atomic_load(node->stop)) {
        uint64_t now = now_ms(), due = node->wrapper->poll(node->state, now);
        bool was_cut = false;
        struct device *device = &node->image.device;
        bool begun = device->stream.len != device->stream.given;
        if (begun && node->heard_ms + SILENCE_MS < due)
            due = node->heard_ms + SILENCE_MS;
        if (due > now + TICK_MS)
            due = now + TICK_MS;
        size_t len = sim_line_wait(node->line, due, room, sizeof room, &was_cut);
        if (node->radio != NULL)
            device_set_join(device, radio_state(node->radio, &node->radio_node));
        if (was_cut)
            sim_node_say(node->json, node->image.profile.node_id, "cable pulled", "");
        if (len != 0)
            take_bytes(node, room, len);
        else if (begun && now_ms() >= node->heard_ms + SILENCE_MS)
            device_silence(device);
        send_outbox(node);
        explicit_bzero(room, len);
    }
    return NULL;
}

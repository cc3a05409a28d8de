#include <string.h>

#include "line/wrapper/wrapper.h"

/* Provisioning guide, appendix B: length of the whole (u16, little-endian), 0x47, node message, sum
 * of all bytes before. What has another byte than 0x47 is for the host platform. */

#define NODE_BYTE  0x47u
#define OVERHEAD   4u
#define FRAME_MAX  (CLAVIGER_LINE_MESSAGE_MAX + OVERHEAD)
#define SILENCE_MS 100u /* the rest of a frame follows within it, or its length was garbage */

struct simple {
    struct claviger_line_io io;
    uint8_t room[FRAME_MAX];
    size_t len;
    uint64_t due;
};

static uint8_t checksum(const uint8_t *data, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + data[i]);
    return sum;
}

static void init(void *state, const struct claviger_line_config *config,
                 const struct claviger_line_io *io, uint64_t now)
{
    struct simple *simple = state;
    (void)config, (void)now;
    simple->io = *io;
    simple->due = CLAVIGER_LINE_NEVER;
}

static int egress(void *state, const uint8_t *message, size_t len, uint64_t now)
{
    struct simple *simple = state;
    uint8_t frame[FRAME_MAX];
    (void)now;
    if (len == 0 || len > CLAVIGER_LINE_MESSAGE_MAX)
        return CLAVIGER_LINE_SIZE;
    size_t total = len + OVERHEAD;
    frame[0] = (uint8_t)total;
    frame[1] = (uint8_t)(total >> 8);
    frame[2] = NODE_BYTE;
    memcpy(frame + 3, message, len);
    frame[total - 1] = checksum(frame, total - 1);
    simple->io.write(simple->io.ctx, frame, total);
    return CLAVIGER_LINE_OK;
}

static void drop(struct simple *simple, size_t len)
{
    simple->len -= len;
    memmove(simple->room, simple->room + len, simple->len);
}

/* Whole frames at the front of what came. A length that can't be, or a sum that is wrong, costs one
 * byte: the next frame may begin right behind it. */
static void scan(struct simple *simple)
{
    while (simple->len >= 2) {
        size_t total = simple->room[0] | (size_t)simple->room[1] << 8;
        if (total < OVERHEAD || total > FRAME_MAX) {
            drop(simple, 1);
            continue;
        }
        if (simple->len < total)
            return;
        if (checksum(simple->room, total - 1) != simple->room[total - 1]) {
            drop(simple, 1);
            continue;
        }
        if (simple->room[2] != NODE_BYTE)
            simple->io.host(simple->io.ctx, simple->room, total);
        else if (total > OVERHEAD)
            simple->io.read(simple->io.ctx, simple->room + 3, total - OVERHEAD);
        drop(simple, total);
    }
}

static void ingress(void *state, const uint8_t *data, size_t len, uint64_t now)
{
    struct simple *simple = state;
    while (len != 0) {
        size_t part = FRAME_MAX - simple->len;
        if (part > len)
            part = len;
        memcpy(simple->room + simple->len, data, part);
        simple->len += part;
        data += part;
        len -= part;
        scan(simple);
    }
    simple->due = simple->len == 0 ? CLAVIGER_LINE_NEVER : now + SILENCE_MS;
}

static uint64_t poll_simple(void *state, uint64_t now)
{
    struct simple *simple = state;
    if (now >= simple->due) {
        while (simple->len != 0) {
            drop(simple, 1);
            scan(simple);
        }
        simple->due = CLAVIGER_LINE_NEVER;
    }
    return simple->due;
}

static int status(const void *state)
{
    (void)state;
    return CLAVIGER_LINE_OK;
}

const struct claviger_line_wrapper line_wrapper_simple = {
    .abi = CLAVIGER_LINE_WRAPPER_ABI,
    .message_max = CLAVIGER_LINE_MESSAGE_MAX,
    .window = 1,
    .name = "simple",
    .state_size = sizeof(struct simple),
    .init = init,
    .egress = egress,
    .ingress = ingress,
    .poll = poll_simple,
    .status = status,
};

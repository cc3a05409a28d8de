#include <stdbool.h>
#include <string.h>

#include "line/wrapper/crc16.h"
#include "line/wrapper/wrapper.h"

/* One message at a time, acknowledged (docs/wrappers.md):
 *
 *   a5 5a | type | session | sequence | length (u16) | CRC-8 of these seven | message | CRC-16
 *
 * Big-endian but for the CRC-16, which is sent low byte first. An acknowledgement has length 0 and
 * no CRC-16. A frame whose session and sequence are those of the last one taken came twice. */

#define SYNC_1      0xa5u
#define SYNC_2      0x5au
#define TYPE_DATA   1u
#define TYPE_ACK    2u
#define HEAD        8u
#define TAIL        2u
#define FRAME_MAX   (HEAD + CLAVIGER_LINE_MESSAGE_MAX + TAIL)
#define QUEUE       2u /* the one under way, and the next */
#define REPEATS_MAX 10u
#define SILENCE_MS  50u  /* within a frame */
#define ANSWER_MS   60u  /* for an acknowledgement, beside the time of the bytes */
#define BACKOFF_MAX 400u /* added to it when it does not come */
#define BITS        10u

struct message {
    uint16_t len;
    uint8_t data[CLAVIGER_LINE_MESSAGE_MAX];
};

struct reliable {
    struct claviger_line_io io;
    uint32_t baud;
    /* sending */
    struct message queue[QUEUE];
    unsigned waiting, repeats;
    uint8_t session, sequence;
    uint64_t repeat_at;
    bool lost;
    /* receiving */
    uint8_t room[FRAME_MAX];
    size_t len;
    uint64_t silent_at;
    bool taken; /* something was: of this session and sequence */
    uint8_t taken_session, taken_sequence;
};

static uint8_t crc8(const uint8_t *data, size_t len)
{
    uint8_t crc = 0xff;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (uint8_t)(crc << 1 ^ ((crc & 0x80) != 0 ? 0x07 : 0));
    }
    return crc;
}

static void init(void *state, const struct claviger_line_config *config,
                 const struct claviger_line_io *io, uint64_t now)
{
    struct reliable *reliable = state;
    (void)now;
    reliable->io = *io;
    reliable->baud = config->baud;
    reliable->session = (uint8_t)config->seed;
    reliable->sequence = (uint8_t)(config->seed >> 8);
    reliable->repeat_at = CLAVIGER_LINE_NEVER;
    reliable->silent_at = CLAVIGER_LINE_NEVER;
}

static void head_of(uint8_t head[HEAD], uint8_t type, uint8_t session, uint8_t sequence, size_t len)
{
    head[0] = SYNC_1;
    head[1] = SYNC_2;
    head[2] = type;
    head[3] = session;
    head[4] = sequence;
    head[5] = (uint8_t)(len >> 8);
    head[6] = (uint8_t)len;
    head[7] = crc8(head, 7);
}

static void send_first(struct reliable *reliable, uint64_t now)
{
    const struct message *message = &reliable->queue[0];
    uint8_t frame[FRAME_MAX];
    size_t total = HEAD + (size_t)message->len + TAIL;
    head_of(frame, TYPE_DATA, reliable->session, reliable->sequence, message->len);
    memcpy(frame + HEAD, message->data, message->len);
    uint16_t crc = wrapper_crc16(frame, total - TAIL);
    frame[total - 2] = (uint8_t)crc;
    frame[total - 1] = (uint8_t)(crc >> 8);
    reliable->io.write(reliable->io.ctx, frame, total);
    uint64_t patience = ANSWER_MS + (uint64_t)ANSWER_MS * reliable->repeats;
    if (patience > BACKOFF_MAX)
        patience = BACKOFF_MAX;
    /* What the other side sends at the same time has to pass too. */
    if (reliable->baud != 0)
        patience += 2 * FRAME_MAX * BITS * 1000 / reliable->baud;
    reliable->repeat_at = now + patience;
}

static int egress(void *state, const uint8_t *message, size_t len, uint64_t now)
{
    struct reliable *reliable = state;
    if (len == 0 || len > CLAVIGER_LINE_MESSAGE_MAX)
        return CLAVIGER_LINE_SIZE;
    if (reliable->waiting == QUEUE)
        return CLAVIGER_LINE_BUSY;
    reliable->lost = false;
    struct message *slot = &reliable->queue[reliable->waiting];
    slot->len = (uint16_t)len;
    memcpy(slot->data, message, len);
    if (reliable->waiting++ == 0) {
        reliable->repeats = 0;
        send_first(reliable, now);
    }
    return CLAVIGER_LINE_OK;
}

static void next(struct reliable *reliable, uint64_t now)
{
    reliable->queue[0] = reliable->queue[1];
    memset(&reliable->queue[1], 0, sizeof reliable->queue[1]); /* keys may be in it */
    reliable->waiting--;
    reliable->sequence++;
    reliable->repeats = 0;
    reliable->repeat_at = CLAVIGER_LINE_NEVER;
    if (reliable->waiting != 0)
        send_first(reliable, now);
    else
        memset(&reliable->queue[0], 0, sizeof reliable->queue[0]);
}

static void take(struct reliable *reliable, const uint8_t *frame, size_t len, uint64_t now)
{
    uint8_t ack[HEAD], session = frame[3], sequence = frame[4];
    if (frame[2] == TYPE_ACK) {
        if (reliable->waiting != 0 && session == reliable->session &&
            sequence == reliable->sequence)
            next(reliable, now);
        return;
    }
    head_of(ack, TYPE_ACK, session, sequence, 0);
    reliable->io.write(reliable->io.ctx, ack, sizeof ack);
    if (reliable->taken && reliable->taken_session == session &&
        reliable->taken_sequence == sequence)
        return;
    reliable->taken = true;
    reliable->taken_session = session;
    reliable->taken_sequence = sequence;
    reliable->io.read(reliable->io.ctx, frame + HEAD, len);
}

static void drop(struct reliable *reliable, size_t len)
{
    reliable->len -= len;
    memmove(reliable->room, reliable->room + len, reliable->len);
}

/* Whether a frame can begin with what is at the front. */
static bool begins(const struct reliable *reliable)
{
    const uint8_t *room = reliable->room;
    if (room[0] != SYNC_1 || (reliable->len >= 2 && room[1] != SYNC_2))
        return false;
    if (reliable->len < HEAD)
        return true;
    size_t len = (size_t)room[5] << 8 | room[6];
    return room[7] == crc8(room, 7) &&
           ((room[2] == TYPE_ACK && len == 0) ||
            (room[2] == TYPE_DATA && len != 0 && len <= CLAVIGER_LINE_MESSAGE_MAX));
}

static void scan(struct reliable *reliable, uint64_t now)
{
    while (reliable->len != 0) {
        if (!begins(reliable)) {
            drop(reliable, 1);
            continue;
        }
        if (reliable->len < HEAD)
            return;
        size_t len = (size_t)reliable->room[5] << 8 | reliable->room[6];
        size_t total = HEAD + (len != 0 ? len + TAIL : 0);
        if (reliable->len < total)
            return;
        uint16_t crc = wrapper_crc16(reliable->room, total - TAIL);
        bool good = len == 0 || (reliable->room[total - 2] == (uint8_t)crc &&
                                 reliable->room[total - 1] == (uint8_t)(crc >> 8));
        if (good)
            take(reliable, reliable->room, len, now);
        drop(reliable, good ? total : 1);
    }
}

static void ingress(void *state, const uint8_t *data, size_t len, uint64_t now)
{
    struct reliable *reliable = state;
    while (len != 0) {
        size_t part = FRAME_MAX - reliable->len;
        if (part > len)
            part = len;
        memcpy(reliable->room + reliable->len, data, part);
        reliable->len += part;
        data += part;
        len -= part;
        scan(reliable, now);
    }
    reliable->silent_at = reliable->len == 0 ? CLAVIGER_LINE_NEVER : now + SILENCE_MS;
}

static uint64_t poll_reliable(void *state, uint64_t now)
{
    struct reliable *reliable = state;
    if (now >= reliable->silent_at) {
        reliable->silent_at = CLAVIGER_LINE_NEVER;
        while (reliable->len != 0) {
            drop(reliable, 1);
            scan(reliable, now);
        }
    }
    if (now >= reliable->repeat_at && ++reliable->repeats > REPEATS_MAX) {
        reliable->lost = true;
        reliable->waiting = 0;
        reliable->sequence++;
        reliable->repeat_at = CLAVIGER_LINE_NEVER;
        memset(reliable->queue, 0, sizeof reliable->queue);
    } else if (now >= reliable->repeat_at) {
        send_first(reliable, now);
    }
    return reliable->repeat_at < reliable->silent_at ? reliable->repeat_at : reliable->silent_at;
}

static int status(const void *state)
{
    const struct reliable *reliable = state;
    if (reliable->lost)
        return CLAVIGER_LINE_LOST;
    return reliable->waiting != 0 ? CLAVIGER_LINE_BUSY : CLAVIGER_LINE_OK;
}

const struct claviger_line_wrapper line_wrapper_reliable = {
    .abi = CLAVIGER_LINE_WRAPPER_ABI,
    .message_max = CLAVIGER_LINE_MESSAGE_MAX,
    .window = 1,
    .round_trip = 4 * ANSWER_MS,
    .name = "reliable",
    .state_size = sizeof(struct reliable),
    .init = init,
    .egress = egress,
    .ingress = ingress,
    .poll = poll_reliable,
    .status = status,
};

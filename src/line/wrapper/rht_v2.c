#include <stdbool.h>
#include <string.h>

#include "line/node_message.h"
#include "line/wrapper/wrapper.h"

/* Messages in fragments, up to WINDOW of them under way, acknowledged one by one and put in order
 * (docs/wrappers.md). A frame:
 *
 *   type | session | sequence | next wanted | which after it are there (u16) | fragment | CRC-32
 *
 * by COBS, so that 00 ends a frame and stands nowhere else. Two frames of data differ in sequence;
 * all frames say what was received. What arrived later than another that was sent later is lost:
 * the line keeps order. */

#define HEAD      6u
#define TAIL      4u
#define FRAGMENT  350u /* three of them are a block of firmware */
#define PLAIN_MAX (HEAD + FRAGMENT + TAIL)
#define WINDOW    8u
#define WIRE_MAX  (PLAIN_MAX + 4) /* COBS: one byte for each 254; a 00 on each side */

#define TYPE_SYN     1u
#define TYPE_SYN_ACK 2u
#define TYPE_DATA    3u
#define TYPE_ACK     4u
#define TYPE_RESET   5u
#define MORE         0x80u /* with TYPE_DATA: the message goes on in the next fragment */

#define SYN_MS      150u
#define ACK_MS      15u /* an acknowledgement waits so long for data to go with */
#define ANSWER_MS   80u
#define REPEATS_MAX 12u
#define BITS        10u

struct fragment {
    bool used, sent;
    bool more;
    uint8_t repeats;
    uint16_t len;
    uint32_t order; /* of sending: later is greater */
    uint64_t due;   /* to be sent again */
    uint8_t data[FRAGMENT];
};

struct rht {
    struct claviger_line_io io;
    enum claviger_line_role role;
    uint32_t baud;
    uint8_t session; /* 0: none */
    uint8_t next_session;
    bool open, moved, lost;
    unsigned syns;
    uint64_t syn_at;
    /* sending: sequences from `oldest`, `count` of them */
    struct fragment out[WINDOW];
    uint8_t oldest;
    unsigned count;
    uint32_t order;
    /* receiving */
    struct fragment in[WINDOW];
    uint8_t wanted;
    unsigned owed; /* frames that came and were not acknowledged */
    uint64_t ack_at;
    uint8_t message[CLAVIGER_LINE_MESSAGE_MAX];
    size_t message_len;
    bool too_long;
    uint8_t wire[WIRE_MAX]; /* since the last 00 */
    size_t wire_len;
    bool skip; /* more than a frame can be: until the next 00 */
};

static void init(void *state, const struct claviger_line_config *config,
                 const struct claviger_line_io *io, uint64_t now)
{
    struct rht *rht = state;
    (void)now;
    rht->io = *io;
    rht->role = config->role;
    rht->baud = config->baud;
    rht->next_session = (uint8_t)config->seed;
    rht->syn_at = rht->ack_at = CLAVIGER_LINE_NEVER;
}

static void forget_all(struct rht *rht)
{
    memset(rht->out, 0, sizeof rht->out);
    memset(rht->in, 0, sizeof rht->in);
    rht->oldest = rht->wanted = 0;
    rht->count = rht->syns = 0;
    rht->message_len = 0;
    rht->too_long = rht->open = rht->moved = false;
    rht->syn_at = rht->ack_at = CLAVIGER_LINE_NEVER;
    rht->owed = 0;
}

static void give_up(struct rht *rht)
{
    forget_all(rht);
    rht->session = 0;
    rht->lost = true;
}

/* ---------------------------------------------------------------- frames out */

static uint16_t received_map(const struct rht *rht)
{
    unsigned map = 0;
    for (unsigned i = 1; i < WINDOW; i++)
        map |= rht->in[(rht->wanted + i) % WINDOW].used ? 1u << (i - 1) : 0;
    return (uint16_t)map;
}

static void write_frame(struct rht *rht, unsigned type, uint8_t session, uint8_t sequence,
                        const uint8_t *data, size_t len)
{
    uint8_t plain[PLAIN_MAX], wire[WIRE_MAX];
    uint16_t map = received_map(rht);
    plain[0] = (uint8_t)type;
    plain[1] = session;
    plain[2] = sequence;
    plain[3] = rht->wanted;
    plain[4] = (uint8_t)(map >> 8);
    plain[5] = (uint8_t)map;
    if (len != 0)
        memcpy(plain + HEAD, data, len);
    size_t total = HEAD + len;
    uint32_t crc = node_crc32(0, plain, total);
    for (unsigned i = 0; i < TAIL; i++)
        plain[total++] = (uint8_t)(crc >> (24 - 8 * i));
    /* COBS: each 00 becomes the distance to the next one, or ff and no 00 after 254 others. */
    size_t at = 0, out = 0;
    if ((type & ~MORE) != TYPE_DATA)
        wire[out++] = 0; /* ends what noise may have left */
    size_t code = out++;
    for (; at < total; at++) {
        if (plain[at] != 0) {
            wire[out++] = plain[at];
            if (out - code != 0xff)
                continue;
        }
        wire[code] = (uint8_t)(out - code);
        code = out++;
    }
    wire[code] = (uint8_t)(out - code);
    wire[out++] = 0;
    rht->owed = 0;
    rht->ack_at = CLAVIGER_LINE_NEVER;
    rht->io.write(rht->io.ctx, wire, out);
}

/* All that is before it on the line has to pass, and the acknowledgement. */
static uint64_t patience(const struct rht *rht, const struct fragment *fragment)
{
    uint64_t ms = ANSWER_MS + (uint64_t)ANSWER_MS * fragment->repeats / 2;
    if (rht->baud != 0)
        ms += (uint64_t)(rht->count + 2) * WIRE_MAX * BITS * 1000 * 5 / 4 / rht->baud;
    return ms;
}

static void send_fragment(struct rht *rht, unsigned i, uint64_t now)
{
    struct fragment *fragment = &rht->out[(rht->oldest + i) % WINDOW];
    fragment->repeats = (uint8_t)(fragment->repeats + fragment->sent);
    fragment->sent = true;
    fragment->due = now + patience(rht, fragment);
    fragment->order = ++rht->order;
    write_frame(rht, TYPE_DATA | (fragment->more ? MORE : 0), rht->session,
                (uint8_t)(rht->oldest + i), fragment->data, fragment->len);
}

static void send_syn(struct rht *rht, uint64_t now)
{
    write_frame(rht, TYPE_SYN, rht->session, 0, NULL, 0);
    rht->syn_at = now + SYN_MS;
}

static void send_new(struct rht *rht, uint64_t now)
{
    for (unsigned i = 0; rht->open && i < rht->count; i++) {
        if (!rht->out[(rht->oldest + i) % WINDOW].sent)
            send_fragment(rht, i, now);
    }
}

static int egress(void *state, const uint8_t *message, size_t len, uint64_t now)
{
    struct rht *rht = state;
    if (len == 0 || len > CLAVIGER_LINE_MESSAGE_MAX)
        return CLAVIGER_LINE_SIZE;
    if (rht->count + (len + FRAGMENT - 1) / FRAGMENT > WINDOW)
        return CLAVIGER_LINE_BUSY;
    if (rht->session == 0) {
        if (rht->role == CLAVIGER_LINE_DEVICE)
            return CLAVIGER_LINE_LOST; /* nobody began */
        forget_all(rht);
        rht->session = ++rht->next_session != 0 ? rht->next_session : ++rht->next_session;
        send_syn(rht, now);
    }
    rht->lost = false;
    while (len != 0) {
        struct fragment *fragment = &rht->out[(rht->oldest + rht->count++) % WINDOW];
        size_t part = len < FRAGMENT ? len : FRAGMENT;
        *fragment = (struct fragment){.used = true, .len = (uint16_t)part, .more = part < len};
        memcpy(fragment->data, message, part);
        message += part;
        len -= part;
    }
    send_new(rht, now);
    return CLAVIGER_LINE_OK;
}

/* ---------------------------------------------------------------- frames in */

/* What a frame says of ours. */
static void take_acks(struct rht *rht, uint8_t wanted, uint16_t map, uint64_t now)
{
    uint32_t latest = 0;
    unsigned done = (uint8_t)(wanted - rht->oldest);
    if (done > rht->count)
        return;
    for (unsigned i = 0; i < rht->count; i++) {
        struct fragment *fragment = &rht->out[(rht->oldest + i) % WINDOW];
        bool there =
            i < done || (i > done && i - done - 1 < WINDOW && (map >> (i - done - 1) & 1) != 0);
        if (!there || !fragment->used)
            continue;
        /* Of one that was sent twice nobody knows which of them it was. */
        if (fragment->repeats == 0 && fragment->order > latest)
            latest = fragment->order;
        memset(fragment, 0, sizeof *fragment); /* keys may be in it */
        fragment->sent = true;
    }
    while (rht->count != 0 && !rht->out[rht->oldest % WINDOW].used) {
        rht->oldest++;
        rht->count--;
    }
    /* The line keeps order: what was sent before one that arrived, and did not, is lost. */
    for (unsigned i = 0; i < rht->count; i++) {
        const struct fragment *fragment = &rht->out[(rht->oldest + i) % WINDOW];
        if (fragment->used && fragment->sent && fragment->order < latest)
            send_fragment(rht, i, now);
    }
    send_new(rht, now);
}

static void deliver(struct rht *rht)
{
    for (;;) {
        struct fragment *fragment = &rht->in[rht->wanted % WINDOW];
        if (!fragment->used)
            return;
        if (rht->message_len + fragment->len > sizeof rht->message)
            rht->too_long = true;
        if (!rht->too_long) {
            memcpy(rht->message + rht->message_len, fragment->data, fragment->len);
            rht->message_len += fragment->len;
        }
        bool ends = !fragment->more;
        memset(fragment, 0, sizeof *fragment);
        rht->wanted++;
        if (!ends)
            continue;
        if (!rht->too_long && rht->message_len != 0)
            rht->io.read(rht->io.ctx, rht->message, rht->message_len);
        memset(rht->message, 0, rht->message_len);
        rht->message_len = 0;
        rht->too_long = false;
    }
}

static void take_data(struct rht *rht, const uint8_t *plain, size_t len, uint64_t now)
{
    uint8_t sequence = plain[2];
    struct fragment *fragment = &rht->in[sequence % WINDOW];
    if (rht->owed++ == 0)
        rht->ack_at = now + ACK_MS;
    /* The second at once; and where one is missing or came twice the other side waits for it. */
    if (rht->owed > 1 || sequence != rht->wanted)
        rht->ack_at = now;
    rht->moved = true;
    if ((uint8_t)(sequence - rht->wanted) >= WINDOW || fragment->used || len > FRAGMENT)
        return; /* it came twice */
    fragment->used = true;
    fragment->more = (plain[0] & MORE) != 0;
    fragment->len = (uint16_t)len;
    memcpy(fragment->data, plain + HEAD, len);
    deliver(rht);
}

static void take_syn(struct rht *rht, uint8_t session)
{
    if (rht->role != CLAVIGER_LINE_DEVICE || session == 0)
        return;
    /* The same one again, because its answer was lost: nothing was said in it yet. */
    if (session != rht->session || rht->moved) {
        forget_all(rht);
        rht->session = session;
        rht->open = true;
        rht->lost = false;
    }
    write_frame(rht, TYPE_SYN_ACK, session, 0, NULL, 0);
}

static void take_frame(struct rht *rht, const uint8_t *plain, size_t len, uint64_t now)
{
    unsigned type = plain[0] & ~MORE;
    uint8_t session = plain[1];
    if (type == TYPE_SYN) {
        take_syn(rht, session);
        return;
    }
    if (session != rht->session || session == 0) {
        if (rht->role == CLAVIGER_LINE_DEVICE && type == TYPE_DATA)
            write_frame(rht, TYPE_RESET, session, 0, NULL, 0);
        return;
    }
    if (rht->role == CLAVIGER_LINE_STATION && type == TYPE_SYN_ACK && !rht->open) {
        rht->open = true;
        rht->syn_at = CLAVIGER_LINE_NEVER;
        send_new(rht, now);
    } else if (rht->role == CLAVIGER_LINE_STATION && type == TYPE_RESET) {
        give_up(rht); /* the other side started anew */
    } else if (rht->open && (type == TYPE_DATA || type == TYPE_ACK)) {
        if (type == TYPE_DATA && len != 0)
            take_data(rht, plain, len, now);
        take_acks(rht, plain[3], (uint16_t)(plain[4] << 8 | plain[5]), now);
    }
}

/* What stands between two 00; nothing where it is no frame. */
static void unwrap(struct rht *rht, uint64_t now)
{
    uint8_t plain[WIRE_MAX];
    size_t out = 0;
    for (size_t at = 0; at < rht->wire_len;) {
        size_t code = rht->wire[at++];
        if (code - 1 > rht->wire_len - at)
            return;
        memcpy(plain + out, rht->wire + at, code - 1);
        out += code - 1;
        at += code - 1;
        if (at < rht->wire_len && code != 0xff)
            plain[out++] = 0;
    }
    if (out < HEAD + TAIL || out > PLAIN_MAX)
        return;
    uint32_t crc = 0;
    for (unsigned i = 0; i < TAIL; i++)
        crc = crc << 8 | plain[out - TAIL + i];
    if (crc == node_crc32(0, plain, out - TAIL))
        take_frame(rht, plain, out - HEAD - TAIL, now);
}

static void send_ack(struct rht *rht, uint64_t now)
{
    if (now >= rht->ack_at && rht->session != 0)
        write_frame(rht, TYPE_ACK, rht->session, 0, NULL, 0);
}

static void ingress(void *state, const uint8_t *data, size_t len, uint64_t now)
{
    struct rht *rht = state;
    for (size_t i = 0; i < len; i++) {
        if (data[i] != 0) {
            if (rht->wire_len == sizeof rht->wire)
                rht->skip = true;
            else
                rht->wire[rht->wire_len++] = data[i];
            continue;
        }
        if (!rht->skip && rht->wire_len != 0)
            unwrap(rht, now);
        memset(rht->wire, 0, rht->wire_len);
        rht->wire_len = 0;
        rht->skip = false;
    }
    send_ack(rht, now);
}

/* ---------------------------------------------------------------- timers */

static uint64_t poll_rht(void *state, uint64_t now)
{
    struct rht *rht = state;
    if (now >= rht->syn_at) {
        if (++rht->syns > REPEATS_MAX)
            give_up(rht);
        else
            send_syn(rht, now);
    }
    send_ack(rht, now);
    uint64_t due = rht->syn_at < rht->ack_at ? rht->syn_at : rht->ack_at;
    for (unsigned i = 0; rht->open && i < rht->count; i++) {
        struct fragment *fragment = &rht->out[(rht->oldest + i) % WINDOW];
        if (!fragment->used || !fragment->sent)
            continue;
        if (now >= fragment->due) {
            if (fragment->repeats >= REPEATS_MAX) {
                give_up(rht);
                return CLAVIGER_LINE_NEVER;
            }
            send_fragment(rht, i, now);
        }
        due = fragment->due < due ? fragment->due : due;
    }
    return due;
}

static int status(const void *state)
{
    const struct rht *rht = state;
    if (rht->lost)
        return CLAVIGER_LINE_LOST;
    return rht->count != 0 ? CLAVIGER_LINE_BUSY : CLAVIGER_LINE_OK;
}

const struct claviger_line_wrapper line_wrapper_rht_v2 = {
    .abi = CLAVIGER_LINE_WRAPPER_ABI,
    .message_max = CLAVIGER_LINE_MESSAGE_MAX,
    .window = 8,
    .round_trip = 3 * ANSWER_MS,
    .name = "rht_v2",
    .state_size = sizeof(struct rht),
    .init = init,
    .egress = egress,
    .ingress = ingress,
    .poll = poll_rht,
    .status = status,
};

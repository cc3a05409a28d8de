#include "line/node_message.h"

#include <string.h>

static uint32_t load(const uint8_t *from, size_t len)
{
    uint32_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | from[i];
    return value;
}

static void store(uint8_t *to, size_t len, uint64_t value)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

/* Half a byte at a time: 64 bytes of table are what a microcontroller likes to give. */
uint32_t node_crc32(uint32_t crc, const uint8_t *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc = table[(crc ^ data[i]) & 0x0f] ^ crc >> 4;
        crc = table[(crc ^ (uint32_t)(data[i] >> 4)) & 0x0f] ^ crc >> 4;
    }
    return ~crc;
}

const char *node_result_text(unsigned result)
{
    static const char *const texts[NODE_RESULTS] = {
        [NODE_DONE] = "done",
        [NODE_BAD_MESSAGE] = "a field is missing or wrong",
        [NODE_BAD_TYPE] = "unknown request",
        [NODE_BAD_VERSION] = "no protocol version in common",
        [NODE_NO_TARGET] = "no such host",
        [NODE_TOO_LARGE] = "more than there is room for",
        [NODE_BAD_OFFSET] = "not where the transfer stands",
        [NODE_BAD_HASH] = "what came is not what was announced",
        [NODE_WRONG_TYPE] = "firmware for another type of device",
        [NODE_LOCKED] = "locked",
        [NODE_NO_KEY] = "no such key is pending or active",
        [NODE_FLASH] = "the flash can't be written",
        [NODE_HOST_SILENT] = "the host does not answer its node",
        [NODE_HOST_FAILING] = "the host's hardware fails",
        [NODE_DENIED] = "the proof is wrong",
        [NODE_INTERNAL] = "internal error of the device",
    };
    return result < NODE_RESULTS ? texts[result] : "an unknown result";
}

static void drop(struct node_stream *stream, size_t len)
{
    stream->len -= len;
    memmove(stream->room, stream->room + len, stream->len);
}

static void skip(struct node_stream *stream, size_t len)
{
    stream->skipped += (uint32_t)len;
    drop(stream, len);
}

size_t node_stream_take(struct node_stream *stream, const uint8_t *data, size_t len)
{
    drop(stream, stream->given);
    stream->given = 0;
    size_t room = sizeof stream->room - stream->len;
    if (len > room)
        len = room;
    if (len != 0)
        memcpy(stream->room + stream->len, data, len);
    stream->len += len;
    return len;
}

bool node_stream_next(struct node_stream *stream, struct node_message *ret_message)
{
    drop(stream, stream->given);
    stream->given = 0;
    for (;;) {
        size_t at = 0;
        while (at < stream->len && stream->room[at] != NODE_MAGIC)
            at++;
        if (at != 0)
            skip(stream, at);
        if (stream->len < NODE_HEAD)
            return false;
        const uint8_t *room = stream->room;
        size_t body_len = load(room + 5, 2);
        size_t total = NODE_HEAD + body_len + NODE_TAIL;
        if (room[1] != NODE_PROTOCOL || total > NODE_MESSAGE_MAX) {
            skip(stream, 1);
            continue;
        }
        if (stream->len < total)
            return false;
        if (node_crc32(0, room, total - NODE_TAIL) != load(room + total - NODE_TAIL, 4)) {
            skip(stream, 1);
            continue;
        }
        *ret_message = (struct node_message){.type = room[2],
                                             .sequence = room[3],
                                             .result = room[4],
                                             .body = room + NODE_HEAD,
                                             .body_len = body_len};
        stream->given = total;
        return true;
    }
}

void node_stream_stalled(struct node_stream *stream)
{
    drop(stream, stream->given);
    stream->given = 0;
    if (stream->len != 0)
        skip(stream, 1);
}

void node_write_begin(struct node_writer *w, uint8_t *room, size_t cap, unsigned type,
                      unsigned sequence, unsigned result)
{
    *w = (struct node_writer){.room = room, .cap = cap, .len = NODE_HEAD};
    w->failed = cap < NODE_HEAD + NODE_TAIL;
    if (w->failed)
        return;
    room[0] = NODE_MAGIC;
    room[1] = NODE_PROTOCOL;
    room[2] = (uint8_t)type;
    room[3] = (uint8_t)sequence;
    room[4] = (uint8_t)result;
}

void node_write_bytes(struct node_writer *w, enum node_tag tag, const void *data, size_t len)
{
    if (w->failed || len > NODE_BODY_MAX || w->cap - w->len < 3 + len + NODE_TAIL) {
        w->failed = true;
        return;
    }
    uint8_t *to = w->room + w->len;
    to[0] = (uint8_t)tag;
    store(to + 1, 2, len);
    if (len != 0)
        memcpy(to + 3, data, len);
    w->len += 3 + len;
}

void node_write_text(struct node_writer *w, enum node_tag tag, const char *text)
{
    node_write_bytes(w, tag, text, strlen(text));
}

static void write_number(struct node_writer *w, enum node_tag tag, uint64_t value, size_t len)
{
    uint8_t bytes[8];
    store(bytes, len, value);
    node_write_bytes(w, tag, bytes, len);
}

void node_write_u8(struct node_writer *w, enum node_tag tag, unsigned value)
{
    write_number(w, tag, value, 1);
}

void node_write_u16(struct node_writer *w, enum node_tag tag, unsigned value)
{
    write_number(w, tag, value, 2);
}

void node_write_u32(struct node_writer *w, enum node_tag tag, uint32_t value)
{
    write_number(w, tag, value, 4);
}

void node_write_u64(struct node_writer *w, enum node_tag tag, uint64_t value)
{
    write_number(w, tag, value, 8);
}

size_t node_write_end(struct node_writer *w)
{
    if (w->failed || w->len > NODE_MESSAGE_MAX - NODE_TAIL)
        return 0;
    store(w->room + 5, 2, w->len - NODE_HEAD);
    store(w->room + w->len, 4, node_crc32(0, w->room, w->len));
    return w->len + NODE_TAIL;
}

bool node_field(const struct node_message *message, enum node_tag tag, const uint8_t **ret_data,
                size_t *ret_len)
{
    for (size_t at = 0; message->body_len - at >= 3;) {
        size_t len = load(message->body + at + 1, 2);
        if (len > message->body_len - at - 3)
            return false;
        if (message->body[at] == (uint8_t)tag) {
            *ret_data = message->body + at + 3;
            *ret_len = len;
            return true;
        }
        at += 3 + len;
    }
    return false;
}

bool node_field_fixed(const struct node_message *message, enum node_tag tag, void *to, size_t len)
{
    const uint8_t *data;
    size_t got;
    if (!node_field(message, tag, &data, &got) || got != len)
        return false;
    memcpy(to, data, len);
    return true;
}

static bool read_number(const struct node_message *message, enum node_tag tag, size_t len,
                        uint64_t *ret_value)
{
    uint8_t bytes[8];
    if (!node_field_fixed(message, tag, bytes, len))
        return false;
    *ret_value = 0;
    for (size_t i = 0; i < len; i++)
        *ret_value = *ret_value << 8 | bytes[i];
    return true;
}

bool node_field_u8(const struct node_message *message, enum node_tag tag, uint8_t *ret_value)
{
    uint64_t value;
    if (!read_number(message, tag, 1, &value))
        return false;
    *ret_value = (uint8_t)value;
    return true;
}

bool node_field_u16(const struct node_message *message, enum node_tag tag, uint16_t *ret_value)
{
    uint64_t value;
    if (!read_number(message, tag, 2, &value))
        return false;
    *ret_value = (uint16_t)value;
    return true;
}

bool node_field_u32(const struct node_message *message, enum node_tag tag, uint32_t *ret_value)
{
    uint64_t value;
    if (!read_number(message, tag, 4, &value))
        return false;
    *ret_value = (uint32_t)value;
    return true;
}

bool node_field_u64(const struct node_message *message, enum node_tag tag, uint64_t *ret_value)
{
    return read_number(message, tag, 8, ret_value);
}

bool node_field_text(const struct node_message *message, enum node_tag tag, char *to)
{
    const uint8_t *data;
    size_t len;
    if (!node_field(message, tag, &data, &len) || len > NODE_TEXT_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (data[i] < 0x20 || data[i] > 0x7e)
            return false;
    }
    memcpy(to, data, len);
    to[len] = '\0';
    return true;
}

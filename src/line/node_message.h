#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "line/node_protocol.h"

/* Messages between station and node: docs/node-protocol.md. Both sides use this file, so it needs
 * nothing but memcpy: no memory, no system, nothing of the other folders. Big-endian. */

struct node_message {
    uint8_t type; /* with NODE_ANSWER in answers */
    uint8_t sequence;
    uint8_t result; /* 0 in requests */
    const uint8_t *body;
    size_t body_len;
};

uint32_t node_crc32(uint32_t crc, const uint8_t *data, size_t len); /* begins with 0; ISO 3309 */

/* Finds messages in a stream of bytes; what is none is passed over. Zero-initialise. */
struct node_stream {
    uint8_t room[NODE_MESSAGE_MAX];
    size_t len;
    size_t given;     /* bytes of the message that was given last */
    uint32_t skipped; /* bytes that belonged to no message */
};
/* Takes what fits of `data` and gives how much that was; then call node_stream_next until it gives
 * false, before more is taken. */
size_t node_stream_take(struct node_stream *stream, const uint8_t *data, size_t len);
/* The next whole message; its body points into the stream until the next call. */
bool node_stream_next(struct node_stream *stream, struct node_message *ret_message);
/* Where the first bytes of a message came and the rest doesn't: look for another behind them. */
void node_stream_stalled(struct node_stream *stream);

/* One message in a buffer. A failed write sticks, and node_write_end then gives 0. */
struct node_writer {
    uint8_t *room;
    size_t cap, len;
    bool failed;
};
void node_write_begin(struct node_writer *w, uint8_t *room, size_t cap, unsigned type,
                      unsigned sequence, unsigned result);
void node_write_bytes(struct node_writer *w, enum node_tag tag, const void *data, size_t len);
void node_write_text(struct node_writer *w, enum node_tag tag, const char *text);
void node_write_u8(struct node_writer *w, enum node_tag tag, unsigned value);
void node_write_u16(struct node_writer *w, enum node_tag tag, unsigned value);
void node_write_u32(struct node_writer *w, enum node_tag tag, uint32_t value);
void node_write_u64(struct node_writer *w, enum node_tag tag, uint64_t value);
size_t node_write_end(struct node_writer *w); /* length of the message */

/* The first field of a tag; false where it is absent or of another length. */
bool node_field(const struct node_message *message, enum node_tag tag, const uint8_t **ret_data,
                size_t *ret_len);
bool node_field_fixed(const struct node_message *message, enum node_tag tag, void *to, size_t len);
bool node_field_u8(const struct node_message *message, enum node_tag tag, uint8_t *ret_value);
bool node_field_u16(const struct node_message *message, enum node_tag tag, uint16_t *ret_value);
bool node_field_u32(const struct node_message *message, enum node_tag tag, uint32_t *ret_value);
bool node_field_u64(const struct node_message *message, enum node_tag tag, uint64_t *ret_value);
/* 0 to NODE_TEXT_MAX printable bytes of ASCII; `to` has room for one more. */
bool node_field_text(const struct node_message *message, enum node_tag tag, char *to);

#pragma once

#include "keeper/message.h"

/* Inside keeper only. A bundle is one packet with many messages:
 *
 *   u8 KEEPER_PROTOCOL | u8 KEEPER_BUNDLE (+ KEEPER_ANSWER) | u16 count | u64 0 |
 *   count times: u32 length | message
 *
 * Each message in it has its own head and is executed like one of its own. Answers leave in
 * bundles, in any order, as they are ready: they tell by their id what they answer. A bundle is not
 * in a bundle. */

#define BUNDLE_MESSAGE_HEAD 4
/* The longest message that fits. */
#define BUNDLE_MESSAGE_MAX (KEEPER_MESSAGE_MAX - KEEPER_HEAD_SIZE - BUNDLE_MESSAGE_HEAD)

static inline bool bundle_is(struct bytes packet, uint8_t verb)
{
    return packet.len >= KEEPER_HEAD_SIZE && packet.data[0] == KEEPER_PROTOCOL &&
           packet.data[1] == verb;
}

/* Behind the head; ERR_ARGUMENT for one that no message can be. */
static inline struct bytes bundle_next(struct reader *r)
{
    struct bytes message = reader_bytes32(r);
    if (message.len < KEEPER_HEAD_SIZE)
        reader_fail(r, ERR_ARGUMENT);
    else if (message.data[1] == KEEPER_BUNDLE)
        reader_fail(r, ERR_ARGUMENT);
    return message;
}

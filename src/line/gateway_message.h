#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "line/gateway_control.h"

/* Frames of the control part of docs/join-protocol.md, for both sides: a gateway (claviger-sim) and
 * who asks it. Same head as the frames of joining: length (u16), version, type. */

#define GATEWAY_VERSION   1
#define GATEWAY_FRAME_MAX 64
#define GATEWAY_FIRST     6 /* the first type of this part */

enum gateway_type { GATEWAY_QUERY = 6, GATEWAY_CLEAR = 7, GATEWAY_STATUS = 8 };

struct gateway_message {
    enum gateway_type type;
    bool one_x; /* node ids of 32 bits: types with the bit 0x10 */
    uint64_t node;
    struct line_gateway_status status; /* of GATEWAY_STATUS */
};

/* One whole frame; ERR_SYNTAX unless it is exactly right. */
MUST_CHECK enum err gateway_message_decode(struct bytes frame, struct gateway_message *ret_message);
void gateway_message_encode(const struct gateway_message *message, struct writer *w);
/* The type of a whole frame; 0 where it has none. */
unsigned gateway_frame_type(struct bytes frame);

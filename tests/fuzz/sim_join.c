#include "programs/claviger-sim/protocol.h"

#include <stdlib.h>

#include "fuzz/target.h"

static enum err key_of(void *ctx, uint64_t node, bool again, uint8_t ret_key[JOIN_KEY])
{
    (void)ctx;
    (void)again;
    memset(ret_key, (int)(node & 0xff), JOIN_KEY);
    return node % 3 == 0 ? ERR_DENIED : node % 3 == 1 ? ERR_OK : ERR_BUSY;
}

/* The bytes are what a gateway and a node read from the wire, frame by frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[JOIN_KEY];
    struct join_gateway gateway = {0};
    struct join_node node;
    uint8_t room[JOIN_FRAME_MAX];
    enum join_outcome outcome;
    struct writer w = writer_of(room, sizeof room);
    if (join_node_begin(&node, 0x10200, &w) != ERR_OK)
        abort();
    for (size_t at = 0, need = 0; at < size; at += need) {
        if (join_frame_len(data + at, size - at, &need) != ERR_OK || need > size - at)
            return 0;
        struct bytes frame = bytes_of(data + at, need);
        struct join_message message;
        w = writer_of(room, sizeof room);
        if (join_decode(frame, &message) == ERR_OK) {
            join_encode(&message, &w);
            if (!bytes_equal(writer_view(&w), frame))
                abort(); /* one spelling only */
        }
        w = writer_of(room, sizeof room);
        if (join_gateway_frame(&gateway, frame, key_of, NULL, &w, &outcome) != ERR_OK ||
            writer_status(&w) != ERR_OK)
            abort();
        if (outcome == JOIN_JOINED)
            abort(); /* nobody guesses a proof */
        w = writer_of(room, sizeof room);
        if (join_node_frame(&node, key, frame, &w, &outcome) != ERR_OK ||
            writer_status(&w) != ERR_OK || outcome == JOIN_JOINED)
            abort();
    }
    return 0;
}

#include "line/gateway_message.h"

#include <stdlib.h>

#include "fuzz/target.h"

/* The bytes are one frame of a gateway's control part: it has one spelling only. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gateway_message message;
    uint8_t room[GATEWAY_FRAME_MAX];
    struct writer w = writer_of(room, sizeof room);
    if (gateway_message_decode(bytes_of(data, size), &message) != ERR_OK)
        return 0;
    gateway_message_encode(&message, &w);
    if (writer_status(&w) != ERR_OK || !bytes_equal(writer_view(&w), bytes_of(data, size)))
        abort();
    return 0;
}

#include "line/gateway_message.h"

#define HEAD  4
#define ONE_X 0x10u

static size_t payload_len(unsigned type, bool one_x)
{
    size_t id = one_x ? 4 : 8;
    switch (type) {
    case GATEWAY_QUERY:
    case GATEWAY_CLEAR: return id;
    case GATEWAY_STATUS: return id + 1 + 4 + 4;
    default: return 0;
    }
}

unsigned gateway_frame_type(struct bytes frame)
{
    return frame.len >= HEAD ? frame.data[3] & ~ONE_X : 0;
}

enum err gateway_message_decode(struct bytes frame, struct gateway_message *ret_message)
{
    struct reader r = reader_of(frame);
    struct gateway_message message = {0};
    size_t len = reader_u16(&r);
    uint8_t version = reader_u8(&r);
    uint8_t type = reader_u8(&r);
    TRY(reader_status(&r));
    message.one_x = (type & ONE_X) != 0;
    type = (uint8_t)(type & ~ONE_X);
    size_t payload = payload_len(type, message.one_x);
    if (len + 2 != frame.len || version != GATEWAY_VERSION || payload == 0 ||
        frame.len != HEAD + payload)
        return ERR_SYNTAX;
    message.type = (enum gateway_type)type;
    message.node = message.one_x ? reader_u32(&r) : reader_u64(&r);
    if (type == GATEWAY_STATUS) {
        uint8_t join = reader_u8(&r);
        if (join > LINE_GATEWAY_REFUSED)
            return ERR_SYNTAX;
        message.status.join = (enum line_gateway_join)join;
        message.status.joins = reader_u32(&r);
        message.status.seconds = reader_u32(&r);
    }
    TRY(reader_end(&r));
    if (message.node == 0)
        return ERR_SYNTAX;
    *ret_message = message;
    return ERR_OK;
}

void gateway_message_encode(const struct gateway_message *message, struct writer *w)
{
    unsigned type = message->type;
    writer_u16(w, (uint16_t)(HEAD - 2 + payload_len(type, message->one_x)));
    writer_u8(w, GATEWAY_VERSION);
    writer_u8(w, (uint8_t)(type | (message->one_x ? ONE_X : 0)));
    if (message->one_x)
        writer_u32(w, (uint32_t)message->node);
    else
        writer_u64(w, message->node);
    if (type == GATEWAY_STATUS) {
        writer_u8(w, (uint8_t)message->status.join);
        writer_u32(w, message->status.joins);
        writer_u32(w, message->status.seconds);
    }
}

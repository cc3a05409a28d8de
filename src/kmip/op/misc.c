#include "base/log.h"
#include "kmip/codec/table.h"
#include "kmip/op/ops.h"

/* Log, Interop, Ping, Set Endpoint Role (KMIP 2.1, 6.1.29, 6.1.27, 6.1.39, 6.1.54). */

#define LOG_TEXT_MAX 1024 /* bytes of a client's message that go into the log */

enum err kmip_op_log(struct kmip_call *call)
{
    const struct bytes text = kmip_bytes(call->in, KMIP_TAG_LOG_MESSAGE);
    char line[LOG_TEXT_MAX + 1];
    size_t len = 0;
    if (text.data == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Log Message");
    /* a client must not write lines of its own making, or steer a terminal: controls are those
     * below a blank, DEL, and U+0080 to U+009F */
    for (; len < text.len && len < LOG_TEXT_MAX; len++) {
        const uint8_t c = text.data[len];
        const bool c1 = (c & 0xe0) == 0x80 && len > 0 && text.data[len - 1] == 0xc2;
        line[len] = c < 0x20 || c == 0x7f || c1 ? '?' : (char)c;
        if (c1)
            line[len - 1] = '?';
    }
    line[len] = '\0';
    log_info("client %s says: %s", kmip_actor(call), line);
    return ERR_OK;
}

enum err kmip_op_interop(struct kmip_call *call)
{
    switch (kmip_enum(call->in, KMIP_TAG_INTEROP_FUNCTION, 0)) {
    case KMIP_INTEROP_FUNCTION_BEGIN:
    case KMIP_INTEROP_FUNCTION_END: break;
    case KMIP_INTEROP_FUNCTION_RESET:
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "a server with keys is not reset");
    default: return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "unknown Interop Function");
    }
    const struct bytes id = kmip_bytes(call->in, KMIP_TAG_INTEROP_IDENTIFIER);
    if (id.data == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Interop Identifier");
    return ERR_OK;
}

enum err kmip_op_ping(struct kmip_call *call)
{
    (void)call;
    return ERR_OK;
}

enum err kmip_op_set_endpoint_role(struct kmip_call *call)
{
    switch (kmip_enum(call->in, KMIP_TAG_ENDPOINT_ROLE, 0)) {
    case KMIP_ENDPOINT_ROLE_SERVER:
        kmip_put_enum(kmip_out(call), call->out, KMIP_TAG_ENDPOINT_ROLE, KMIP_ENDPOINT_ROLE_SERVER);
        return ERR_OK;
    case KMIP_ENDPOINT_ROLE_CLIENT:
        /* Put and Notify go over connections of their own: kmip/server/notify.h */
        return kmip_fail(call, KMIP_REASON_FEATURE_NOT_SUPPORTED,
                         "this server does not become a client on a client's connection");
    default: return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "unknown Endpoint Role");
    }
}

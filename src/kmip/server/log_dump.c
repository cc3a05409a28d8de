#include "kmip/server/log_dump.h"

#include "base/hex.h"
#include "kmip/codec/print.h"

#define HEX_LINE  32
#define HEX_MAX   4096 /* bytes of a message that can't be read; the rest is left out */
#define VALUE_MAX 1024 /* bytes of one value in a dump */

/* What can't be read may hold anything; it is shown in full in the laboratory only. */
static enum err put_unread(struct buf *out, struct bytes message, bool secrets,
                           const struct err_detail *detail)
{
    char line[2 * HEX_LINE + 1];
    size_t max = secrets ? HEX_MAX : HEX_LINE;
    struct bytes shown = bytes_of(message.data, message.len < max ? message.len : max);
    TRY(buf_printf(out, "not a message, %zu bytes: %s\n", message.len, detail->text));
    for (size_t at = 0; at < shown.len; at += HEX_LINE) {
        size_t len = shown.len - at < HEX_LINE ? shown.len - at : HEX_LINE;
        hex_encode(bytes_of(shown.data + at, len), line);
        TRY(buf_printf(out, "%s\n", line));
    }
    return ERR_OK;
}

enum err kmip_log_dump(enum kmip_format from, struct bytes message, enum kmip_format to,
                       bool secrets, struct arena *arena, struct buf *out)
{
    struct kmip_node *root = NULL;
    struct err_detail detail = {0};
    struct kmip_build b = {.arena = arena};
    struct kmip_limits limits = kmip_limits_default;
    limits.message = KMIP_MESSAGE_MAX;
    enum err err = kmip_decode(from, message, &limits, arena, &root, &detail);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err != ERR_OK)
        return put_unread(out, message, secrets, &detail);
    if (to == KMIP_TTLV)
        return kmip_print(root, (struct kmip_print_how){true, secrets, VALUE_MAX}, out);
    if (!secrets)
        root = kmip_masked(&b, root);
    TRY(b.err);
    TRY(kmip_encode(to, root, out));
    return buf_append(out, bytes_str("\n"));
}

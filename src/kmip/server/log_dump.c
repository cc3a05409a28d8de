#include "kmip/server/log_dump.h"

#include "kmip/codec/table.h"

#define HEX_LINE    32
#define HEX_MAX     4096 /* bytes of a message that can't be read; the rest is left out */
#define VALUE_MAX   1024 /* bytes of one value in a dump */
#define MASKED_TEXT "********"

static const char *const type_names[] = {
    [KMIP_STRUCTURE] = "Structure",
    [KMIP_INTEGER] = "Integer",
    [KMIP_LONG_INTEGER] = "Long Integer",
    [KMIP_BIG_INTEGER] = "Big Integer",
    [KMIP_ENUMERATION] = "Enumeration",
    [KMIP_BOOLEAN] = "Boolean",
    [KMIP_TEXT_STRING] = "Text String",
    [KMIP_BYTE_STRING] = "Byte String",
    [KMIP_DATE_TIME] = "Date-Time",
    [KMIP_INTERVAL] = "Interval",
    [KMIP_DATE_TIME_EXTENDED] = "Date-Time Extended",
};

static void mask_value(struct kmip_node *node)
{
    switch (node->type) {
    case KMIP_TEXT_STRING: node->bytes = bytes_str(MASKED_TEXT); break;
    case KMIP_BYTE_STRING: node->bytes = bytes_of("", 0); break;
    case KMIP_BIG_INTEGER: {
        static const uint8_t zero[8];
        node->bytes = BYTES(zero);
        break;
    }
    default: node->num = 0; break;
    }
}

/* In depth first order without recursion: `next` of the last child leads nowhere, so the way back
 * is kept. */
static void mask(struct kmip_node *root)
{
    struct kmip_node *way[KMIP_DEPTH_MAX + 1];
    size_t depth = 0;
    for (struct kmip_node *node = root; node != NULL;) {
        if (node->type == KMIP_STRUCTURE && node->first != NULL && depth <= KMIP_DEPTH_MAX) {
            way[depth++] = node;
            node = node->first;
            continue;
        }
        if (node->secret && node->type != KMIP_STRUCTURE)
            mask_value(node);
        while (node->next == NULL && depth > 0)
            node = way[--depth];
        node = depth > 0 || node != root ? node->next : NULL;
    }
}

static enum err put_hex(struct buf *out, struct bytes bytes, size_t max)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = bytes.len < max ? bytes.len : max;
    TRY(buf_reserve(out, 2 * len + 3));
    for (size_t i = 0; i < len; i++) {
        out->data[out->len++] = (uint8_t)digits[bytes.data[i] >> 4];
        out->data[out->len++] = (uint8_t)digits[bytes.data[i] & 15];
    }
    return len < bytes.len ? buf_append(out, bytes_str("...")) : ERR_OK;
}

/* One value on one line: what would break it, or fool a terminal, is replaced. */
static enum err put_text(struct buf *out, struct bytes text)
{
    size_t len = text.len < VALUE_MAX ? text.len : VALUE_MAX;
    TRY(buf_reserve(out, len + 5));
    out->data[out->len++] = '"';
    for (size_t i = 0; i < len; i++)
        out->data[out->len++] =
            text.data[i] < 0x20 || text.data[i] == 0x7f ? (uint8_t)'?' : text.data[i];
    out->data[out->len++] = '"';
    return len < text.len ? buf_append(out, bytes_str("...")) : ERR_OK;
}

static enum err put_value(struct buf *out, const struct kmip_node *node, bool secrets)
{
    if (node->secret && !secrets && node->type != KMIP_STRUCTURE)
        return buf_append(out, bytes_str("(masked)"));
    const char *name;
    switch (node->type) {
    case KMIP_STRUCTURE: return ERR_OK;
    case KMIP_TEXT_STRING: return put_text(out, node->bytes);
    case KMIP_BYTE_STRING:
    case KMIP_BIG_INTEGER: return put_hex(out, node->bytes, VALUE_MAX);
    case KMIP_BOOLEAN: return buf_printf(out, "%s", node->num != 0 ? "true" : "false");
    case KMIP_ENUMERATION:
        name = kmip_enum_name(node->tag, (uint32_t)node->num);
        return buf_printf(out, "0x%08x (%s)", (unsigned)node->num, name != NULL ? name : "?");
    default: return buf_printf(out, "%lld", (long long)node->num);
    }
}

static enum err put_item(struct buf *out, const struct kmip_node *node, size_t depth, bool secrets)
{
    char room[16];
    unsigned type = node->type < ARRAY_LEN(type_names) ? node->type : 0;
    TRY(buf_printf(out, "%*s%s (0x%06x) %s ", (int)(2 * depth), "", kmip_tag_name(node->tag, room),
                   (unsigned)node->tag, type_names[type] != NULL ? type_names[type] : "?"));
    TRY(buf_printf(out, "%zu ", kmip_ttlv_len(node) - 8));
    TRY(put_value(out, node, secrets));
    return buf_append(out, bytes_str("\n"));
}

static enum err put_tree(struct buf *out, const struct kmip_node *root, bool secrets)
{
    const struct kmip_node *way[KMIP_DEPTH_MAX + 1];
    size_t depth = 0;
    for (const struct kmip_node *node = root; node != NULL;) {
        TRY(put_item(out, node, depth, secrets));
        if (node->type == KMIP_STRUCTURE && node->first != NULL && depth <= KMIP_DEPTH_MAX) {
            way[depth++] = node;
            node = node->first;
            continue;
        }
        while (node->next == NULL && depth > 0)
            node = way[--depth];
        node = depth > 0 || node != root ? node->next : NULL;
    }
    return ERR_OK;
}

/* What can't be read may hold anything; it is shown in full in the laboratory only. */
static enum err put_unread(struct buf *out, struct bytes message, bool secrets,
                           const struct err_detail *detail)
{
    TRY(buf_printf(out, "not a message, %zu bytes: %s\n", message.len, detail->text));
    struct bytes shown = bytes_of(message.data, message.len < HEX_MAX ? message.len : HEX_MAX);
    if (!secrets)
        shown.len = shown.len < HEX_LINE ? shown.len : HEX_LINE;
    for (size_t at = 0; at < shown.len; at += HEX_LINE) {
        size_t len = shown.len - at < HEX_LINE ? shown.len - at : HEX_LINE;
        TRY(put_hex(out, bytes_of(shown.data + at, len), HEX_LINE));
        TRY(buf_append(out, bytes_str("\n")));
    }
    return ERR_OK;
}

enum err kmip_log_dump(enum kmip_format from, struct bytes message, enum kmip_format to,
                       bool secrets, struct arena *arena, struct buf *out)
{
    struct kmip_node *root = NULL;
    struct err_detail detail = {0};
    struct kmip_limits limits = kmip_limits_default;
    limits.message = KMIP_MESSAGE_MAX;
    enum err err = kmip_decode(from, message, &limits, arena, &root, &detail);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err != ERR_OK)
        return put_unread(out, message, secrets, &detail);
    if (to == KMIP_TTLV)
        return put_tree(out, root, secrets);
    if (!secrets)
        mask(root);
    TRY(kmip_encode(to, root, out));
    return buf_append(out, bytes_str("\n"));
}

#include "kmip/codec/print.h"

#include <inttypes.h>

#include "base/hex.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "kmip/codec/value.h"

#define DEPTH_MAX 8u

struct printer {
    struct kmip_print_how how;
    struct buf *out;
    size_t at; /* offset in TTLV */
};

static enum err print_text(struct bytes text, struct buf *out)
{
    TRY(buf_append(out, bytes_str("\"")));
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
            TRY(buf_printf(out, "\\x%02x", c));
        else
            TRY(buf_append(out, bytes_of(&text.data[i], 1)));
    }
    return buf_append(out, bytes_str("\""));
}

static bool has_bytes(const struct kmip_node *node)
{
    return node->type == KMIP_TEXT_STRING || node->type == KMIP_BYTE_STRING ||
           node->type == KMIP_BIG_INTEGER;
}

/* Bytes and text as they are, or as much of them as is wanted. */
static enum err print_bytes(const struct printer *p, const struct kmip_node *node)
{
    struct bytes shown = node->bytes;
    if (p->how.value_max != 0 && shown.len > p->how.value_max)
        shown.len = p->how.value_max;
    if (node->type == KMIP_TEXT_STRING) {
        TRY(print_text(shown, p->out));
    } else {
        TRY(buf_reserve(p->out, 2 * shown.len + 1));
        hex_encode(shown, (char *)p->out->data + p->out->len);
        p->out->len += 2 * shown.len;
    }
    if (shown.len < node->bytes.len)
        TRY(buf_append(p->out, bytes_str("...")));
    return node->type == KMIP_TEXT_STRING ? ERR_OK
                                          : buf_printf(p->out, " (%zu bytes)", node->bytes.len);
}

static enum err print_value(const struct printer *p, const struct kmip_node *parent,
                            const struct kmip_node *node)
{
    if (node->secret && !p->how.clear)
        return has_bytes(node) ? buf_printf(p->out, " *** (%zu bytes)", node->bytes.len)
                               : buf_append(p->out, bytes_str(" ***"));
    TRY(buf_append(p->out, bytes_str(" ")));
    if (has_bytes(node))
        return print_bytes(p, node);
    TRY(kmip_value_format(parent, node, '|', p->out));
    return node->type != KMIP_ENUMERATION
               ? ERR_OK
               : buf_printf(p->out, " (0x%08" PRIx32 ")", (uint32_t)node->num);
}

static enum err print_item(struct printer *p, const struct kmip_node *parent,
                           const struct kmip_node *node, unsigned depth)
{
    char text[16];
    if (p->how.offsets)
        TRY(buf_printf(p->out, "%06zx  %06" PRIx32 " %02x  ", p->at, node->tag, node->type));
    TRY(buf_printf(p->out, "%*s%s %s", (int)(2 * depth), "", kmip_tag_name(node->tag, text),
                   kmip_type_name(node->type)));
    p->at += 8;
    if (node->type != KMIP_STRUCTURE) {
        p->at += kmip_ttlv_len(node) - 8;
        TRY(print_value(p, parent, node));
        return buf_append(p->out, bytes_str("\n"));
    }
    TRY(buf_append(p->out, bytes_str("\n")));
    for (const struct kmip_node *child = node->first; child != NULL; child = child->next)
        TRY(print_item(p, node, child, depth + 1));
    return ERR_OK;
}

enum err kmip_print(const struct kmip_node *root, struct kmip_print_how how, struct buf *out)
{
    struct printer p = {.how = how, .out = out};
    size_t before = out->len;
    enum err err = print_item(&p, NULL, root, 0);
    if (err != ERR_OK)
        out->len = before;
    return err;
}

/* ---- a value by itself ---- */

static enum err text_value(struct bytes text, bool inside, struct buf *to)
{
    bool quoted = inside && (text.len == 0 || memchr(text.data, ',', text.len) != NULL ||
                             memchr(text.data, '=', text.len) != NULL);
    if (quoted)
        TRY(buf_append(to, bytes_str("\"")));
    TRY(buf_append(to, text));
    return quoted ? buf_append(to, bytes_str("\"")) : ERR_OK;
}

/* Name and Alternative Name whose text alone says enough. */
static const struct kmip_node *short_text(const struct kmip_node *node)
{
    uint32_t uninterpreted = KMIP_NAME_TYPE_UNINTERPRETED_TEXT_STRING;
    const struct kmip_node *text = kmip_child(node, KMIP_TAG_NAME_VALUE);
    if (text != NULL && kmip_enum(node, KMIP_TAG_NAME_TYPE, 0) == uninterpreted)
        return text;
    text = kmip_child(node, KMIP_TAG_ALTERNATIVE_NAME_VALUE);
    return kmip_enum(node, KMIP_TAG_ALTERNATIVE_NAME_TYPE, 0) == uninterpreted ? text : NULL;
}

static enum err value_bytes(const struct kmip_node *parent, const struct kmip_node *node,
                            struct kmip_print_how how, unsigned depth, struct buf *to)
{
    struct kmip_node shown = *node;
    bool cut = how.value_max != 0 && node->bytes.len > how.value_max;
    if (cut)
        shown.bytes.len = how.value_max;
    /* not within a character: 10xxxxxx goes on with one */
    while (cut && node->type == KMIP_TEXT_STRING && shown.bytes.len > 0 &&
           (node->bytes.data[shown.bytes.len] & 0xc0) == 0x80)
        shown.bytes.len--;
    TRY(node->type == KMIP_TEXT_STRING ? text_value(shown.bytes, depth != 0, to)
                                       : kmip_value_format(parent, &shown, '|', to));
    return cut ? buf_append(to, bytes_str("...")) : ERR_OK;
}

static enum err value(const struct kmip_node *parent, const struct kmip_node *node,
                      struct kmip_print_how how, unsigned depth, struct buf *to)
{
    char name[16];
    if (node->secret && !how.clear)
        return buf_append(to, bytes_str("***"));
    if (has_bytes(node))
        return value_bytes(parent, node, how, depth, to);
    if (node->type != KMIP_STRUCTURE)
        return kmip_value_format(parent, node, '|', to);
    const struct kmip_node *text = short_text(node);
    if (text != NULL && text->type == KMIP_TEXT_STRING)
        return value_bytes(node, text, how, depth, to);
    if (depth >= DEPTH_MAX)
        return buf_append(to, bytes_str("..."));
    if (depth != 0)
        TRY(buf_append(to, bytes_str("{")));
    for (const struct kmip_node *child = node->first; child != NULL; child = child->next) {
        TRY(buf_printf(to, "%s%s=", child != node->first ? ", " : "",
                       kmip_tag_name(child->tag, name)));
        TRY(value(node, child, how, depth + 1, to));
    }
    return depth != 0 ? buf_append(to, bytes_str("}")) : ERR_OK;
}

enum err kmip_print_value(const struct kmip_node *parent, const struct kmip_node *node,
                          struct kmip_print_how how, struct buf *out)
{
    size_t before = out->len;
    enum err err = value(parent, node, how, 0, out);
    if (err != ERR_OK)
        out->len = before;
    return err;
}

static struct kmip_node *mask_value(struct kmip_build *b, struct kmip_node *parent,
                                    const struct kmip_node *node)
{
    static const uint8_t zero[8];
    switch ((enum kmip_type)node->type) {
    case KMIP_TEXT_STRING: return kmip_put_text(b, parent, node->tag, "***");
    case KMIP_BYTE_STRING:
        return kmip_put_bytes(b, parent, node->tag, KMIP_BYTE_STRING, (struct bytes){0});
    case KMIP_BIG_INTEGER:
        return kmip_put_bytes(b, parent, node->tag, KMIP_BIG_INTEGER, BYTES(zero));
    default: return kmip_put_num(b, parent, node->tag, (enum kmip_type)node->type, 0);
    }
}

static struct kmip_node *masked(struct kmip_build *b, struct kmip_node *parent,
                                const struct kmip_node *node)
{
    if (node->type != KMIP_STRUCTURE)
        return node->secret ? mask_value(b, parent, node) : kmip_put_copy(b, parent, 0, node);
    struct kmip_node *copy = kmip_put_struct(b, parent, node->tag);
    for (const struct kmip_node *child = node->first; child != NULL && copy != NULL;
         child = child->next)
        masked(b, copy, child);
    return copy;
}

struct kmip_node *kmip_masked(struct kmip_build *b, const struct kmip_node *root)
{
    return masked(b, NULL, root);
}

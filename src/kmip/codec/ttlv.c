#include "kmip/codec/decode.h"

/* KMIP 1.4, 9.1.1: three bytes of tag, one of type, four of length, the value, zeros to the next
 * multiple of eight. */

#define HEADER 8u

struct item {
    size_t offset; /* in the message, for errors */
    uint32_t tag;
    uint8_t type;
    uint32_t len;
    size_t padded;
};

static size_t padded(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

/* Length that the type asks for; 0 where it varies. */
static uint32_t fixed_len(uint8_t type)
{
    static const uint8_t lens[] = {
        [KMIP_INTEGER] = 4,
        [KMIP_LONG_INTEGER] = 8,
        [KMIP_ENUMERATION] = 4,
        [KMIP_BOOLEAN] = 8,
        [KMIP_DATE_TIME] = 8,
        [KMIP_INTERVAL] = 4,
        [KMIP_DATE_TIME_EXTENDED] = 8,
    };
    return lens[type];
}

static bool tag_ok(uint32_t tag)
{
    return tag >> 16 == 0x42 || tag >> 16 == 0x54;
}

enum err kmip_frame_len(struct bytes data, size_t max, size_t *ret_len)
{
    if (data.len < HEADER)
        return ERR_TRUNCATED;
    if (!tag_ok(be32_load(data.data) >> 8) || data.data[3] != KMIP_STRUCTURE)
        return ERR_SYNTAX;
    size_t len = be32_load(data.data + 4);
    if (len % 8 != 0)
        return ERR_SYNTAX;
    if (len > max || max - len < HEADER)
        return ERR_LIMIT;
    *ret_len = HEADER + len;
    return ERR_OK;
}

static enum err wrong(struct kmip_decoder *d, const struct item *item, enum err err,
                      const char *what)
{
    char name[16];
    return err_set(d->detail, err, "%s at byte %zu: %s (type %u, length %u)",
                   kmip_tag_name(item->tag, name), item->offset, what, item->type,
                   (unsigned)item->len);
}

static enum err read_header(struct kmip_decoder *d, const uint8_t *at, size_t left,
                            struct item *item)
{
    if (left < HEADER)
        return err_set(d->detail, ERR_TRUNCATED, "item at byte %zu: %zu bytes, 8 are wanted",
                       item->offset, left);
    item->tag = be32_load(at) >> 8;
    item->type = at[3];
    item->len = be32_load(at + 4);
    item->padded = padded(item->len);
    if (!tag_ok(item->tag))
        return wrong(d, item, ERR_SYNTAX, "not a tag");
    if (item->type < KMIP_STRUCTURE || item->type > KMIP_DATE_TIME_EXTENDED)
        return wrong(d, item, ERR_SYNTAX, "unknown type");
    if (fixed_len(item->type) != 0 && fixed_len(item->type) != item->len)
        return wrong(d, item, ERR_SYNTAX, "wrong length");
    if (item->type == KMIP_BIG_INTEGER && (item->len == 0 || item->len % 8 != 0))
        return wrong(d, item, ERR_SYNTAX, "length is no multiple of eight");
    if (item->type == KMIP_BIG_INTEGER && item->len > d->limits->big_integer)
        return wrong(d, item, ERR_LIMIT, "integer is too long");
    if (item->type == KMIP_STRUCTURE && item->len % 8 != 0)
        return wrong(d, item, ERR_SYNTAX, "length is no multiple of eight");
    if (item->padded > left - HEADER)
        return wrong(d, item, ERR_TRUNCATED, "reaches past the end");
    return ERR_OK;
}

static enum err read_value(struct kmip_decoder *d, const struct item *item, const uint8_t *value,
                           struct kmip_node *node)
{
    for (size_t i = item->len; i < item->padded; i++)
        if (value[i] != 0)
            return wrong(d, item, ERR_SYNTAX, "padding is not zero");
    switch ((enum kmip_type)item->type) {
    case KMIP_INTEGER: node->num = (int32_t)be32_load(value); return ERR_OK;
    case KMIP_ENUMERATION:
    case KMIP_INTERVAL: node->num = be32_load(value); return ERR_OK;
    case KMIP_LONG_INTEGER:
    case KMIP_DATE_TIME:
    case KMIP_DATE_TIME_EXTENDED: node->num = (int64_t)be64_load(value); return ERR_OK;
    case KMIP_BOOLEAN:
        node->num = (int64_t)be64_load(value);
        return node->num == 0 || node->num == 1 ? ERR_OK
                                                : wrong(d, item, ERR_SYNTAX, "neither 0 nor 1");
    case KMIP_TEXT_STRING:
        node->bytes = bytes_of(value, item->len);
        return kmip_decoder_text(d, node, node->bytes);
    case KMIP_BYTE_STRING:
    case KMIP_BIG_INTEGER: node->bytes = bytes_of(value, item->len); return ERR_OK;
    case KMIP_STRUCTURE: break;
    }
    return ERR_OK;
}

struct level {
    struct kmip_node *node;
    const uint8_t *end;
};

enum err kmip_ttlv_decode(struct kmip_decoder *d, struct bytes input)
{
    struct level levels[KMIP_DEPTH_MAX + 1] = {{.end = input.data + input.len}};
    if (d->limits->depth > KMIP_DEPTH_MAX)
        return ERR_ARGUMENT;
    uint32_t depth = 0;
    const uint8_t *at = input.data;
    do {
        struct item item = {.offset = (size_t)(at - input.data)};
        struct kmip_node *node = NULL;
        TRY(read_header(d, at, (size_t)(levels[depth].end - at), &item));
        TRY(kmip_decoder_add(d, levels[depth].node, depth, item.tag, item.type, &node));
        at += HEADER;
        if (item.type == KMIP_STRUCTURE) {
            levels[++depth] = (struct level){node, at + item.len};
        } else {
            TRY(read_value(d, &item, at, node));
            at += item.padded;
        }
        while (depth > 0 && at == levels[depth].end)
            depth--;
    } while (depth > 0);
    if (at != input.data + input.len)
        return err_set(d->detail, ERR_SYNTAX, "%zu bytes behind the message",
                       (size_t)(input.data + input.len - at));
    return ERR_OK;
}

static size_t value_len(const struct kmip_node *node)
{
    if (node->type != KMIP_STRUCTURE)
        return fixed_len(node->type) != 0 ? fixed_len(node->type) : node->bytes.len;
    size_t len = 0;
    for (const struct kmip_node *child = node->first; child != NULL; child = child->next)
        len += kmip_ttlv_len(child);
    return len;
}

size_t kmip_ttlv_len(const struct kmip_node *root)
{
    return HEADER + padded(value_len(root));
}

static uint8_t *write_number(uint8_t *at, const struct kmip_node *node, uint32_t len)
{
    if (len == 4) {
        be32_store(at, (uint32_t)node->num);
        be32_store(at + 4, 0);
    } else {
        be64_store(at, (uint64_t)node->num);
    }
    return at + 8;
}

/* `at` has room for all of it: the caller asked kmip_ttlv_len. */
static uint8_t *write_item(uint8_t *at, const struct kmip_node *node)
{
    uint8_t *length = at + 4;
    uint32_t fixed = fixed_len(node->type);
    be32_store(at, node->tag << 8 | node->type);
    at += HEADER;
    if (node->type == KMIP_STRUCTURE) {
        for (const struct kmip_node *child = node->first; child != NULL; child = child->next)
            at = write_item(at, child);
        be32_store(length, (uint32_t)(at - length - 4));
        return at;
    }
    if (fixed != 0) {
        be32_store(length, fixed);
        return write_number(at, node, fixed);
    }
    size_t len = node->bytes.len;
    be32_store(length, (uint32_t)len);
    if (len != 0)
        memcpy(at, node->bytes.data, len);
    memset(at + len, 0, padded(len) - len);
    return at + padded(len);
}

enum err kmip_ttlv_encode(const struct kmip_node *root, struct buf *out)
{
    size_t len = kmip_ttlv_len(root);
    if (len > UINT32_MAX)
        return ERR_LIMIT;
    TRY(buf_reserve(out, len));
    write_item(out->data + out->len, root);
    out->len += len;
    return ERR_OK;
}

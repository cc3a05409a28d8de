#include "kmip/codec/codec.h"

#include "kmip/codec/decode.h"

const struct kmip_limits kmip_limits_default = {
    .message = KMIP_MESSAGE_MAX_DEFAULT,
    .depth = KMIP_DEPTH_MAX,
    .items = KMIP_ITEMS_MAX,
    .batch = KMIP_BATCH_MAX,
    .text = KMIP_TEXT_MAX,
    .big_integer = KMIP_BIG_INTEGER_MAX,
};

enum err kmip_decoder_add(struct kmip_decoder *d, struct kmip_node *parent, uint32_t depth,
                          uint32_t tag, uint8_t type, struct kmip_node **ret_node)
{
    char name[16];
    if (depth > d->limits->depth || (depth == d->limits->depth && type == KMIP_STRUCTURE))
        return err_set(d->detail, ERR_LIMIT, "%s: more than %u structures deep",
                       kmip_tag_name(tag, name), (unsigned)d->limits->depth);
    if (++d->items > d->limits->items)
        return err_set(d->detail, ERR_LIMIT, "more than %u items", (unsigned)d->limits->items);
    if (tag == KMIP_TAG_BATCH_ITEM && depth == 1 && ++d->batch > d->limits->batch)
        return err_set(d->detail, ERR_LIMIT, "more than %u batch items",
                       (unsigned)d->limits->batch);
    struct kmip_node *node = arena_take(d->arena, sizeof *node);
    if (node == NULL)
        return err_set(d->detail, ERR_NO_MEMORY, "message takes too much memory");
    node->tag = tag;
    node->type = type;
    node->secret = (parent != NULL && parent->secret) || kmip_tag_secret(tag, type);
    if (parent != NULL)
        kmip_append(parent, node);
    else
        d->root = node;
    *ret_node = node;
    return ERR_OK;
}

/* Length of the sequence that begins at `at`, 0 where none is well-formed (RFC 3629, 4). */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = at[0];
    if (lead < 0x80)
        return lead == 0 ? 0 : 1;
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < len)
        return 0;
    uint32_t point = lead & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3f);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[len] || point > 0x10ffff || surrogate ? 0 : len;
}

bool kmip_is_utf8(struct bytes text)
{
    size_t at = 0;
    while (at < text.len) {
        size_t len = utf8_sequence(text.data + at, text.len - at);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

enum err kmip_decoder_text(struct kmip_decoder *d, const struct kmip_node *node, struct bytes text)
{
    char name[16];
    if (text.len > d->limits->text)
        return err_set(d->detail, ERR_LIMIT, "%s: text of %zu bytes",
                       kmip_tag_name(node->tag, name), text.len);
    if (!kmip_is_utf8(text))
        return err_set(d->detail, ERR_SYNTAX, "%s: not UTF-8", kmip_tag_name(node->tag, name));
    return ERR_OK;
}

enum err kmip_decode(enum kmip_format format, struct bytes input, const struct kmip_limits *limits,
                     struct arena *arena, struct kmip_node **ret_root, struct err_detail *detail)
{
    struct kmip_decoder d = {
        .limits = limits == NULL ? &kmip_limits_default : limits,
        .arena = arena,
        .detail = detail,
    };
    if (input.len > d.limits->message)
        return err_set(detail, ERR_LIMIT, "message of %zu bytes, at most %zu are taken", input.len,
                       d.limits->message);
    if (input.len == 0)
        return err_set(detail, ERR_TRUNCATED, "empty message");
    switch (format) {
    case KMIP_TTLV: TRY(kmip_ttlv_decode(&d, input)); break;
    case KMIP_JSON: TRY(kmip_json_decode(&d, input)); break;
    case KMIP_XML: TRY(kmip_xml_decode(&d, input)); break;
    }
    *ret_root = d.root;
    return ERR_OK;
}

enum err kmip_encode(enum kmip_format format, const struct kmip_node *root, struct buf *out)
{
    size_t before = out->len;
    enum err err = ERR_ARGUMENT;
    switch (format) {
    case KMIP_TTLV: err = kmip_ttlv_encode(root, out); break;
    case KMIP_JSON: err = kmip_json_encode(root, out); break;
    case KMIP_XML: err = kmip_xml_encode(root, out); break;
    }
    if (err != ERR_OK)
        out->len = before;
    return err;
}

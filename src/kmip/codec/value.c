#include "kmip/codec/value.h"

#include <inttypes.h>

#include "base/hex.h"

static const char *const type_names[] = {
    [KMIP_STRUCTURE] = "Structure",
    [KMIP_INTEGER] = "Integer",
    [KMIP_LONG_INTEGER] = "LongInteger",
    [KMIP_BIG_INTEGER] = "BigInteger",
    [KMIP_ENUMERATION] = "Enumeration",
    [KMIP_BOOLEAN] = "Boolean",
    [KMIP_TEXT_STRING] = "TextString",
    [KMIP_BYTE_STRING] = "ByteString",
    [KMIP_DATE_TIME] = "DateTime",
    [KMIP_INTERVAL] = "Interval",
    [KMIP_DATE_TIME_EXTENDED] = "DateTimeExtended",
};

const char *kmip_type_name(uint8_t type)
{
    return type >= KMIP_STRUCTURE && type < ARRAY_LEN(type_names) ? type_names[type] : NULL;
}

static bool is_text(struct bytes text, const char *other)
{
    return bytes_equal(text, bytes_str(other));
}

uint8_t kmip_type_named(struct bytes name)
{
    for (size_t type = KMIP_STRUCTURE; type < ARRAY_LEN(type_names); type++)
        if (is_text(name, type_names[type]))
            return (uint8_t)type;
    return 0;
}

/* Hex digits behind `0x`, at most `most` of them. */
static bool hex_number(struct bytes text, size_t most, uint64_t *ret_number)
{
    if (text.len < 3 || text.len > 2 + most || text.data[0] != '0' || text.data[1] != 'x')
        return false;
    uint64_t number = 0;
    for (size_t i = 2; i < text.len; i++) {
        uint8_t c = text.data[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)c - '0'
                         : c >= 'a' && c <= 'f' ? (unsigned)c - 'a' + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)c - 'A' + 10
                                                : 16;
        if (digit == 16)
            return false;
        number = number << 4 | digit;
    }
    *ret_number = number;
    return true;
}

static bool decimal(struct bytes text, int64_t *ret_number)
{
    size_t at = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    bool negative = at == 1 && text.data[0] == '-';
    if (at == text.len)
        return false;
    int64_t number = 0; /* kept negative, which reaches further */
    for (; at < text.len; at++) {
        if (text.data[at] < '0' || text.data[at] > '9' ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, text.data[at] - '0', &number))
            return false;
    }
    if (!negative && number == INT64_MIN)
        return false;
    *ret_number = negative ? number : -number;
    return true;
}

uint32_t kmip_tag_parse(struct bytes name)
{
    const struct kmip_tag_row *row = kmip_tag_named(name);
    if (row != NULL)
        return row->tag;
    uint64_t number = 0;
    char text[9] = "0";
    if (name.len == 7 && name.data[0] == 'x') { /* an XML name begins with no digit */
        memcpy(text + 1, name.data, name.len);
        name = bytes_str(text);
    }
    if (name.len != 8 || !hex_number(name, 6, &number))
        return 0;
    return number >> 16 == 0x42 || number >> 16 == 0x54 ? (uint32_t)number : 0;
}

const struct kmip_enum *kmip_values_of(const struct kmip_node *parent, uint32_t tag)
{
    const struct kmip_tag_row *row = NULL;
    if (tag == KMIP_TAG_ATTRIBUTE_VALUE) {
        row = kmip_attribute_value_row(parent);
    } else {
        row = kmip_tag_row(tag);
    }
    return row == NULL ? NULL : row->values;
}

static enum err wrong(struct kmip_decoder *d, const struct kmip_node *node, const char *what)
{
    char name[16];
    return err_set(d->detail, ERR_SYNTAX, "%s: not %s", kmip_tag_name(node->tag, name), what);
}

enum err kmip_value_number(struct kmip_decoder *d, struct kmip_node *node, int64_t number)
{
    switch ((enum kmip_type)node->type) {
    case KMIP_INTEGER:
        if (number < INT32_MIN || number > INT32_MAX)
            return wrong(d, node, "an integer of 32 bits");
        break;
    case KMIP_ENUMERATION:
    case KMIP_INTERVAL:
        if (number < 0 || number > UINT32_MAX)
            return wrong(d, node, "a number of 32 bits without sign");
        break;
    case KMIP_LONG_INTEGER:
    case KMIP_DATE_TIME:
    case KMIP_DATE_TIME_EXTENDED: break;
    case KMIP_BIG_INTEGER: {
        uint8_t *bytes = arena_take(d->arena, sizeof number);
        if (bytes == NULL)
            return err_set(d->detail, ERR_NO_MEMORY, "message takes too much memory");
        be64_store(bytes, (uint64_t)number);
        node->bytes = bytes_of(bytes, sizeof number);
        return ERR_OK;
    }
    case KMIP_STRUCTURE:
    case KMIP_BOOLEAN:
    case KMIP_TEXT_STRING:
    case KMIP_BYTE_STRING: return wrong(d, node, "a value of its type");
    }
    node->num = number;
    return ERR_OK;
}

static enum err parse_number(struct kmip_decoder *d, struct kmip_node *node, struct bytes text)
{
    uint64_t bits = 0;
    int64_t number = 0;
    bool wide = node->type != KMIP_INTEGER && node->type != KMIP_INTERVAL;
    if (hex_number(text, wide ? 16 : 8, &bits)) {
        node->num = node->type == KMIP_INTEGER ? (int32_t)(uint32_t)bits : (int64_t)bits;
        return ERR_OK;
    }
    if (!decimal(text, &number))
        return wrong(d, node, "a number");
    return kmip_value_number(d, node, number);
}

/* Names and 0x numbers with blanks or '|' between them. */
static enum err parse_mask(struct kmip_decoder *d, const struct kmip_enum *values,
                           struct kmip_node *node, struct bytes text)
{
    uint32_t mask = 0;
    size_t at = 0;
    size_t parts = 0;
    while (at < text.len) {
        size_t from = at;
        while (at < text.len && text.data[at] != ' ' && text.data[at] != '|')
            at++;
        struct bytes part = bytes_of(text.data + from, at - from);
        at++;
        if (part.len == 0)
            continue;
        uint64_t bits = 0;
        const struct kmip_enum_value *value = kmip_enum_named(values, part);
        if (value != NULL)
            bits = value->value;
        else if (!hex_number(part, 8, &bits))
            return wrong(d, node, "a list of values of its mask");
        mask |= (uint32_t)bits;
        parts++;
    }
    if (parts == 0)
        return wrong(d, node, "a number or a list of values");
    node->num = (int32_t)mask;
    return ERR_OK;
}

static enum err parse_enum(struct kmip_decoder *d, const struct kmip_enum *values,
                           struct kmip_node *node, struct bytes text)
{
    uint64_t bits = 0;
    int64_t number = 0;
    const struct kmip_enum_value *value = kmip_enum_named(values, text);
    if (value != NULL)
        node->num = value->value;
    else if (hex_number(text, 8, &bits))
        node->num = (int64_t)bits;
    else if (decimal(text, &number) && number >= 0 && number <= UINT32_MAX)
        node->num = number;
    else
        return wrong(d, node, "a value of its enumeration");
    return ERR_OK;
}

static enum err parse_bool(struct kmip_decoder *d, struct kmip_node *node, struct bytes text)
{
    uint64_t bits = 2;
    if (is_text(text, "true") || is_text(text, "1"))
        bits = 1;
    else if (is_text(text, "false") || is_text(text, "0"))
        bits = 0;
    else if (!hex_number(text, 16, &bits) || bits > 1)
        return wrong(d, node, "a truth value");
    node->num = (int64_t)bits;
    return ERR_OK;
}

static enum err parse_date(struct kmip_decoder *d, struct kmip_node *node, struct bytes text)
{
    uint64_t bits = 0;
    int64_t seconds = 0;
    uint32_t micros = 0;
    if (hex_number(text, 16, &bits))
        node->num = (int64_t)bits;
    else if (!kmip_date_parse(text, &seconds, &micros))
        return wrong(d, node, "a date");
    else if (node->type == KMIP_DATE_TIME)
        node->num = seconds;
    else if (__builtin_mul_overflow(seconds, INT64_C(1000000), &node->num) ||
             __builtin_add_overflow(node->num, (int64_t)micros, &node->num))
        return wrong(d, node, "a date that can be counted in microseconds");
    return ERR_OK;
}

static enum err parse_bytes(struct kmip_decoder *d, struct kmip_node *node, struct bytes text)
{
    bool number = node->type == KMIP_BIG_INTEGER;
    if (number && text.len >= 2 && text.data[0] == '0' && text.data[1] == 'x')
        text = bytes_of(text.data + 2, text.len - 2);
    size_t len = text.len / 2;
    if (number && len > d->limits->big_integer)
        return err_set(d->detail, ERR_LIMIT, "integer of %zu bytes", len);
    if (number && (len == 0 || len % 8 != 0))
        return wrong(d, node, "a number of a multiple of eight bytes");
    uint8_t *bytes = arena_take(d->arena, len + 1);
    if (bytes == NULL)
        return err_set(d->detail, ERR_NO_MEMORY, "message takes too much memory");
    if (hex_decode(text, bytes, len, &len) != ERR_OK)
        return wrong(d, node, "pairs of hex digits");
    node->bytes = bytes_of(bytes, len);
    return ERR_OK;
}

static enum err parse_text(struct kmip_decoder *d, struct kmip_node *node, struct bytes text)
{
    TRY(kmip_decoder_text(d, node, text));
    const char *copy = arena_strndup(d->arena, text.data, text.len);
    if (copy == NULL)
        return err_set(d->detail, ERR_NO_MEMORY, "message takes too much memory");
    node->bytes = bytes_of(copy, text.len);
    return ERR_OK;
}

enum err kmip_value_parse(struct kmip_decoder *d, const struct kmip_node *parent,
                          struct kmip_node *node, struct bytes text)
{
    const struct kmip_enum *values = NULL;
    int64_t number = 0;
    switch ((enum kmip_type)node->type) {
    case KMIP_INTEGER:
        values = kmip_values_of(parent, node->tag);
        if (values != NULL && values->mask && !decimal(text, &number))
            return parse_mask(d, values, node, text);
        return parse_number(d, node, text);
    case KMIP_LONG_INTEGER:
    case KMIP_INTERVAL: return parse_number(d, node, text);
    case KMIP_ENUMERATION: return parse_enum(d, kmip_values_of(parent, node->tag), node, text);
    case KMIP_BOOLEAN: return parse_bool(d, node, text);
    case KMIP_DATE_TIME:
    case KMIP_DATE_TIME_EXTENDED: return parse_date(d, node, text);
    case KMIP_TEXT_STRING: return parse_text(d, node, text);
    case KMIP_BYTE_STRING:
    case KMIP_BIG_INTEGER: return parse_bytes(d, node, text);
    case KMIP_STRUCTURE: break;
    }
    return wrong(d, node, "a value");
}

static enum err format_mask(const struct kmip_enum *values, uint32_t mask, char separator,
                            struct buf *out)
{
    const char *between = "";
    const char blank[2] = {separator, 0};
    for (size_t i = 0; i < values->count && mask != 0; i++) {
        const struct kmip_enum_value *value = &values->values[i];
        if ((mask & value->value) == 0)
            continue;
        TRY(buf_printf(out, "%s%s", between, value->name));
        mask &= ~value->value;
        between = blank;
    }
    return mask == 0 ? ERR_OK : buf_printf(out, "%s0x%08" PRIx32, between, mask);
}

static enum err format_hex(struct bytes bytes, struct buf *out)
{
    TRY(buf_reserve(out, 2 * bytes.len + 1));
    hex_encode(bytes, (char *)out->data + out->len);
    out->len += 2 * bytes.len;
    return ERR_OK;
}

static enum err format_date(const struct kmip_node *node, struct buf *out)
{
    char text[40];
    int64_t seconds = node->num;
    int32_t micros = -1;
    if (node->type == KMIP_DATE_TIME_EXTENDED) {
        micros = (int32_t)(seconds % 1000000);
        seconds = seconds / 1000000 - (micros < 0);
        micros += micros < 0 ? 1000000 : 0;
    }
    if (kmip_date_format(seconds, micros, text))
        return buf_append(out, bytes_str(text));
    return buf_printf(out, "0x%016" PRIx64, (uint64_t)node->num);
}

enum err kmip_value_format(const struct kmip_node *parent, const struct kmip_node *node,
                           char separator, struct buf *out)
{
    const struct kmip_enum *values = NULL;
    const struct kmip_enum_value *value = NULL;
    switch ((enum kmip_type)node->type) {
    case KMIP_INTEGER:
        values = kmip_values_of(parent, node->tag);
        if (values != NULL && values->mask && node->num != 0)
            return format_mask(values, (uint32_t)node->num, separator, out);
        return buf_printf(out, "%" PRId64, node->num);
    case KMIP_LONG_INTEGER:
    case KMIP_INTERVAL: return buf_printf(out, "%" PRId64, node->num);
    case KMIP_ENUMERATION:
        values = kmip_values_of(parent, node->tag);
        value = values != NULL && values->mask ? NULL : kmip_enum_row(values, (uint32_t)node->num);
        if (value != NULL)
            return buf_append(out, bytes_str(value->name));
        return buf_printf(out, "0x%08" PRIx32, (uint32_t)node->num);
    case KMIP_BOOLEAN: return buf_append(out, bytes_str(node->num != 0 ? "true" : "false"));
    case KMIP_DATE_TIME:
    case KMIP_DATE_TIME_EXTENDED: return format_date(node, out);
    case KMIP_BYTE_STRING:
    case KMIP_BIG_INTEGER: return format_hex(node->bytes, out);
    case KMIP_TEXT_STRING:
    case KMIP_STRUCTURE: break;
    }
    return ERR_ARGUMENT;
}

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "kmip/codec/print.h"
#include "kmip/codec/table.h"
#include "kmip/codec/value.h"
#include "kmipc/kmipc.h"

/* Names and values as people write them. */

#define TAG_FIRST 0x420001u
#define TAG_LAST  0x420fffu
#define DEPTH_MAX 8u

uint32_t kmipc_tag(const char *name)
{
    if (kmip_same_name(name, "")) /* no word in it */
        return 0;
    const struct kmip_tag_row *exact = kmip_tag_named(bytes_str(name));
    if (exact != NULL)
        return exact->tag;
    for (uint32_t tag = TAG_FIRST; tag <= TAG_LAST; tag++) {
        const struct kmip_tag_row *row = kmip_tag_row(tag);
        if (row != NULL && (kmip_same_name(row->name, name) || kmip_same_name(row->title, name)))
            return tag;
    }
    return 0;
}

static bool number_of(const char *text, uint32_t *ret_number)
{
    char *end = NULL;
    errno = 0;
    bool hex = text[0] == '0' && (text[1] | 32) == 'x';
    unsigned long long number = strtoull(text, &end, hex ? 16 : 10);
    if (isdigit((unsigned char)*text) == 0 || *end != '\0' || errno != 0 || number > UINT32_MAX)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static bool find_value(const struct kmip_enum *values, const char *name, uint32_t *ret_value)
{
    const struct kmip_enum_value *exact = kmip_enum_named(values, bytes_str(name));
    for (uint16_t i = 0; i < values->count && exact == NULL; i++) {
        const struct kmip_enum_value *value = &values->values[i];
        if (kmip_same_name(value->name, name) || kmip_same_name(value->title, name))
            exact = value;
    }
    if (exact != NULL)
        *ret_value = exact->value;
    return exact != NULL;
}

enum err kmipc_enum(struct ckmip *kmip, uint32_t tag, const char *name, uint32_t *ret_value)
{
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    /* a name first: "3DES" begins like a number */
    if (row != NULL && row->values != NULL && find_value(row->values, name, ret_value))
        return ERR_OK;
    if (number_of(name, ret_value))
        return ERR_OK;
    return err_set(&kmip->detail, ERR_ARGUMENT, "'%.64s' is no %s", name,
                   row != NULL ? row->title : "value");
}

enum err kmipc_put_name(struct kmipc_call *call, struct kmip_node *parent, uint32_t tag,
                        const char *name)
{
    uint32_t value = 0;
    if (name == NULL || *name == '\0')
        return ERR_OK;
    TRY(kmipc_enum(call->kmip, tag, name, &value));
    (void)kmip_put_enum(&call->build, parent, tag, value);
    return ERR_OK;
}

/* ---- values ---- */

/* "Encrypt|Decrypt", "Encrypt, Derive Key". */
static enum err parse_mask(struct kmipc_call *call, uint32_t tag, const char *text,
                           uint32_t *ret_mask)
{
    char word[64];
    uint32_t mask = 0, bit = 0;
    while (*(text += strspn(text, "|, ")) != '\0') {
        size_t len = strcspn(text, "|,");
        if (len >= sizeof word)
            return err_set(&call->kmip->detail, ERR_ARGUMENT, "'%.64s' is too long", text);
        memcpy(word, text, len);
        word[len] = '\0';
        TRY(kmipc_enum(call->kmip, tag, word, &bit));
        mask |= bit;
        text += len;
    }
    *ret_mask = mask;
    return ERR_OK;
}

static enum err parse_plain(struct kmipc_call *call, struct kmip_node *parent, uint32_t as,
                            uint32_t tag, uint8_t type, const char *text)
{
    struct ckmip *kmip = call->kmip;
    char *end = NULL;
    struct kmip_node *node = kmip_put_num(&call->build, parent, as, (enum kmip_type)type, 0);
    if (node == NULL)
        return ERR_NO_MEMORY;
    errno = 0;
    long long seconds = strtoll(text, &end, 10);
    if (type == KMIP_DATE_TIME && end != text && *end == '\0' && errno == 0) {
        node->num = seconds;
        return ERR_OK;
    }
    struct kmip_decoder decoder = {
        .limits = &kmip_limits_default, .arena = kmip->arena, .detail = &kmip->detail};
    uint32_t shown = node->tag;
    node->tag = tag; /* what an error names */
    enum err err = kmip_value_parse(&decoder, NULL, node, bytes_str(text));
    node->tag = shown;
    return err == ERR_SYNTAX ? ERR_ARGUMENT : err;
}

static enum err put_any(struct kmipc_call *call, struct kmip_node *parent, uint32_t as,
                        uint32_t tag, const char *value, unsigned depth);

/* The next member of "A=1, B={C=2}, D=\"x, y\"": its name and value, in the arena. */
static enum err next_member(struct kmipc_call *call, const char **at, const char **ret_name,
                            const char **ret_value)
{
    struct ckmip *kmip = call->kmip;
    const char *name = *at + strspn(*at, " ,"), *equals = strchr(name, '=');
    if (equals == NULL || equals == name)
        return err_set(&kmip->detail, ERR_ARGUMENT, "'%.64s': Member=value is wanted", name);
    const char *value = equals + 1 + strspn(equals + 1, " "), *end;
    if (*value == '"') {
        end = strchr(++value, '"');
    } else if (*value == '{') {
        unsigned open = 1;
        for (end = ++value; *end != '\0' && open != 0; end++)
            open += (*end == '{' ? 1u : 0u) - (*end == '}' ? 1u : 0u);
        end = open == 0 ? end - 1 : NULL;
    } else {
        end = value + strcspn(value, ",");
    }
    if (end == NULL)
        return err_set(&kmip->detail, ERR_ARGUMENT, "'%.64s' has no end", value);
    *at = end + (*end == '"' || *end == '}');
    while (end > value && end[-1] == ' ')
        end--;
    *ret_name = arena_strndup(kmip->arena, name, (size_t)(equals - name));
    *ret_value = arena_strndup(kmip->arena, value, (size_t)(end - value));
    return *ret_name != NULL && *ret_value != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err put_members(struct kmipc_call *call, struct kmip_node *node, const char *text,
                            unsigned depth)
{
    const char *name = NULL, *value = NULL;
    while (*(text += strspn(text, " ,")) != '\0') {
        TRY(next_member(call, &text, &name, &value));
        uint32_t tag = kmipc_tag(name);
        if (tag == 0)
            return err_set(&call->kmip->detail, ERR_ARGUMENT, "'%.64s' is no member's name", name);
        TRY(put_any(call, node, tag, tag, value, depth + 1));
    }
    return ERR_OK;
}

/* Structures whose text alone says enough: Name and Alternative Name, uninterpreted. */
static bool put_short(struct kmip_build *b, struct kmip_node *node, uint32_t tag, const char *text)
{
    if (tag == KMIP_TAG_NAME) {
        (void)kmip_put_text(b, node, KMIP_TAG_NAME_VALUE, text);
        (void)kmip_put_enum(b, node, KMIP_TAG_NAME_TYPE, KMIP_NAME_TYPE_UNINTERPRETED_TEXT_STRING);
        return true;
    }
    if (tag != KMIP_TAG_ALTERNATIVE_NAME)
        return false;
    (void)kmip_put_text(b, node, KMIP_TAG_ALTERNATIVE_NAME_VALUE, text);
    (void)kmip_put_enum(b, node, KMIP_TAG_ALTERNATIVE_NAME_TYPE,
                        KMIP_ALTERNATIVE_NAME_TYPE_UNINTERPRETED_TEXT_STRING);
    return true;
}

static enum err put_any(struct kmipc_call *call, struct kmip_node *parent, uint32_t as,
                        uint32_t tag, const char *value, unsigned depth)
{
    struct kmip_build *b = &call->build;
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    uint8_t type = row != NULL ? row->type : 0;
    uint32_t number = 0;
    if (type == 0)
        type = strchr(value, '=') != NULL ? KMIP_STRUCTURE : KMIP_TEXT_STRING;
    if (type == KMIP_TEXT_STRING) {
        (void)kmip_put_text(b, parent, as, value);
    } else if (type == KMIP_ENUMERATION) {
        TRY(kmipc_enum(call->kmip, tag, value, &number));
        (void)kmip_put_enum(b, parent, as, number);
    } else if (type == KMIP_INTEGER && row->values != NULL) {
        TRY(parse_mask(call, tag, value, &number));
        (void)kmip_put_int(b, parent, as, (int32_t)number);
    } else if (type == KMIP_STRUCTURE) {
        if (depth >= DEPTH_MAX)
            return err_set(&call->kmip->detail, ERR_ARGUMENT, "more than %u levels", DEPTH_MAX);
        struct kmip_node *node = kmip_put_struct(b, parent, as);
        if (strchr(value, '=') == NULL && put_short(b, node, tag, value))
            return b->err;
        return put_members(call, node, value, depth);
    } else {
        return parse_plain(call, parent, as, tag, type, value);
    }
    return b->err;
}

enum err kmipc_put_value(struct kmipc_call *call, struct kmip_node *parent, uint32_t as,
                         uint32_t tag, const char *value)
{
    return put_any(call, parent, as, tag, value, 0);
}

enum err kmipc_put_custom(struct kmipc_call *call, struct kmip_node *parent, const char *value)
{
    const char *colon = strchr(value, ':');
    uint8_t type = colon != NULL ? kmip_type_named(bytes_of(value, (size_t)(colon - value))) : 0;
    if (type == KMIP_TEXT_STRING)
        value = colon + 1;
    if (type > KMIP_STRUCTURE && type != KMIP_TEXT_STRING)
        return parse_plain(call, parent, KMIP_TAG_ATTRIBUTE_VALUE, KMIP_TAG_ATTRIBUTE_VALUE, type,
                           colon + 1);
    (void)kmip_put_text(&call->build, parent, KMIP_TAG_ATTRIBUTE_VALUE, value);
    return call->build.err;
}

/* ---- back to text ---- */

enum err kmipc_format(const struct kmip_node *parent, const struct kmip_node *node, struct buf *to)
{
    return kmip_print_value(parent, node, (struct kmip_print_how){.clear = true}, to);
}

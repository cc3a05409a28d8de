#include "kmip/attr/show.h"

#include <stdio.h>

#include "kmip/attr/rules.h"
#include "kmip/codec/print.h"
#include "kmip/codec/table.h"

bool kmip_show_is(const struct kmip_attr *attr)
{
    return kmip_attr_exists(attr->tag) && !kmip_tag_secret(attr->tag, attr->value->type);
}

enum err kmip_show_name(const struct kmip_attr *attr, struct buf *to)
{
    char text[16];
    if (attr->tag == KMIP_ATTR_CUSTOM) {
        if (attr->vendor.len != 0) {
            TRY(buf_append(to, attr->vendor));
            TRY(buf_append(to, bytes_str("-")));
        }
        return buf_append(to, attr->name);
    }
    const struct kmip_attribute_row *row = kmip_attribute_row(attr->tag);
    return buf_append(to, bytes_str(row != NULL ? row->name : kmip_tag_name(attr->tag, text)));
}

static bool guessable(uint32_t object_type)
{
    return object_type != KMIP_OBJECT_CERTIFICATE && object_type != KMIP_OBJECT_PUBLIC_KEY &&
           object_type != KMIP_OBJECT_CERTIFICATE_REQUEST;
}

enum err kmip_show_value(const struct kmip_attr *attr, uint32_t object_type, size_t max,
                         struct buf *to)
{
    struct kmip_node *digest = kmip_child(attr->value, KMIP_TAG_DIGEST_VALUE);
    if (attr->tag == KMIP_TAG_DIGEST && digest != NULL && guessable(object_type))
        digest->secret = true;
    return kmip_print_value(NULL, attr->value, (struct kmip_print_how){.value_max = max}, to);
}

const char *kmip_show_enum(uint32_t tag, uint32_t value, char text[16])
{
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    const struct kmip_enum_value *named =
        row != NULL && row->values != NULL ? kmip_enum_row(row->values, value) : NULL;
    if (named != NULL)
        return named->title;
    (void)snprintf(text, 16, "0x%08x", value);
    return text;
}

bool kmip_show_enum_find(uint32_t tag, const char *name, uint32_t *ret_value)
{
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    for (uint16_t i = 0; row != NULL && row->values != NULL && i < row->values->count; i++) {
        const struct kmip_enum_value *value = &row->values->values[i];
        if (kmip_same_name(value->title, name) || kmip_same_name(value->name, name)) {
            *ret_value = value->value;
            return true;
        }
    }
    return false;
}

bool kmip_show_indexed_name(uint32_t attribute, struct bytes value, struct bytes *ret_name,
                            bool *ret_cut)
{
    if (attribute != KMIP_TAG_NAME)
        return false;
    /* the one without its type: what is longer stands there once, without any */
    *ret_cut = value.len == VAULT_KEY_MAX && value.data[0] != 0;
    if (*ret_cut)
        *ret_name = bytes_of(value.data, VAULT_KEY_CUT);
    else if (value.len > 0 && value.data[0] == 0)
        *ret_name = bytes_of(value.data + 1, value.len - 1);
    else
        return false;
    return true;
}

static struct vault_term term_of(enum vault_compare compare, uint32_t tag, struct bytes value)
{
    return (struct vault_term){.compare = compare, .key = vault_key_bytes(tag, value)};
}

size_t kmip_show_search(struct bytes text, struct vault_term terms[KMIP_SHOW_TERMS])
{
    static const uint32_t tags[] = {KMIP_TAG_NAME, KMIP_TAG_ALTERNATIVE_NAME};
    uint8_t typed[VAULT_KEY_MAX] = {0};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (text.len + 1 <= sizeof typed) {
            if (text.len > 0)
                memcpy(typed + 1, text.data, text.len);
            terms[count++] = term_of(VAULT_PREFIX, tags[i], bytes_of(typed, text.len + 1));
        }
        if (text.len > 0 && text.len <= VAULT_KEY_CUT)
            terms[count++] = term_of(VAULT_PREFIX, tags[i], text);
        else if (text.len >= VAULT_KEY_MAX)
            terms[count++] = term_of(VAULT_EQUAL, tags[i], text);
    }
    return count;
}

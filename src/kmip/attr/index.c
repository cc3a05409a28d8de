#include "kmip/attr/index.h"

#include "kmip/attr/rules.h"
#include "kmip/codec/table.h"

/* Entries that are kept for what an object has once, by rank its dates and kinds: one that is full
 * of a client's attributes can still be revoked and destroyed. */
#define OWN_KEYS 16
#define OWN_RANK 4

/* Attributes with entries; how few objects one value has, as a guess. */
static unsigned rank(uint32_t tag)
{
    switch (tag) {
    case KMIP_TAG_NAME:
    case KMIP_TAG_ALTERNATIVE_NAME:
    case KMIP_TAG_LINK:
    case KMIP_TAG_X_509_CERTIFICATE_IDENTIFIER:
    case KMIP_TAG_KEY_VALUE_LOCATION: return 1;
    case KMIP_TAG_APPLICATION_SPECIFIC_INFORMATION:
    case KMIP_TAG_CERTIFICATE_SUBJECT_CN:
    case KMIP_TAG_CERTIFICATE_SUBJECT_SERIAL_NUMBER:
    case KMIP_TAG_CERTIFICATE_SUBJECT_EMAIL:
    case KMIP_TAG_CERTIFICATE_SUBJECT_UID:
    case KMIP_TAG_ROTATE_NAME: return 2;
    case KMIP_ATTR_CUSTOM:
    case KMIP_TAG_OBJECT_GROUP:
    case KMIP_TAG_CONTACT_INFORMATION:
    case KMIP_TAG_DESCRIPTION:
    case KMIP_TAG_COMMENT:
    case KMIP_TAG_PKCS_12_FRIENDLY_NAME:
    case KMIP_TAG_CERTIFICATE_ISSUER_CN:
    case KMIP_TAG_X_509_CERTIFICATE_SUBJECT:
    case KMIP_TAG_X_509_CERTIFICATE_ISSUER: return 3;
    case KMIP_TAG_ACTIVATION_DATE:
    case KMIP_TAG_PROCESS_START_DATE:
    case KMIP_TAG_PROTECT_STOP_DATE:
    case KMIP_TAG_DEACTIVATION_DATE:
    case KMIP_TAG_DESTROY_DATE:
    case KMIP_TAG_COMPROMISE_DATE:
    case KMIP_TAG_COMPROMISE_OCCURRENCE_DATE:
    case KMIP_TAG_ARCHIVE_DATE:
    case KMIP_TAG_INITIAL_DATE: return 4;
    case KMIP_TAG_STATE:
    case KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM:
    case KMIP_TAG_OBJECT_TYPE: return 5;
    default: return 0;
    }
}

unsigned kmip_attr_selectivity(const struct kmip_attr *filter)
{
    const unsigned value = rank(filter->tag);
    return value != 0 ? value : 9;
}

static bool is_number(const struct kmip_node *node)
{
    return node->type != KMIP_TEXT_STRING && node->type != KMIP_BYTE_STRING &&
           node->type != KMIP_BIG_INTEGER && node->type != KMIP_STRUCTURE;
}

/* The fields of a structure that have an entry each: its text and byte strings. */
static bool field_counts(const struct kmip_node *field)
{
    return field->type == KMIP_TEXT_STRING || field->type == KMIP_BYTE_STRING;
}

static struct vault_key field_key(uint32_t tag, const struct kmip_node *field)
{
    /* one byte tells fields of one attribute apart; the value keeps its place for prefixes */
    uint8_t text[VAULT_KEY_MAX];
    struct bytes value = field->bytes;
    if (value.len + 1 <= sizeof(text)) {
        text[0] = (uint8_t)field->tag;
        if (value.len > 0)
            memcpy(text + 1, value.data, value.len);
        return vault_key_bytes(tag, bytes_of(text, value.len + 1));
    }
    return vault_key_bytes(tag, value);
}

static bool add(struct vault_key *keys, size_t max, size_t *count, struct vault_key key)
{
    for (size_t i = 0; i < *count; i++)
        if (keys[i].attribute == key.attribute && keys[i].len == key.len &&
            memcmp(keys[i].value, key.value, key.len) == 0)
            return true;
    if (*count >= max)
        return false;
    keys[(*count)++] = key;
    return true;
}

/* "vendor", NUL, "name" in `to`: how the index knows a custom attribute. */
static struct bytes custom_name(const struct kmip_attr *attr, uint8_t to[192])
{
    const size_t vendor = attr->vendor.len < 64 ? attr->vendor.len : 64;
    const size_t name = attr->name.len < 127 ? attr->name.len : 127;
    memcpy(to, attr->vendor.data, vendor);
    to[vendor] = 0;
    memcpy(to + vendor + 1, attr->name.data, name);
    return bytes_of(to, vendor + 1 + name);
}

/* Name and Alternative Name: value with its type, exactly what clients ask for. `type` 0: any. */
static struct vault_key name_key(uint32_t tag, struct bytes value, uint32_t type)
{
    uint8_t text[VAULT_KEY_MAX];
    if (value.len + 1 > sizeof(text))
        return vault_key_bytes(tag, value);
    text[0] = (uint8_t)type;
    if (value.len > 0)
        memcpy(text + 1, value.data, value.len);
    return vault_key_bytes(tag, bytes_of(text, value.len + 1));
}

static bool is_name(uint32_t tag)
{
    return tag == KMIP_TAG_NAME || tag == KMIP_TAG_ALTERNATIVE_NAME;
}

static struct bytes name_value(const struct kmip_node *value, uint32_t *ret_type)
{
    const bool name = value->tag == KMIP_TAG_NAME;
    *ret_type = kmip_enum(value, name ? KMIP_TAG_NAME_TYPE : KMIP_TAG_ALTERNATIVE_NAME_TYPE, 0);
    return kmip_bytes(value, name ? KMIP_TAG_NAME_VALUE : KMIP_TAG_ALTERNATIVE_NAME_VALUE);
}

static bool keys_of(const struct kmip_attr *attr, struct vault_key *keys, size_t max, size_t *count)
{
    const struct kmip_node *value = attr->value;
    if (attr->tag == KMIP_ATTR_CUSTOM) {
        uint8_t text[192];
        const struct bytes name = custom_name(attr, text);
        if (value->type == KMIP_STRUCTURE)
            return true;
        return add(keys, max, count,
                   is_number(value) ? vault_key_custom_number(name, value->num)
                                    : vault_key_custom(name, value->bytes));
    }
    if (is_name(attr->tag)) {
        uint32_t type = 0;
        const struct bytes text = name_value(value, &type);
        return text.data == NULL || (add(keys, max, count, name_key(attr->tag, text, 0)) &&
                                     add(keys, max, count, name_key(attr->tag, text, type)));
    }
    if (value->type == KMIP_STRUCTURE) {
        for (const struct kmip_node *field = value->first; field != NULL; field = field->next)
            if (field_counts(field) && !add(keys, max, count, field_key(attr->tag, field)))
                return false;
        return true;
    }
    return add(keys, max, count,
               is_number(value) ? vault_key_number(attr->tag, value->num)
                                : vault_key_bytes(attr->tag, value->bytes));
}

enum err kmip_attr_keys(const struct kmip_attrs *attrs, struct vault_key **ret_keys,
                        size_t *ret_count)
{
    size_t room = 0;
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (rank(a->tag) != 0)
            room += a->value->type == KMIP_STRUCTURE ? a->value->count : 1;
    if (room > VAULT_KEYS_MAX)
        room = VAULT_KEYS_MAX;
    const size_t theirs = room < VAULT_KEYS_MAX - OWN_KEYS ? room : VAULT_KEYS_MAX - OWN_KEYS;
    struct vault_key *keys = arena_take(attrs->arena, (room + 1) * sizeof(*keys));
    if (keys == NULL)
        return ERR_NO_MEMORY;
    size_t count = 0;
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (rank(a->tag) != 0 && rank(a->tag) < OWN_RANK && !keys_of(a, keys, theirs, &count))
            return ERR_LIMIT;
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        /* the vault keeps the entry of State itself */
        if (rank(a->tag) >= OWN_RANK && a->tag != KMIP_TAG_STATE && !keys_of(a, keys, room, &count))
            return ERR_LIMIT;
    *ret_keys = keys;
    *ret_count = count;
    return ERR_OK;
}

bool kmip_attr_terms(const struct kmip_attr *filter, struct vault_term *terms, size_t *count)
{
    struct vault_key keys[KMIP_TERMS_MAX];
    size_t found = 0;
    if (is_name(filter->tag)) {
        uint32_t type = 0;
        const struct bytes text = name_value(filter->value, &type);
        if (text.data == NULL)
            return false;
        terms[(*count)++] =
            (struct vault_term){.compare = VAULT_EQUAL, .key = name_key(filter->tag, text, type)};
        /* of what is too long for the entry the type is not in it */
        return text.len + 1 <= VAULT_KEY_MAX || type == 0;
    }
    if (rank(filter->tag) == 0 || !keys_of(filter, keys, KMIP_TERMS_MAX, &found))
        return false;
    for (size_t i = 0; i < found; i++)
        terms[(*count)++] = (struct vault_term){.compare = VAULT_EQUAL, .key = keys[i]};
    /* fields without entries, and fields that could be of two instances, are compared afterwards */
    return filter->value->type != KMIP_STRUCTURE && found > 0 && filter->tag != KMIP_ATTR_CUSTOM;
}

/* Every field of the filter is in the value with the same content. */
static bool value_matches(uint32_t tag, const struct kmip_node *value,
                          const struct kmip_node *filter)
{
    if (filter->type == KMIP_STRUCTURE) {
        for (const struct kmip_node *field = filter->first; field != NULL; field = field->next) {
            const struct kmip_node *other = kmip_child(value, field->tag);
            for (; other != NULL && !value_matches(field->tag, other, field);
                 other = kmip_again(other))
                ;
            if (other == NULL)
                return false;
        }
        return value->type == KMIP_STRUCTURE;
    }
    if (value->type != filter->type)
        return false;
    switch (tag) {
    case KMIP_TAG_CRYPTOGRAPHIC_USAGE_MASK: /* may have more bits */
        return ((uint64_t)value->num & (uint64_t)filter->num) == (uint64_t)filter->num;
    case KMIP_TAG_USAGE_LIMITS_TOTAL:
    case KMIP_TAG_USAGE_LIMITS_COUNT: /* that much or more */ return value->num >= filter->num;
    default:
        return is_number(filter) ? value->num == filter->num
                                 : bytes_equal(value->bytes, filter->bytes);
    }
}

bool kmip_attr_matches(const struct kmip_attrs *attrs, const struct kmip_attr *filter)
{
    const struct kmip_attr_ref ref = {filter->tag, filter->vendor, filter->name};
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (kmip_attr_is(a, &ref) && value_matches(filter->tag, a->value, filter->value))
            return true;
    return false;
}

#include "kmip/codec/table.h"

#include <ctype.h>
#include <stdio.h>

#include "kmip/codec/table_rows.h"

#define TAG_FIRST 0x420000u

const struct kmip_tag_row *kmip_tag_row(uint32_t tag)
{
    uint32_t place = tag - TAG_FIRST; /* wraps for what lies before */
    if (place >= kmip_tag_places_count || kmip_tag_places[place] == 0)
        return NULL;
    return &kmip_tag_rows[kmip_tag_places[place] - 1];
}

/* FNV-1a, as hash_name in tools/gen_kmip.py. */
static uint32_t kmip_hash(struct bytes name)
{
    uint32_t hash = 0x811c9dc5u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.data[i]) * 0x01000193u;
    return hash;
}

static bool is_text(struct bytes name, const char *text)
{
    return strlen(text) == name.len && (name.len == 0 || memcmp(text, name.data, name.len) == 0);
}

const struct kmip_tag_row *kmip_tag_named(struct bytes name)
{
    uint32_t mask = kmip_tag_names_size - 1;
    for (uint32_t at = kmip_hash(name) & mask; kmip_tag_names[at] != 0; at = (at + 1) & mask) {
        const struct kmip_tag_row *row = &kmip_tag_rows[kmip_tag_names[at] - 1];
        if (is_text(name, row->name))
            return row;
    }
    return NULL;
}

const struct kmip_tag_row *kmip_tag_titled(struct bytes title)
{
    uint32_t mask = kmip_tag_titles_size - 1;
    for (uint32_t at = kmip_hash(title) & mask; kmip_tag_titles[at] != 0; at = (at + 1) & mask) {
        const struct kmip_tag_row *row = &kmip_tag_rows[kmip_tag_titles[at] - 1];
        if (is_text(title, row->title))
            return row;
    }
    return NULL;
}

const char *kmip_tag_name(uint32_t tag, char text[16])
{
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    if (row != NULL)
        return row->name;
    snprintf(text, 16, "0x%06x", (unsigned)(tag & 0xffffff));
    return text;
}

bool kmip_tag_secret(uint32_t tag, uint8_t type)
{
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    return row != NULL && row->secret && !(tag == KMIP_TAG_KEY_VALUE && type == KMIP_STRUCTURE);
}

const struct kmip_enum_value *kmip_enum_row(const struct kmip_enum *values, uint32_t value)
{
    if (values == NULL)
        return NULL;
    size_t low = 0;
    size_t high = values->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (values->values[middle].value < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < values->count && values->values[low].value == value ? &values->values[low] : NULL;
}

const struct kmip_enum_value *kmip_enum_named(const struct kmip_enum *values, struct bytes name)
{
    size_t low = 0;
    size_t high = values == NULL ? 0 : values->names_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *at = values->names[middle].name;
        size_t len = strlen(at);
        int order = memcmp(at, name.data, len < name.len ? len : name.len);
        if (order == 0 && len == name.len)
            return &values->values[values->names[middle].row];
        if (order < 0 || (order == 0 && len < name.len))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *kmip_enum_name(uint32_t tag, uint32_t value)
{
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    const struct kmip_enum_value *found = row == NULL ? NULL : kmip_enum_row(row->values, value);
    return found == NULL ? NULL : found->name;
}

bool kmip_enum_find(uint32_t tag, struct bytes name, uint32_t *ret_value)
{
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    const struct kmip_enum_value *found = row == NULL ? NULL : kmip_enum_named(row->values, name);
    if (found == NULL)
        return false;
    *ret_value = found->value;
    return true;
}

bool kmip_enum_known(uint32_t tag, uint32_t value, uint16_t version)
{
    if ((value & 0x80000000u) != 0)
        return true;
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    const struct kmip_enum_value *found = row == NULL ? NULL : kmip_enum_row(row->values, value);
    return found != NULL && found->since <= version && version <= found->until;
}

const struct kmip_attribute_row *kmip_attribute_row(uint32_t tag)
{
    uint32_t place = tag - TAG_FIRST;
    if (place >= kmip_attribute_places_count || kmip_attribute_places[place] == 0)
        return NULL;
    return &kmip_attribute_rows[kmip_attribute_places[place] - 1];
}

const struct kmip_attribute_row *kmip_attribute_named(struct bytes name)
{
    const struct kmip_tag_row *row = kmip_tag_titled(name);
    return row == NULL ? NULL : kmip_attribute_row(row->tag);
}

const struct kmip_tag_row *kmip_attribute_value_row(const struct kmip_node *attribute)
{
    struct bytes name = kmip_bytes(attribute, KMIP_TAG_ATTRIBUTE_NAME);
    if (name.data == NULL || kmip_child(attribute, KMIP_TAG_VENDOR_IDENTIFICATION) != NULL)
        return NULL;
    const struct kmip_attribute_row *row = kmip_attribute_named(name);
    return row == NULL ? NULL : kmip_tag_row(row->tag);
}

uint32_t kmip_reason_for(uint32_t reason, uint16_t version)
{
    /* A replacement may itself be newer: each step leads to an older one, or across to 2.x. */
    for (unsigned steps = 0; steps < 4; steps++) {
        const struct kmip_reason_row *row = NULL;
        for (uint32_t i = 0; i < kmip_reason_rows_count && row == NULL; i++)
            if (kmip_reason_rows[i].reason == reason)
                row = &kmip_reason_rows[i];
        if (row == NULL || (row->since <= version && version <= row->until))
            return reason;
        reason = row->instead;
    }
    return KMIP_REASON_GENERAL_FAILURE;
}

uint32_t kmip_reason_titled(const char *title, uint16_t version)
{
    const struct kmip_enum *reasons = kmip_tag_row(KMIP_TAG_RESULT_REASON)->values;
    for (size_t i = 0; i < reasons->count; i++)
        if (strcmp(reasons->values[i].title, title) == 0)
            return kmip_reason_for(reasons->values[i].value, version);
    return KMIP_REASON_GENERAL_FAILURE;
}

static const char *next_char(const char *at)
{
    while (*at != '\0' && isalnum((unsigned char)*at) == 0)
        at++;
    return at;
}

bool kmip_same_name(const char *a, const char *b)
{
    for (a = next_char(a), b = next_char(b); *a != '\0' && *b != '\0';
         a = next_char(a + 1), b = next_char(b + 1)) {
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
    }
    return *a == *b;
}

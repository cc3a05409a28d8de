#include "kmip/codec/schema.h"

#include "kmip/codec/table_rows.h"

static unsigned family(uint16_t version)
{
    return version >= 0x0200;
}

const struct kmip_fields *kmip_structure_fields(uint32_t tag, uint16_t version)
{
    uint32_t place = tag - 0x420000u;
    if (tag == KMIP_TAG_BATCH_ITEM)
        return &kmip_request_item_row->fields[family(version)];
    if (place >= kmip_structure_places_count || kmip_structure_places[place] == 0)
        return NULL;
    const struct kmip_structure_row *row = &kmip_structure_rows[kmip_structure_places[place] - 1];
    return row->fields[family(version)].known ? &row->fields[family(version)] : NULL;
}

const struct kmip_operation_row *kmip_operation_row(uint32_t operation)
{
    /* by number, without gaps, from 1 */
    return operation - 1 < kmip_operation_rows_count ? &kmip_operation_rows[operation - 1] : NULL;
}

bool kmip_operation_in(uint32_t operation, uint16_t version)
{
    const struct kmip_operation_row *row = kmip_operation_row(operation);
    return row != NULL && row->since <= version && version <= row->until &&
           (row->by & KMIP_BY_CLIENT) != 0;
}

bool kmip_is_object(uint32_t tag)
{
    switch (tag) {
    case KMIP_TAG_CERTIFICATE:
    case KMIP_TAG_SYMMETRIC_KEY:
    case KMIP_TAG_PUBLIC_KEY:
    case KMIP_TAG_PRIVATE_KEY:
    case KMIP_TAG_SPLIT_KEY:
    case KMIP_TAG_TEMPLATE:
    case KMIP_TAG_SECRET_DATA:
    case KMIP_TAG_OPAQUE_OBJECT:
    case KMIP_TAG_PGP_KEY:
    case KMIP_TAG_CERTIFICATE_REQUEST: return true;
    default: return false;
    }
}

static bool matches(const struct kmip_field *field, uint32_t tag, uint16_t version)
{
    if (version < field->since || version > field->until)
        return false;
    switch (field->tag) {
    case KMIP_ANY_ATTRIBUTE:
        return tag == KMIP_TAG_ATTRIBUTE || kmip_attribute_in(kmip_attribute_row(tag), version);
    case KMIP_ANY_OBJECT: return kmip_is_object(tag) && kmip_structure_fields(tag, version) != NULL;
    case KMIP_ANY_ITEM: return true;
    default: return field->tag == tag;
    }
}

const struct kmip_field *kmip_field_of(const struct kmip_fields *fields, uint32_t tag,
                                       uint16_t version, uint32_t *at)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        uint32_t place = *at + i < fields->count ? *at + i : *at + i - fields->count;
        if (matches(&fields->fields[place], tag, version)) {
            *at = place;
            return &fields->fields[place];
        }
    }
    return NULL;
}

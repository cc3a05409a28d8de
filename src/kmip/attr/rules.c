#include "kmip/attr/rules.h"

#include "kmip/codec/table.h"

bool kmip_attr_exists(uint32_t tag)
{
    return tag == KMIP_ATTR_CUSTOM || kmip_attribute_row(tag) != NULL;
}

unsigned kmip_attr_flags(uint32_t tag)
{
    if (tag == KMIP_ATTR_CUSTOM)
        return KMIP_ATTR_SET | KMIP_ATTR_ADD | KMIP_ATTR_MODIFY | KMIP_ATTR_DELETE |
               KMIP_ATTR_MULTI;
    const struct kmip_attribute_row *row = kmip_attribute_row(tag);
    if (row == NULL)
        return 0;
    return (row->by_client || row->in_template ? (unsigned)KMIP_ATTR_SET : 0u) |
           (row->by_client ? (unsigned)KMIP_ATTR_ADD : 0u) |
           (row->client_modifies ? (unsigned)KMIP_ATTR_MODIFY : 0u) |
           (row->client_deletes ? (unsigned)KMIP_ATTR_DELETE : 0u) |
           (row->multi ? (unsigned)KMIP_ATTR_MULTI : 0u);
}

bool kmip_attr_modifiable(uint32_t tag, uint32_t state)
{
    const struct kmip_attribute_row *row = kmip_attribute_row(tag);
    return row == NULL || row->modify_states == 0 ||
           (state < 16 && (row->modify_states >> state & 1) != 0);
}

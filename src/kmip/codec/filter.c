#include "kmip/codec/filter.h"

#include "kmip/codec/table_rows.h"
#include "kmip/codec/value.h"

static bool keep_fields(struct kmip_node *node, const struct kmip_fields *fields, uint16_t version);

/* An attribute that is named by text, or by the value of an enumeration. A name that is none of the
 * table's is the client's own. */
static bool keep_name(struct bytes name, uint16_t version)
{
    const struct kmip_attribute_row *row = kmip_attribute_named(name);
    return row == NULL || kmip_attribute_in(row, version);
}

static void keep_bits(const struct kmip_enum *values, struct kmip_node *node, uint16_t version)
{
    uint32_t mask = (uint32_t)node->num;
    for (size_t i = 0; i < values->count; i++)
        if (version < values->values[i].since || version > values->values[i].until)
            mask &= ~values->values[i].value;
    node->num = (int32_t)mask;
}

static bool keep_value(const struct kmip_node *parent, struct kmip_node *node, uint16_t version)
{
    const struct kmip_tag_row *row = kmip_tag_row(node->tag);
    if (node->tag == KMIP_TAG_ATTRIBUTE_NAME && node->type == KMIP_TEXT_STRING && version < 0x0200)
        return keep_name(node->bytes, version);
    if (node->tag == KMIP_TAG_ATTRIBUTE_VALUE)
        row = kmip_attribute_value_row(parent);
    if (row == NULL)
        return true;
    if (node->type == KMIP_STRUCTURE) {
        const struct kmip_fields *fields = kmip_structure_fields(row->tag, version);
        return fields == NULL || keep_fields(node, fields, version);
    }
    if (row->values == NULL)
        return true;
    if (node->type == KMIP_INTEGER && row->values->mask)
        keep_bits(row->values, node, version);
    if (node->type != KMIP_ENUMERATION)
        return true;
    if (node->tag == KMIP_TAG_RESULT_REASON)
        node->num = kmip_reason_for((uint32_t)node->num, version);
    if (node->tag == KMIP_TAG_ATTRIBUTE_REFERENCE)
        return kmip_attribute_in(kmip_attribute_row((uint32_t)node->num), version);
    return kmip_enum_known(row->tag, (uint32_t)node->num, version);
}

/* False where a field is gone that the structure can't be without. */
static bool keep_fields(struct kmip_node *node, const struct kmip_fields *fields, uint16_t version)
{
    uint32_t at = 0;
    bool whole = true;
    struct kmip_node *next = NULL;
    for (struct kmip_node *child = node->first; child != NULL; child = next) {
        next = child->next;
        const struct kmip_field *field = kmip_field_of(fields, child->tag, version, &at);
        if (field != NULL && (field->tag == KMIP_ANY_ITEM || keep_value(node, child, version)))
            continue;
        whole = whole && (field == NULL || !field->required || field->many);
        kmip_remove(node, child);
    }
    return whole;
}

void kmip_filter_payload(struct kmip_node *payload, uint32_t operation, uint16_t version)
{
    const struct kmip_operation_row *row = kmip_operation_row(operation);
    if (row != NULL && payload != NULL)
        (void)keep_fields(payload, &row->response[version >= 0x0200], version);
}

void kmip_filter_envelope(struct kmip_node *message, uint16_t version)
{
    unsigned family = version >= 0x0200;
    struct kmip_node *header = kmip_child(message, KMIP_TAG_RESPONSE_HEADER);
    const struct kmip_fields *fields = kmip_structure_fields(KMIP_TAG_RESPONSE_HEADER, version);
    if (header != NULL && fields != NULL)
        (void)keep_fields(header, fields, version);
    for (struct kmip_node *item = kmip_child(message, KMIP_TAG_BATCH_ITEM); item != NULL;
         item = kmip_again(item))
        (void)keep_fields(item, &kmip_response_item_row->fields[family], version);
}

void kmip_filter(struct kmip_node *message, uint16_t version)
{
    for (struct kmip_node *item = kmip_child(message, KMIP_TAG_BATCH_ITEM); item != NULL;
         item = kmip_again(item))
        kmip_filter_payload(kmip_child(item, KMIP_TAG_RESPONSE_PAYLOAD),
                            kmip_enum(item, KMIP_TAG_OPERATION, 0), version);
    kmip_filter_envelope(message, version);
}

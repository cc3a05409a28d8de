#include "kmip/codec/check.h"

#include <stdarg.h>
#include <stdio.h>

#include "kmip/codec/table_rows.h"
#include "kmip/codec/value.h"

_Static_assert(KMIP_FIELDS_MAX <= 32, "a bit for each field");

struct check {
    uint16_t version;
    struct kmip_fault *fault;
};

__attribute__((format(printf, 4, 5))) static bool refuse(const struct check *c, uint32_t reason,
                                                         uint32_t tag, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    c->fault->reason = kmip_reason_for(reason, c->version);
    c->fault->tag = tag;
    vsnprintf(c->fault->message, sizeof c->fault->message, format, args);
    va_end(args);
    return false;
}

static const char *title(uint32_t tag, char text[16])
{
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    return row != NULL ? row->title : kmip_tag_name(tag, text);
}

static bool check_fields(const struct check *c, const struct kmip_node *node,
                         const struct kmip_fields *fields);

static bool check_value(const struct check *c, const struct kmip_node *parent,
                        const struct kmip_node *node)
{
    char text[16];
    const struct kmip_tag_row *row = node->tag == KMIP_TAG_ATTRIBUTE_VALUE
                                         ? kmip_attribute_value_row(parent)
                                         : kmip_tag_row(node->tag);
    if (row == NULL)
        return true;
    uint16_t types = row->types[c->version >= 0x0200];
    if (types != 0 && (types >> node->type & 1) == 0)
        return refuse(c, KMIP_REASON_INVALID_DATA_TYPE, node->tag, "%s: %s is of the wrong type",
                      title(row->tag, text), kmip_type_name(node->type));
    if (node->type == KMIP_STRUCTURE) {
        const struct kmip_fields *fields = kmip_structure_fields(row->tag, c->version);
        return fields == NULL || check_fields(c, node, fields);
    }
    if (node->type != KMIP_ENUMERATION || row->values == NULL || row->values->mask)
        return true;
    uint32_t value = (uint32_t)node->num;
    if (!kmip_enum_known(row->tag, value, c->version))
        return refuse(c, KMIP_REASON_UNKNOWN_ENUMERATION, node->tag, "%s: unknown value 0x%08x",
                      title(row->tag, text), (unsigned)value);
    return true;
}

static bool not_a_field(const struct check *c, const struct kmip_node *parent,
                        const struct kmip_node *node)
{
    char text[2][16];
    const struct kmip_tag_row *row = kmip_tag_row(node->tag);
    bool known = row != NULL && row->since <= c->version && c->version <= row->until;
    return refuse(c, known ? KMIP_REASON_INVALID_FIELD : KMIP_REASON_UNKNOWN_TAG, node->tag,
                  "%s is no field of %s", title(node->tag, text[0]), title(parent->tag, text[1]));
}

static bool check_fields(const struct check *c, const struct kmip_node *node,
                         const struct kmip_fields *fields)
{
    char text[2][16];
    uint32_t seen = 0;
    uint32_t at = 0;
    for (const struct kmip_node *child = node->first; child != NULL; child = child->next) {
        const struct kmip_field *field = kmip_field_of(fields, child->tag, c->version, &at);
        if (field == NULL)
            return not_a_field(c, node, child);
        if ((seen >> at & 1) != 0 && !field->many)
            return refuse(c, KMIP_REASON_INVALID_MESSAGE, child->tag, "%s is there twice",
                          title(child->tag, text[0]));
        seen |= 1u << at;
        if (field->tag != KMIP_ANY_ITEM && !check_value(c, node, child))
            return false;
    }
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct kmip_field *field = &fields->fields[i];
        if (!field->required || (seen >> i & 1) != 0 || c->version < field->since ||
            c->version > field->until)
            continue;
        const char *what = field->tag == KMIP_ANY_OBJECT      ? "an object"
                           : field->tag == KMIP_ANY_ATTRIBUTE ? "an attribute"
                                                              : title(field->tag, text[0]);
        return refuse(c, KMIP_REASON_INVALID_MESSAGE, field->tag, "%s: %s is missing",
                      title(node->tag, text[1]), what);
    }
    return true;
}

uint16_t kmip_message_version(const struct kmip_node *message)
{
    if (message == NULL)
        return 0;
    const struct kmip_node *header =
        kmip_child(message, message->tag == KMIP_TAG_REQUEST_MESSAGE ? KMIP_TAG_REQUEST_HEADER
                                                                     : KMIP_TAG_RESPONSE_HEADER);
    const struct kmip_node *version = kmip_child(header, KMIP_TAG_PROTOCOL_VERSION);
    int64_t major = kmip_num(version, KMIP_TAG_PROTOCOL_VERSION_MAJOR, -1);
    int64_t minor = kmip_num(version, KMIP_TAG_PROTOCOL_VERSION_MINOR, -1);
    if (major < 1 || major > 255 || minor < 0 || minor > 255)
        return 0;
    return (uint16_t)(major << 8 | minor);
}

static bool check_message(const struct check *c, const struct kmip_node *message, uint32_t root,
                          uint32_t header_tag)
{
    char text[16];
    if (message->tag != root || message->type != KMIP_STRUCTURE)
        return refuse(c, KMIP_REASON_INVALID_MESSAGE, message->tag, "not a %s", title(root, text));
    const struct kmip_node *header = kmip_child(message, header_tag);
    int64_t items = 0;
    for (const struct kmip_node *child = message->first; child != NULL; child = child->next) {
        if (child->tag == KMIP_TAG_BATCH_ITEM && child->type == KMIP_STRUCTURE)
            items++;
        else if (child != header)
            return not_a_field(c, message, child);
    }
    if (header == NULL || header != message->first)
        return refuse(c, KMIP_REASON_INVALID_MESSAGE, header_tag, "the header is missing");
    if (!check_value(c, message, header))
        return false;
    if (items == 0)
        return refuse(c, KMIP_REASON_INVALID_MESSAGE, KMIP_TAG_BATCH_ITEM, "no batch item");
    if (kmip_num(header, KMIP_TAG_BATCH_COUNT, items) != items)
        return refuse(c, KMIP_REASON_INVALID_MESSAGE, KMIP_TAG_BATCH_COUNT,
                      "Batch Count is not the number of batch items");
    return true;
}

bool kmip_check_header(const struct kmip_node *message, uint16_t version, struct kmip_fault *fault)
{
    const struct check c = {version, fault};
    return check_message(&c, message, KMIP_TAG_REQUEST_MESSAGE, KMIP_TAG_REQUEST_HEADER);
}

/* KMIP 1.4, 6.16: what is critical and not understood fails the item. None is understood here. */
static bool check_extensions(const struct check *c, const struct kmip_node *item)
{
    const struct kmip_node *extension = kmip_child(item, KMIP_TAG_MESSAGE_EXTENSION);
    for (; extension != NULL; extension = kmip_again(extension))
        if (kmip_bool(extension, KMIP_TAG_CRITICALITY_INDICATOR, false))
            return refuse(c, KMIP_REASON_UNKNOWN_MESSAGE_EXTENSION, KMIP_TAG_MESSAGE_EXTENSION,
                          "a critical Message Extension is not understood");
    return true;
}

/* The fields of the payload are those of the operation; `payload` may be NULL, and is a structure
 * by the check of its item. */
static bool check_payload(const struct check *c, const struct kmip_node *payload, uint32_t tag,
                          const struct kmip_fields *fields)
{
    const struct kmip_node none = {.tag = tag, .type = KMIP_STRUCTURE};
    return check_fields(c, payload == NULL ? &none : payload, fields);
}

/* The item itself, its payload left aside. */
static bool check_envelope(const struct check *c, const struct kmip_node *item,
                           const struct kmip_structure_row *row)
{
    return check_fields(c, item, &row->fields[c->version >= 0x0200]);
}

bool kmip_check_item(const struct kmip_node *item, uint16_t version, struct kmip_fault *fault)
{
    const struct check c = {version, fault};
    const struct kmip_node *operation = kmip_child(item, KMIP_TAG_OPERATION);
    uint32_t number = kmip_enum(item, KMIP_TAG_OPERATION, 0);
    if (operation != NULL && operation->type == KMIP_ENUMERATION &&
        !kmip_operation_in(number, version))
        return refuse(&c, KMIP_REASON_OPERATION_NOT_SUPPORTED, KMIP_TAG_OPERATION,
                      "operation 0x%x is not one of this version", (unsigned)number);
    return check_envelope(&c, item, kmip_request_item_row) && check_extensions(&c, item) &&
           check_payload(&c, kmip_child(item, KMIP_TAG_REQUEST_PAYLOAD), KMIP_TAG_REQUEST_PAYLOAD,
                         &kmip_operation_row(number)->request[version >= 0x0200]);
}

static bool check_response_item(const struct check *c, const struct kmip_node *item)
{
    const struct kmip_node *payload = kmip_child(item, KMIP_TAG_RESPONSE_PAYLOAD);
    const struct kmip_operation_row *row =
        kmip_operation_row(kmip_enum(item, KMIP_TAG_OPERATION, 0));
    if (!check_envelope(c, item, kmip_response_item_row))
        return false;
    if (payload == NULL)
        return true;
    if (row == NULL)
        return refuse(c, KMIP_REASON_INVALID_MESSAGE, KMIP_TAG_OPERATION,
                      "a payload without its operation");
    return check_payload(c, payload, KMIP_TAG_RESPONSE_PAYLOAD,
                         &row->response[c->version >= 0x0200]);
}

bool kmip_check_response(const struct kmip_node *message, uint16_t version,
                         struct kmip_fault *fault)
{
    const struct check c = {version, fault};
    if (!check_message(&c, message, KMIP_TAG_RESPONSE_MESSAGE, KMIP_TAG_RESPONSE_HEADER))
        return false;
    for (const struct kmip_node *item = kmip_child(message, KMIP_TAG_BATCH_ITEM); item != NULL;
         item = kmip_again(item))
        if (!check_response_item(&c, item))
            return false;
    return true;
}

#pragma once

#include "kmip/codec/node.h"

/* What stands in which structure and payload, of data/kmip-structures.toml and
 * data/kmip-operations.toml. */

/* In place of a tag in a list of fields. */
enum kmip_field_any {
    KMIP_ANY_ATTRIBUTE = 1, /* an attribute of the version, or Attribute */
    KMIP_ANY_OBJECT = 2,    /* Symmetric Key, Certificate, ... */
    KMIP_ANY_ITEM = 3,
};

struct kmip_field {
    uint32_t tag; /* or enum kmip_field_any */
    uint16_t since, until;
    bool required;
    bool many;
};

/* In the order in which they are written. At most KMIP_FIELDS_MAX. */
struct kmip_fields {
    const struct kmip_field *fields;
    uint16_t count;
    bool known; /* false where the family of versions has no such structure */
};
#define KMIP_FIELDS_MAX 32

struct kmip_structure_row {
    uint32_t tag;
    struct kmip_fields fields[2]; /* 1.x, 2.x */
};

#define KMIP_BY_CLIENT 1u
#define KMIP_BY_SERVER 2u
struct kmip_operation_row {
    uint32_t operation;
    uint16_t since, until;
    uint8_t by;        /* who may ask: KMIP_BY_CLIENT, KMIP_BY_SERVER or both */
    const char *title; /* "Get Attribute List" */
    struct kmip_fields request[2], response[2];
};

/* NULL where the table has none for that version. The Batch Item is that of a request. */
const struct kmip_fields *kmip_structure_fields(uint32_t tag, uint16_t version);
/* NULL where there is none; its versions are in the row. */
const struct kmip_operation_row *kmip_operation_row(uint32_t operation);
/* Whether the operation is one of that version that a client may ask for. */
bool kmip_operation_in(uint32_t operation, uint16_t version);
bool kmip_is_object(uint32_t tag);

/* The field of a list that an item is, with the search beginning at *at, which is moved there: what
 * comes in order costs one comparison. NULL where it is none of the version. */
const struct kmip_field *kmip_field_of(const struct kmip_fields *fields, uint32_t tag,
                                       uint16_t version, uint32_t *at);

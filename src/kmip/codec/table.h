#pragma once

#include "kmip/codec/node.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* The tables of data/kmip-*.toml. All lookups are by binary search or hash, none allocates, and
 * rows live as long as the program. `version` is 0x0100 .. 0x0104, 0x0200, 0x0201. */

struct kmip_tag_row {
    uint32_t tag;
    uint8_t type;          /* enum kmip_type, the usual one; 0 where it has any */
    bool secret;           /* key material, password, ticket: never shown */
    uint16_t since, until; /* versions that know it */
    uint16_t types[2];     /* 1 << type for each allowed in 1.x, in 2.x; 0: all */
    const char *name;      /* in JSON and XML: "CryptographicAlgorithm" */
    const char *title;     /* in text, and the name of a 1.x attribute: "Cryptographic Algorithm" */
    const struct kmip_enum *values; /* of an enumeration or mask; NULL where it has none */
};

/* NULL where there is none. */
const struct kmip_tag_row *kmip_tag_row(uint32_t tag);
const struct kmip_tag_row *kmip_tag_named(struct bytes name);
const struct kmip_tag_row *kmip_tag_titled(struct bytes title);
/* Whether what stands in such an item is never shown: all of it and below, but for a Key Value that
 * is the structure around material and attributes. */
bool kmip_tag_secret(uint32_t tag, uint8_t type);
/* "CryptographicAlgorithm", or "0x54abcd" in `text` for a tag that is not in the table. */
const char *kmip_tag_name(uint32_t tag, char text[16]);

struct kmip_enum_value {
    uint32_t value;
    uint16_t since, until;
    const char *name;  /* in JSON and XML: "PreActive" */
    const char *title; /* "Pre-Active" */
};

/* An enumeration or a mask; values by number. */
struct kmip_enum {
    const char *name; /* "Cryptographic Algorithm" */
    bool mask;
    uint16_t count;
    const struct kmip_enum_value *values;
    uint16_t names_count;
    const struct kmip_enum_name *names; /* by name, with aliases: the table's own */
};

const struct kmip_enum_value *kmip_enum_row(const struct kmip_enum *values, uint32_t value);
const struct kmip_enum_value *kmip_enum_named(const struct kmip_enum *values, struct bytes name);
/* The same by the tag that has the enumeration. The name is NULL where the value has none. */
const char *kmip_enum_name(uint32_t tag, uint32_t value);
bool kmip_enum_find(uint32_t tag, struct bytes name, uint32_t *ret_value);
/* As people write names: case, blanks, '-', '_', '.' and '#' don't matter. */
bool kmip_same_name(const char *a, const char *b);
/* Whether `version` has the value; extensions (top bit set) always. */
bool kmip_enum_known(uint32_t tag, uint32_t value, uint16_t version);

/* The rules of an attribute (KMIP 1.4, 3; 2.1, 4). Bits: 1 << state, object type, operation. */
struct kmip_attribute_row {
    uint32_t tag;
    uint16_t since, until;     /* versions that have it as an attribute */
    bool by_client, by_server; /* who gives it its first value */
    bool always;               /* every object it applies to has it */
    bool multi;                /* more than one instance */
    bool in_template;          /* may stand in a request that makes an object */
    bool server_modifies;      /* an existing value */
    bool client_modifies;      /* only in modify_states */
    bool client_deletes;
    uint16_t modify_states;
    uint16_t objects[2]; /* applies to, in 1.x, in 2.x */
    uint64_t implicit;   /* operations that set it unasked */
    const char *name;    /* Attribute Name of 1.x: "Cryptographic Algorithm" */
};

/* All of them, by number. */
extern const struct kmip_attribute_row kmip_attribute_rows[];
extern const uint32_t kmip_attribute_rows_count;
/* NULL where it is no attribute, or has no row: custom ones. */
const struct kmip_attribute_row *kmip_attribute_row(uint32_t tag);
/* By its 1.x name. */
const struct kmip_attribute_row *kmip_attribute_named(struct bytes name);
/* The tag whose type and values the Attribute Value in a 1.x Attribute has; NULL where the name is
 * a custom one, or the Attribute is a vendor's of 2.x. */
const struct kmip_tag_row *kmip_attribute_value_row(const struct kmip_node *attribute);
/* A row may be NULL: then false. */
static inline bool kmip_attribute_in(const struct kmip_attribute_row *row, uint16_t version)
{
    return row != NULL && row->since <= version && version <= row->until;
}
static inline bool kmip_attribute_applies(const struct kmip_attribute_row *row,
                                          uint32_t object_type, uint16_t version)
{
    return row != NULL && object_type < 16 &&
           (row->objects[version >= 0x0200] >> object_type & 1) != 0;
}

/* The Result Reason a version gets where it doesn't know this one. */
uint32_t kmip_reason_for(uint32_t reason, uint16_t version);
/* The number of the name in a row of data/errors.toml ("Item Not Found"), as `version` has it;
 * General Failure where it is none. */
uint32_t kmip_reason_titled(const char *title, uint16_t version);

#pragma once

#include "kmip/codec/decode.h"

/* Values as text, as JSON strings and XML attributes have them (KMIP Additional Message Encodings
 * 1.0, 4.1.6 and 6.1.6). */

/* "LongInteger" and back; 0 where there is no such type. */
const char *kmip_type_name(uint8_t type);
uint8_t kmip_type_named(struct bytes name);
/* The tag of "ActivationDate", "0x420001" or "x540001"; 0 where it is none. */
uint32_t kmip_tag_parse(struct bytes name);

/* Names of the values of an item. An Attribute Value has those of the attribute that the Attribute
 * Name before it names. */
const struct kmip_enum *kmip_values_of(const struct kmip_node *parent, uint32_t tag);

/* Give `node`, whose type is set, the value that `text` stands for. What is kept of the text is
 * copied to the arena. Not for structures. */
MUST_CHECK enum err kmip_value_parse(struct kmip_decoder *d, const struct kmip_node *parent,
                                     struct kmip_node *node, struct bytes text);
/* A number as it stands in JSON: within the range of the type. */
MUST_CHECK enum err kmip_value_number(struct kmip_decoder *d, struct kmip_node *node,
                                      int64_t number);

/* Append the value of anything but a structure or text: decimal numbers, names of enumerations and
 * masks (with `separator` between them) or else 0x and hex digits, hex without 0x for byte strings
 * and big integers, ISO 8601 for dates. */
MUST_CHECK enum err kmip_value_format(const struct kmip_node *parent, const struct kmip_node *node,
                                      char separator, struct buf *out);

/* Seconds since 1970 of "2001-01-01T10:00:00+10:00" and the microseconds of its fraction. */
bool kmip_date_parse(struct bytes text, int64_t *ret_seconds, uint32_t *ret_micros);
/* "2001-01-01T00:00:00+00:00"; `micros` below 0: no fraction. False, and nothing written, outside
 * the years 0 to 9999. */
bool kmip_date_format(int64_t seconds, int32_t micros, char text[40]);

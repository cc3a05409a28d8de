#pragma once

#include "kmip/codec/schema.h"
#include "kmip/codec/table.h"

/* What tools/gen_kmip.py writes, for table.c and its neighbours only. */

struct kmip_enum_name {
    const char *name;
    uint16_t row; /* in kmip_enum.values */
};

extern const struct kmip_tag_row kmip_tag_rows[]; /* by number */
extern const uint32_t kmip_tag_rows_count;
/* Row + 1 of 0x420000 + index; 0: none. */
extern const uint16_t kmip_tag_places[];
extern const uint32_t kmip_tag_places_count;
/* Hash indexes, row + 1; the size is a power of two. */
extern const uint16_t kmip_tag_names[];
extern const uint32_t kmip_tag_names_size;
extern const uint16_t kmip_tag_titles[];
extern const uint32_t kmip_tag_titles_size;

extern const uint16_t kmip_attribute_places[];
extern const uint32_t kmip_attribute_places_count;

struct kmip_reason_row {
    uint32_t reason;
    uint16_t since, until;
    uint32_t instead;
};

extern const struct kmip_reason_row kmip_reason_rows[];
extern const uint32_t kmip_reason_rows_count;

extern const struct kmip_structure_row kmip_structure_rows[];
extern const uint16_t kmip_structure_places[];
extern const uint32_t kmip_structure_places_count;
extern const struct kmip_structure_row *const kmip_request_item_row;
extern const struct kmip_structure_row *const kmip_response_item_row;
extern const struct kmip_operation_row kmip_operation_rows[];
extern const uint32_t kmip_operation_rows_count;

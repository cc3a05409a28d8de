#pragma once

#include "crypto/keyform.h"
#include "kmip/op/op.h"

/* Transparent key structures of pairs (KMIP 1.4, 2.1.7; 2.1, 3.5 on): numbers as Big Integers. */

/* Views into the message. `curve` is used where the structure names none. */
MUST_CHECK enum err kmip_transparent_read(struct kmip_call *call, uint32_t format,
                                          const struct kmip_node *material, uint32_t curve,
                                          struct keyform_parts *ret_parts);
/* From the canonical form of a private or public key into the structure `to`. */
MUST_CHECK enum err kmip_transparent_put(struct kmip_call *call, uint32_t object_type,
                                         uint32_t format, uint32_t point, struct bytes material,
                                         struct kmip_node *to);

#pragma once

#include "kmip/op/make.h"

/* Key blocks in clear (KMIP 1.4, 2.1.3): from what a client registers to the material the keeper
 * seals, and back in the format that is asked for. Wrapped ones: kmip/op/key_wrap.h. */

/* The Key Block of an object structure (Symmetric Key, Private Key...); NULL where it has none. */
const struct kmip_node *kmip_key_block(const struct kmip_node *object);

/* What a clear key block holds. Bytes are borrowed from the message or in the arena. */
struct kmip_key_material {
    uint32_t format;       /* Key Format Type */
    uint32_t alg, bits;    /* of the block; 0: not said */
    struct bytes material; /* raw, PKCS#8 for private keys, SubjectPublicKeyInfo for public ones */
    uint32_t curve;        /* Recommended Curve; 0 */
    struct bytes given;    /* the bytes Digest is made of, in `format` */
    bool absent;           /* Key Value Present would be false: there is no Key Value */
};
MUST_CHECK enum err kmip_key_read(struct kmip_call *call, uint32_t object_type,
                                  const struct kmip_node *block, struct kmip_key_material *ret_key);
/* Key Format Type, Key Value and what follows, appended to `object` as a Key Block. `format` 0: as
 * the object was registered. */
MUST_CHECK enum err kmip_key_write(struct kmip_call *call, const struct vault_object *object,
                                   const struct kmip_attrs *attrs, uint32_t format,
                                   uint32_t compression, struct bytes material,
                                   struct kmip_node *to);
/* Key Format Type where neither client nor registration says one (KMIP 2.1, 4.26); versions before
 * 1.3 have no transparent form for all curves. */
uint32_t kmip_key_default_format(uint16_t version, uint32_t object_type, uint32_t alg);

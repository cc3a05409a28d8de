#pragma once

#include "crypto/keywrap.h"
#include "keeper/object.h"

/* Inside keeper only: the fields of wrapping and unwrapping, and the TTLV around a wrapped key.
 *
 *   wrap  u8 what (enum wrap_what) | (object, encrypts) | u16 length, SubjectPublicKeyInfo | params
 * | (object, MACs) | u16 length, SubjectPublicKeyInfo | params | u16 length, IV | u16 length, MAC |
 * u32 format | u32 length, what follows the material */

enum wrap_what {
    WRAP_ENCRYPT_KEY = 1, /* an object encrypts */
    WRAP_MAC_KEY = 2,
    WRAP_MAC_FIRST = 4, /* MAC, then encrypt */
    WRAP_TTLV = 8,
};

struct wrap_fields {
    uint8_t what;
    struct keeper_object encrypt, mac;
    struct bytes encrypt_spki, mac_spki;
    struct crypto_params encrypt_params, mac_params;
    struct bytes iv, mac_value;
    uint32_t format;
    struct bytes after;
};
void wrap_put_fields(struct writer *w, const struct keeper_wrap *wrap);
struct wrap_fields wrap_get_fields(struct reader *r);

/* KMIP 2.1, 3.? Key Value: structure { Key Material (byte string), after }. */
MUST_CHECK enum err wrap_ttlv_make(struct bytes material, struct bytes after,
                                   struct secret **ret_value);
/* Views into `value`. A Key Material that is a structure with a Key in it (Transparent Symmetric
 * Key) gives that. ERR_DECRYPT. */
MUST_CHECK enum err wrap_ttlv_read(struct bytes value, struct bytes *ret_material,
                                   struct bytes *ret_after);

#pragma once

#include "crypto/curves.h"
#include "crypto/der.h"
#include "crypto/keyform.h"

/* Inside this folder only: keyform in two steps. Reading gives views of what DER says; completing
 * checks the numbers and computes those that lack; writing takes complete ones. */

#define KEYFORM_RSA_BITS_MAX 8192

static inline bool keyform_is_ec(uint32_t alg)
{
    return alg == ALG_EC || alg == ALG_ECDSA || alg == ALG_ECDH;
}
/* A curve whose keys are plain bytes: alg is Ed25519, Ed448, or ECDH on Curve25519 or Curve448. */
struct keyform_raw {
    const char *name;
    size_t len;
    uint32_t alg, curve, bits;
    uint8_t oid[3]; /* RFC 8410, 3 */
};
const struct keyform_raw *keyform_raw_of(uint32_t alg, uint32_t curve);
static inline struct bytes keyform_strip(struct bytes number)
{
    while (number.len != 0 && number.data[0] == 0)
        number = bytes_of(number.data + 1, number.len - 1);
    return number;
}

/* ret_parts->all stays NULL. Errors of der.h. */
MUST_CHECK enum err keyform_read_pkcs8(struct bytes der, struct keyform_parts *ret_parts);
MUST_CHECK enum err keyform_read_pkcs1(struct bytes der, struct keyform_parts *ret_parts);
/* `curve`: where the DER names none. */
MUST_CHECK enum err keyform_read_sec1(struct bytes der, uint32_t curve,
                                      struct keyform_parts *ret_parts);
MUST_CHECK enum err keyform_read_spki(struct bytes der, struct keyform_parts *ret_parts);
MUST_CHECK enum err keyform_read_pkcs1_public(struct bytes der, struct keyform_parts *ret_parts);

/* Complete parts in `all`, an EC number as wide as the order, a point uncompressed. */
MUST_CHECK enum err keyform_complete(const struct keyform_parts *parts, bool private,
                                     struct keyform_parts *ret_full, struct keyform_info *ret_info,
                                     struct err_detail *detail);
/* A point in another form; appends to `to`, which has room. */
MUST_CHECK enum err keyform_convert_point(uint32_t curve, struct bytes point, uint32_t form,
                                          uint8_t *to, size_t cap, size_t *ret_len);

MUST_CHECK enum err keyform_write_pkcs8(const struct keyform_parts *full, struct secret **ret_der);
MUST_CHECK enum err keyform_write_pkcs1(const struct keyform_parts *full, struct secret **ret_der);
MUST_CHECK enum err keyform_write_sec1(const struct keyform_parts *full, struct secret **ret_der);
MUST_CHECK enum err keyform_write_spki(const struct keyform_parts *full, struct buf *to);
MUST_CHECK enum err keyform_write_pkcs1_public(const struct keyform_parts *full, struct buf *to);

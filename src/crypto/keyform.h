#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/algorithm.h"

/* Forms of keys of pairs. Inside, a private key is PKCS#8 DER and a public key is
 * SubjectPublicKeyInfo DER, both rewritten by us; this is the way in from KMIP's Key Format Types
 * and out to them. Whatever comes in is read by der.h first, checked for consistency (a private key
 * whose numbers don't belong together would sign and leak), and only then given to OpenSSL.
 * Errors of all: ERR_KEY_FORM (no such key, or not consistent), ERR_UNSUPPORTED (an algorithm,
 * curve or form that is not served), ERR_LIMIT. Any thread. */

#define KEYFORM_DER_MAX ((size_t)32 * 1024)

/* Key Compression Type (KMIP 2.1, 11.24). */
enum keyform_point {
    POINT_UNCOMPRESSED = 1,
    POINT_COMPRESSED_PRIME = 2,
    POINT_COMPRESSED_CHAR2 = 3, /* refused: no such curve is served */
    POINT_HYBRID = 4,
};

struct keyform_info {
    uint32_t alg;   /* RSA, EC, Ed25519, Ed448, DSA, DH; ECDH for X25519 and X448 */
    uint32_t bits;  /* modulus, field */
    uint32_t curve; /* enum crypto_curve; 0 where there is none */
};

/* Of the canonical forms. */
MUST_CHECK enum err keyform_private_info(struct bytes pkcs8, struct keyform_info *ret_info,
                                         struct err_detail *detail);
MUST_CHECK enum err keyform_public_info(struct bytes spki, struct keyform_info *ret_info,
                                        struct err_detail *detail);

/* In: PKCS#1, PKCS#8, ECPrivateKey; Raw for Ed25519, Ed448, X25519, X448 (`alg`, `curve`) and else
 * whichever of the three it is. `alg` and `curve` 0: not known; else it must be that (EC, ECDSA and
 * ECDH are one here). */
MUST_CHECK enum err keyform_private_in(uint32_t format, uint32_t alg, uint32_t curve,
                                       struct bytes material, struct secret **ret_pkcs8,
                                       struct keyform_info *ret_info, struct err_detail *detail);
/* In: X.509, PKCS#1; Raw as above, or an EC point where `curve` says which. Appends. */
MUST_CHECK enum err keyform_public_in(uint32_t format, uint32_t alg, uint32_t curve,
                                      struct bytes material, struct buf *spki,
                                      struct keyform_info *ret_info, struct err_detail *detail);
/* Out: PKCS#8, PKCS#1 (RSA), ECPrivateKey (EC), Raw (Edwards and Montgomery curves; EC: the
 * number). */
MUST_CHECK enum err keyform_private_out(struct bytes pkcs8, uint32_t format,
                                        struct secret **ret_material, struct err_detail *detail);
/* Out: X.509, PKCS#1 (RSA), Raw (a point, or RSA: PKCS#1). `point`: enum keyform_point, 0 for
 * uncompressed. Appends. */
MUST_CHECK enum err keyform_public_out(struct bytes spki, uint32_t format, uint32_t point,
                                       struct buf *to, struct err_detail *detail);

/* The public half. Appends. */
MUST_CHECK enum err keyform_public_of(struct bytes pkcs8, struct buf *spki,
                                      struct err_detail *detail);
/* ERR_MISMATCH where they are not a pair. */
MUST_CHECK enum err keyform_match(struct bytes pkcs8, struct bytes spki, struct err_detail *detail);

/* KMIP's transparent keys (2.1, 3.5 on): big-endian numbers without sign,
 * leading zeros allowed on the way in and absent on the way out. */
struct keyform_parts {
    uint32_t alg;   /* RSA, EC, DSA, DH (Ed25519..., X25519...: d and point are the raw bytes) */
    uint32_t curve; /* EC */
    /* RSA: modulus and public exponent; private: d, or p and q, and what is derived of them */
    struct bytes modulus, public_exponent, private_exponent;
    struct bytes p, q, prime_exponent_p, prime_exponent_q, crt_coefficient;
    /* EC: private number and public point (any form of enum keyform_point) */
    struct bytes d, point;
    /* DSA and DH: p and q above, g, j (DH, optional), private x, public y */
    struct bytes g, j, x, y;
    struct secret *all; /* what parts_of_* gave views into; keyform_parts_done */
};
void keyform_parts_done(struct keyform_parts *parts);
MUST_CHECK enum err keyform_parts_of_private(struct bytes pkcs8, struct keyform_parts *ret_parts,
                                             struct err_detail *detail);
MUST_CHECK enum err keyform_parts_of_public(struct bytes spki, uint32_t point,
                                            struct keyform_parts *ret_parts,
                                            struct err_detail *detail);
MUST_CHECK enum err keyform_private_of_parts(const struct keyform_parts *parts,
                                             struct secret **ret_pkcs8,
                                             struct keyform_info *ret_info,
                                             struct err_detail *detail);
MUST_CHECK enum err keyform_public_of_parts(const struct keyform_parts *parts, struct buf *spki,
                                            struct keyform_info *ret_info,
                                            struct err_detail *detail);

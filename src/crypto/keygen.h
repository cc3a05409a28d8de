#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/algorithm.h"

/* New keys, and what lengths are keys at all. Lengths in bits are those of the bytes the key is
 * made of, parity included: 3DES has 128 (two keys) or 192 (three); 112 and 168 mean the same, as
 * clients ask for either. */

#define KEYGEN_RSA_BITS_MIN 1024 /* imported and by wish; 2048 is the usual */
#define KEYGEN_RSA_BITS_MAX 4096 /* of what is generated; 8192 of what is imported */
#define KEYGEN_BYTES_MAX    ((size_t)32 * 1024)

/* Bytes of a symmetric key (or, alg 0, of secret data) of `bits`; bits 0: the algorithm's usual
 * length. ERR_UNSUPPORTED: no symmetric algorithm that is served; ERR_ARGUMENT: a length that it
 * has not. */
MUST_CHECK enum err keygen_len(uint32_t alg, uint32_t bits, size_t *ret_len,
                               struct err_detail *detail);
/* Is this material a key of the algorithm? Gives its bits. ERR_KEY_FORM. */
MUST_CHECK enum err keygen_check(uint32_t alg, struct bytes material, uint32_t *ret_bits,
                                 struct err_detail *detail);
/* A random key; DES and 3DES with odd parity and never a weak key. */
MUST_CHECK enum err keygen_symmetric(uint32_t alg, uint32_t bits, struct secret **ret_key,
                                     struct err_detail *detail);

struct keygen_pair {
    uint32_t alg;      /* RSA, EC/ECDSA/ECDH, Ed25519, Ed448, DSA, DH */
    uint32_t bits;     /* 0: by curve, or the usual (RSA 2048, EC 256) */
    uint32_t curve;    /* EC: 0 by bits; Curve25519 and Curve448: X25519, X448 */
    uint64_t exponent; /* RSA: odd, from 65537; 0: 65537 (3 is allowed too) */
};
/* Is this a pair that keygen_pair makes? Quick, for the moment before it is queued. */
MUST_CHECK enum err keygen_pair_check(const struct keygen_pair *pair, struct err_detail *detail);
/* The private key as PKCS#8 DER; the public key as SubjectPublicKeyInfo DER, appended to `spki`.
 * RSA of 4096 bits takes seconds. */
MUST_CHECK enum err keygen_pair(const struct keygen_pair *pair, struct secret **ret_pkcs8,
                                struct buf *spki, struct err_detail *detail);

/* Bits of a curve's field as KMIP counts Cryptographic Length (P-521: 521; Curve25519: 256,
 * Curve448: 448); 0 where it is not served. */
uint32_t keygen_curve_bits(uint32_t curve);
/* The curve meant by a length alone (192, 224, 256, 384, 521: NIST's); 0 for none. */
uint32_t keygen_curve_of_bits(uint32_t bits);

#pragma once

#include "crypto/evp.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"

/* Inside this folder only. */

struct rsa_public {
    EVP_PKEY *pkey;
    struct buf spki;      /* canonical DER; modulus and exponent point into it */
    struct bytes modulus; /* without leading zeros */
    struct bytes exponent;
    uint8_t fingerprint[HASH_SHA256_SIZE];
    uint8_t key_id[RSA_KEY_ID_SIZE];
};

/* RFC 8017, appendix C: rsaEncryption, id-RSAES-OAEP, id-mgf1, sha256WithRSAEncryption; FIPS 180.
 */
extern const uint8_t oid_rsa[9];
extern const uint8_t oid_oaep[9];
extern const uint8_t oid_mgf1[9];
extern const uint8_t oid_rsa_sha256[9];
extern const uint8_t oid_sha1[5];
extern const uint8_t oid_sha256[9];

/* The context of an OAEP operation that was begun with `init`. NULL on failure. */
EVP_PKEY_CTX *rsa_oaep_ctx(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *), enum oaep_hash hash);
/* The same for PKCS#1 v1.5 signatures with SHA-256. */
EVP_PKEY_CTX *rsa_signature_ctx(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *));

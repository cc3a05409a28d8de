#pragma once

#include "base/buf.h"
#include "base/secret.h"

#define RSA_BITS_MIN    2048
#define RSA_BITS_MAX    8192
#define RSA_BYTES_MAX   (RSA_BITS_MAX / 8)
#define RSA_KEY_ID_SIZE 20
#define RSA_PEM_MAX     ((size_t)16 * 1024)

/* RSAES-OAEP (RFC 8017, 7.1) with MGF1 over the same hash and an empty label. */
enum oaep_hash { OAEP_SHA1, OAEP_SHA256 };

/* A public key; never changes, so any number of threads may use it. */
struct rsa_public;
/* A private key in software: for keys that live as long as one command, for bringing an existing
 * key into a token, for tests. Any number of threads. */
struct rsa_private;

/* "PUBLIC KEY" (RFC 5280 SubjectPublicKeyInfo) or "RSA PUBLIC KEY" (RFC 8017, A.1.1), of
 * RSA_BITS_MIN to RSA_BITS_MAX bits with an odd exponent from 3 to 2^64 - 1. ERR_SYNTAX, ERR_LIMIT
 * for the size, ERR_UNSUPPORTED for another kind of key. */
MUST_CHECK enum err rsa_public_from_pem(struct bytes pem, struct rsa_public **ret_key,
                                        struct err_detail *detail);
MUST_CHECK enum err rsa_public_from_spki(struct bytes der, struct rsa_public **ret_key,
                                         struct err_detail *detail);
/* Big-endian, leading zeros allowed. */
MUST_CHECK enum err rsa_public_from_parts(struct bytes modulus, struct bytes exponent,
                                          struct rsa_public **ret_key, struct err_detail *detail);
void rsa_public_free(struct rsa_public *key); /* NULL is allowed */
void rsa_public_freep(struct rsa_public **key);
/* "PUBLIC KEY"; appends. */
MUST_CHECK enum err rsa_public_to_pem(const struct rsa_public *key, struct buf *to);
/* Borrowed from the key. */
struct bytes rsa_public_spki(const struct rsa_public *key);
struct bytes rsa_public_modulus(const struct rsa_public *key);  /* no leading zeros */
struct bytes rsa_public_exponent(const struct rsa_public *key); /* no leading zeros */
/* SHA-256 of the SubjectPublicKeyInfo; 32 bytes, borrowed. */
struct bytes rsa_public_fingerprint(const struct rsa_public *key);
/* RFC 5280, 4.2.1.2, method 1: SHA-1 of the RSAPublicKey; RSA_KEY_ID_SIZE bytes, borrowed. */
struct bytes rsa_public_key_id(const struct rsa_public *key);
size_t rsa_public_size(const struct rsa_public *key); /* modulus in bytes */

/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2) over a digest. ERR_SIGNATURE where it does
 * not verify. */
MUST_CHECK enum err rsa_verify_sha256(const struct rsa_public *key, const uint8_t digest[32],
                                      struct bytes signature, struct err_detail *detail);
/* Appends rsa_public_size bytes. ERR_LIMIT where `plain` is too long for the key. */
MUST_CHECK enum err rsa_oaep_encrypt(const struct rsa_public *key, enum oaep_hash hash,
                                     struct bytes plain, struct buf *to, struct err_detail *detail);

/* Exponent 65537. 2048, 3072 or 4096 bits are usual; takes from 0.1 s to seconds. */
MUST_CHECK enum err rsa_private_generate(unsigned bits, struct rsa_private **ret_key,
                                         struct err_detail *detail);
/* PKCS#8 (clear or encrypted) or PKCS#1. `passphrase` is empty for none; ERR_DENIED where one is
 * wanted or wrong, ERR_SYNTAX, ERR_LIMIT, ERR_UNSUPPORTED. */
MUST_CHECK enum err rsa_private_from_pem(struct bytes pem, struct bytes passphrase,
                                         struct rsa_private **ret_key, struct err_detail *detail);
/* PKCS#8 in clear. */
MUST_CHECK enum err rsa_private_to_pem(const struct rsa_private *key, struct secret **ret_pem);
void rsa_private_free(struct rsa_private *key); /* wipes; NULL is allowed */
void rsa_private_freep(struct rsa_private **key);
/* Borrowed from the private key. */
const struct rsa_public *rsa_private_public(const struct rsa_private *key);

/* The key's numbers (RFC 8017, 3.2), big-endian, no leading zeros, for C_CreateObject or wrapping.
 * Views into the one secret `all`. */
struct rsa_parts {
    struct bytes n, e, d, p, q, dp, dq, qi;
    struct secret *all;
};
MUST_CHECK enum err rsa_private_parts(const struct rsa_private *key, struct rsa_parts *ret_parts);
void rsa_parts_done(struct rsa_parts *parts);
/* PKCS#8 PrivateKeyInfo in DER (RFC 5208), what a token unwraps. */
MUST_CHECK enum err rsa_private_pkcs8(const struct rsa_private *key, struct secret **ret_der);

/* ERR_DECRYPT for whatever is wrong with `sealed`, without saying what. */
MUST_CHECK enum err rsa_oaep_decrypt(const struct rsa_private *key, enum oaep_hash hash,
                                     struct bytes sealed, struct secret **ret_plain);
/* PKCS#1 v1.5 with SHA-256; appends rsa_public_size bytes. */
MUST_CHECK enum err rsa_sign_sha256(const struct rsa_private *key, const uint8_t digest[32],
                                    struct buf *to, struct err_detail *detail);

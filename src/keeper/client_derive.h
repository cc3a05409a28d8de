#pragma once

#include "keeper/client_objects.h"

/* A part of keeper/client_objects.h: deriving, wrapping, splitting. */

/* Derive Key (KMIP 2.1, 6.1.14). Borrowed. */
struct keeper_derive {
    uint32_t method; /* enum crypto_derivation */
    struct crypto_params params;
    struct bytes iv;
    struct bytes data; /* derivation data */
    struct bytes salt;
    uint32_t iterations;
    struct bytes peer; /* Asymmetric Key: the other side's SubjectPublicKeyInfo */
};
/* From one base key, and where the method wants it a second as derivation data (NULL: none). */
MUST_CHECK enum err
keeper_object_derive(struct keeper_client *client, const char *actor,
                     const struct keeper_object *base, const struct keeper_object *data_key,
                     const struct keeper_derive *derive, const struct keeper_object *object,
                     const struct keeper_object_spec *spec, struct keeper_object_made *made,
                     struct err_detail *detail);

/* Key wrapping (KMIP 2.1, 3.? Key Wrapping Data). Borrowed. */
struct keeper_wrap {
    const struct keeper_object *encrypt; /* NULL: not encrypted */
    struct bytes encrypt_spki;           /* or a public key (RSA-OAEP, PKCS#1 v1.5) */
    struct crypto_params encrypt_params; /* mode NISTKeyWrap, AESKeyWrapPadding, GCM, CBC... */
    const struct keeper_object *mac;     /* NULL: none. A symmetric key MACs, a private key signs */
    struct bytes mac_spki;               /* unwrap: verifies with a public key */
    struct crypto_params mac_params;
    bool mac_then_encrypt;
    struct bytes iv;        /* unwrap; wrap: empty makes one */
    struct bytes mac_value; /* unwrap */
    uint32_t format;        /* enum crypto_key_format of the wrapped material; 0: as it lies */
    /* Encoding Option: false, the material itself is wrapped (No Encoding); true, the TTLV of Key
     * Value { Key Material (byte string), `after` }, whose headers and padding the keeper makes. */
    bool ttlv;
    struct bytes after; /* wrap with ttlv: encoded attributes, or empty */
    struct buf *rest;   /* unwrap with ttlv: what follows Key Material is appended; may be NULL */
};
/* Appends the wrapped bytes (not encrypted: the plain ones, for a MAC or signature alone;
 * ERR_DENIED for what never leaves in clear); the IV where one was made, and the MAC or signature
 * to `mac`. */
MUST_CHECK enum err keeper_object_wrap(struct keeper_client *client, const char *actor,
                                       const struct keeper_object *object,
                                       const struct keeper_wrap *wrap, struct buf *wrapped,
                                       uint8_t ret_iv[CRYPTO_IV_MAX], size_t *ret_iv_len,
                                       struct buf *mac, struct err_detail *detail);
/* Register, Import of a wrapped key. ERR_DECRYPT for whatever is wrong with the wrapped bytes or
 * the MAC. Key Material of a Transparent Symmetric Key, a structure with Key in it, is taken too.
 */
MUST_CHECK enum err keeper_object_unwrap(struct keeper_client *client, const char *actor,
                                         const struct keeper_wrap *wrap, struct bytes wrapped,
                                         const struct keeper_object *object,
                                         const struct keeper_object_spec *spec,
                                         struct keeper_object_made *made,
                                         struct err_detail *detail);

/* Split and join (KMIP 2.1, 6.1.11 and 6.1.29). `parts` are objects to be made (class SECRET),
 * `made` has `count` entries. Methods by KMIP's Split Key Method: 1 XOR, 2 polynomial GF(2^16), 3
 * polynomial over a prime field, 4 polynomial GF(2^8). */
#define KEEPER_SPLIT_MAX 64
struct keeper_split {
    uint32_t method, count, threshold;
    struct bytes prime; /* method 3 */
};
MUST_CHECK enum err keeper_object_split(struct keeper_client *client, const char *actor,
                                        const struct keeper_object *object,
                                        const struct keeper_split *split,
                                        const struct keeper_object *parts,
                                        struct keeper_object_made *made, struct err_detail *detail);
/* `numbers[i]` is the Key Part Identifier of parts[i]. */
MUST_CHECK enum err keeper_object_join(struct keeper_client *client, const char *actor,
                                       const struct keeper_split *split,
                                       const struct keeper_object *parts, const uint32_t *numbers,
                                       size_t count, const struct keeper_object *object,
                                       const struct keeper_object_spec *spec,
                                       struct keeper_object_made *made, struct err_detail *detail);

/* Random bytes of the keeper (token and system mixed), and entropy for it (RNG Retrieve, RNG Seed).
 */
MUST_CHECK enum err keeper_random(struct keeper_client *client, const char *actor, size_t len,
                                  struct buf *to, struct err_detail *detail);
MUST_CHECK enum err keeper_random_seed(struct keeper_client *client, const char *actor,
                                       struct bytes seed, struct err_detail *detail);

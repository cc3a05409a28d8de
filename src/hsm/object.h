#pragma once

#include "hsm/hsm.h"

/* Keys that live in the token, by CKA_LABEL and CKA_ID. The handle inside is found again by itself
 * whenever it was lost. */
struct hsm_key;
struct rsa_private; /* crypto/rsa.h */
struct rsa_public;

#define HSM_ID_MAX       32
#define HSM_ID_LEN       16 /* of keys made here: random */
#define HSM_RSA_BITS_MIN 2048
#define HSM_RSA_BITS_MAX 4096

enum hsm_class { HSM_AES, HSM_RSA };

/* ERR_NOT_FOUND; ERR_CONFLICT where several have the label. The key is the caller's; it must not
 * outlive the hsm. */
MUST_CHECK enum err hsm_key_find(struct hsm *hsm, enum hsm_class class, const char *label,
                                 struct hsm_key **ret_key, struct err_detail *detail);
/* An AES-256 token object: sensitive, not extractable, never to be derived from or copied. `label`
 * of at most HSM_LABEL_MAX bytes must be new in its class (ERR_EXISTS). */
MUST_CHECK enum err hsm_aes_generate(struct hsm *hsm, const char *label, struct hsm_key **ret_key,
                                     struct err_detail *detail);
/* A key pair for signing and decrypting, as above. 2048 to 4096 bits in steps of 1024. */
MUST_CHECK enum err hsm_rsa_generate(struct hsm *hsm, const char *label, unsigned bits,
                                     struct hsm_key **ret_key, struct err_detail *detail);

/* Put an existing private key into the token, as above. ERR_LIMIT for its size. */
MUST_CHECK enum err hsm_rsa_import(struct hsm *hsm, const char *label,
                                   const struct rsa_private *own, struct hsm_key **ret_key,
                                   struct err_detail *detail);
/* The public half, the caller's to free. Asks nothing of the token. */
MUST_CHECK enum err hsm_rsa_public(struct hsm *hsm, struct hsm_key *key,
                                   struct rsa_public **ret_public, struct err_detail *detail);

struct hsm_key_info {
    enum hsm_class class;
    char label[HSM_LABEL_MAX + 1];
    uint8_t id[HSM_ID_MAX];
    size_t id_len;
    unsigned bits;
    bool sensitive;
    bool extractable; /* a root key must not be */
};
/* As it was when the key was found or made. */
void hsm_key_info(const struct hsm_key *key, struct hsm_key_info *ret_info);

/* Destroy the object in the token (with its public half); `key` stays to be freed. */
MUST_CHECK enum err hsm_key_destroy(struct hsm *hsm, struct hsm_key *key,
                                    struct err_detail *detail);
void hsm_key_free(struct hsm_key *key); /* NULL is allowed */
void hsm_key_freep(struct hsm_key **key);

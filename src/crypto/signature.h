#pragma once

#include "crypto/use.h"

/* How a signature is made, of what a client said and what its key is: one answer for OpenSSL and
 * for tokens. */

enum signature_kind {
    SIGNATURE_PKCS1,
    SIGNATURE_PSS,
    SIGNATURE_ECDSA,
    SIGNATURE_DSA,
    SIGNATURE_EDDSA
};

struct signature_scheme {
    enum signature_kind kind;
    uint32_t hash; /* 0: by the key's size (ECDSA), or none (EdDSA) */
    uint32_t mask_hash;
    int32_t salt_len;
};

/* ERR_UNSUPPORTED, ERR_ARGUMENT: as crypto_can. */
MUST_CHECK enum err signature_scheme(const struct crypto_key *key,
                                     const struct crypto_params *params,
                                     struct signature_scheme *ret_scheme,
                                     struct err_detail *detail);
/* FIPS 186-5, 6.1.1: a hash as strong as a curve of so many bits. */
uint32_t signature_usual_hash(unsigned bits);

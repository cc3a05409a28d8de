#pragma once

#include "crypto/rsa.h"
#include "hsm/object.h"

#define HSM_SIGNATURE_MAX (HSM_RSA_BITS_MAX / 8)

/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2) over a digest made by the caller. `signature` has
 * room for HSM_SIGNATURE_MAX bytes. */
MUST_CHECK enum err hsm_rsa_sign(struct hsm *hsm, struct hsm_key *key, const uint8_t digest[32],
                                 uint8_t *signature, size_t *ret_len, struct err_detail *detail);
/* RSAES-OAEP (RFC 8017, 7.1) with an empty label; `hash` is that of MGF1 too. ERR_DECRYPT for what
 * doesn't open, ERR_TOKEN_UNABLE where the token can't do this hash. */
MUST_CHECK enum err hsm_rsa_oaep_decrypt(struct hsm *hsm, struct hsm_key *key, enum oaep_hash hash,
                                         struct bytes ciphertext, struct secret **ret_secret,
                                         struct err_detail *detail);

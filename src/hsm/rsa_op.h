#pragma once

#include "crypto/rsa.h"
#include "hsm/session.h"

/* RSA inside one operation; for this folder only. */

MUST_CHECK CK_RV rsa_op_sign(struct hsm_call *call, CK_OBJECT_HANDLE key, const uint8_t digest[32],
                             uint8_t *signature, size_t cap, size_t *ret_len);
/* `plain` has `cap` bytes, no fewer than the modulus. */
MUST_CHECK CK_RV rsa_op_decrypt(struct hsm_call *call, CK_OBJECT_HANDLE key, enum oaep_hash hash,
                                struct bytes sealed, uint8_t *plain, size_t cap, size_t *ret_len);

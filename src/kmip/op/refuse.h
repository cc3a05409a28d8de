#pragma once

#include "kmip/op/op.h"

/* The object is of no type this operation works with: Invalid Object Type, and where a version
 * before 2.0 has its own word for it, Permission Denied (KMIP 1.4, 11.30 on). */
MUST_CHECK enum err kmip_wrong_type(struct kmip_call *call);
/* What a cryptographic call came to, as Result Reason: parameters that are not served or don't fit,
 * data that can't be decrypted (one answer for every cause), a key that is none. Other errors pass,
 * and what has its reason already. `err` must not be ERR_OK. */
MUST_CHECK enum err kmip_crypto_failed(struct kmip_call *call, enum err err);

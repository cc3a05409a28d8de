#pragma once

#include "base/bytes.h"

#define KCV_SIZE 3

/* A key's check value, to compare keys without showing them: the first bytes of a block of zeros
 * encrypted under it, by AES for 16 and 32 bytes, by 3DES for 24. ERR_ARGUMENT for other lengths,
 * ERR_CRYPTO where the provider has no 3DES. Any thread. */
MUST_CHECK enum err kcv_of(struct bytes key, uint8_t ret_kcv[KCV_SIZE]);

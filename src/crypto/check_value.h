#pragma once

#include "base/bytes.h"

#define CHECK_VALUE_SIZE 8

/* How a device, a factory and an operator say that they have the same key without showing it
 * (docs/node-protocol.md): the first bytes of a MAC over "claviger kcv 1" under the key,
 * AES-128-CMAC for 16 bytes, HMAC-SHA-256 for the 24 of a gateway key. ERR_ARGUMENT for other
 * lengths. Any thread. */
MUST_CHECK enum err check_value_of(struct bytes key, uint8_t ret_value[CHECK_VALUE_SIZE]);

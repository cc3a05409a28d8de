#pragma once

#include "base/bytes.h"

/* Lower case, NUL-terminated; `to` has room for 2 * from.len + 1. */
void hex_encode(struct bytes from, char *to);
/* Upper or lower case digits without prefix. ERR_SYNTAX for anything else or an odd number of
 * digits, ERR_LIMIT where `cap` is too small. Time depends on the length only, so keys may pass
 * through. */
MUST_CHECK enum err hex_decode(struct bytes text, uint8_t *to, size_t cap, size_t *ret_len);

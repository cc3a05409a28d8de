#pragma once

#include "base/secret.h"

#define DES3_KEY_SIZE 24

/* Keys for three-key Triple DES (SP 800-67r2); the cipher itself is not used here. */

/* Odd parity in the lowest bit of each byte (SP 800-67r2, 3.2). Length is any. */
void des_parity_set(uint8_t *key, size_t len);
bool des_parity_ok(struct bytes key);
/* ERR_ARGUMENT with the reason: not 24 bytes, wrong parity, two parts the same (SP 800-67r2,
 * 3.3.1), a weak or semi-weak part (3.3.2). Parity is left out of the comparisons. */
MUST_CHECK enum err des3_check(struct bytes key, struct err_detail *detail);
/* Keys of one, two or three parts: none of them weak or semi-weak, all different. */
bool des_parts_good(struct bytes key);
/* A random key that des3_check accepts. */
MUST_CHECK enum err des3_generate(struct secret **ret_key);

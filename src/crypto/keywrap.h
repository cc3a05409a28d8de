#pragma once

#include "crypto/use.h"

/* Wrapping keys (KMIP 2.1, 7.18): by params.mode NISTKeyWrap (RFC 3394),
 * AESKeyWrapPadding (RFC 5649), or whatever crypto_use encrypts with, RSA with a public key
 * included. Mode 0 with a symmetric AES key is NISTKeyWrap. An AEAD's tag follows the wrapped
 * bytes. ERR_UNSUPPORTED for the modes of X9.102. Any thread. */

#define KEYWRAP_MAX ((size_t)64 * 1024)

/* Is wrapping with this key served? As crypto_can; encrypting or not. */
MUST_CHECK enum err keywrap_can(const struct crypto_key *key, const struct crypto_params *params,
                                bool wrapping, struct err_detail *detail);
/* Appends. `iv` is empty where the mode has none (RFC 3394, 5649: its constant) or one is to be
 * made; ret_iv gets what was used where it is not a constant, *ret_iv_len 0 otherwise. ERR_ARGUMENT
 * where `plain` is of a length the mode can't wrap. */
MUST_CHECK enum err keywrap_wrap(const struct crypto_key *key, const struct crypto_params *params,
                                 struct bytes iv, struct bytes plain, struct buf *to,
                                 uint8_t ret_iv[CRYPTO_IV_MAX], size_t *ret_iv_len,
                                 struct err_detail *detail);
/* ERR_DECRYPT for whatever is wrong with `wrapped`. */
MUST_CHECK enum err keywrap_unwrap(const struct crypto_key *key, const struct crypto_params *params,
                                   struct bytes iv, struct bytes wrapped, struct secret **ret_plain,
                                   struct err_detail *detail);

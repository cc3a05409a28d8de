#pragma once

#include "crypto/keyform.h"
#include "crypto/keygen.h"

/* Inside this folder only: private keys whose random bits all come from x931.h. RSA by FIPS 186-5,
 * A.1.3 (probable primes), EC by A.2.1 (extra random bits), Edwards and Montgomery curves by RFC
 * 8032 and 7748 (any bytes). ERR_UNSUPPORTED for other algorithms. The pair was checked. */
MUST_CHECK enum err keygen_draw(const struct keygen_pair *pair, uint32_t curve,
                                struct secret **ret_pkcs8, struct err_detail *detail);

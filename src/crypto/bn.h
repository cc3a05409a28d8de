#pragma once

#include "base/secret.h"
#include "crypto/evp.h"

#include <openssl/bn.h>

/* Inside this folder only: big numbers of OpenSSL under our rules. All are wiped. */

void bn_freep(BIGNUM **number);
void bn_ctx_freep(BN_CTX **ctx);
/* Big-endian; takes the ways of OpenSSL that don't depend on its bits. NULL: no memory. */
BIGNUM *bn_of(struct bytes number);
BIGNUM *bn_new(void);

#pragma once

#include "base/secret.h"

/* The generator of ANSI X9.31, A.2.4, with AES-256 (NIST-Recommended Random Number Generator Based
 * on ANSI X9.31 Appendix A.2.4, 2005): what KMIP's Random Number Generator attribute calls ANSI
 * X9.31. Each key has a generator of its own, whose AES key and seed come from the DRBG of
 * crypto/random.h and whose date and time vector is the clock, counted up per block; so its output
 * is at least as hard to foretell as the DRBG's. */

#define X931_KEY   32
#define X931_BLOCK 16

/* Embedded; wiped by x931_done. */
struct x931 {
    struct evp_cipher_ctx_st *ctx;
    uint8_t seed[X931_BLOCK];
    uint8_t time[X931_BLOCK];
};

/* `time` is the first date and time vector. */
MUST_CHECK enum err x931_init(struct x931 *x931, const uint8_t key[X931_KEY],
                              const uint8_t seed[X931_BLOCK], const uint8_t time[X931_BLOCK]);
/* ERR_CRYPTO also where two blocks in a row are equal (FIPS 140-2, 4.9.2). */
MUST_CHECK enum err x931_bytes(struct x931 *x931, uint8_t *to, size_t len);
void x931_done(struct x931 *x931);

/* Key material from a fresh generator. At most SECRET_MAX. Any thread. */
MUST_CHECK enum err x931_secret(size_t len, struct secret **ret_secret);

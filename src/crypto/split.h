#pragma once

#include "base/buf.h"
#include "base/secret.h"

/* Secret sharing (KMIP 2.1, 13.1). Arithmetic in the fields is constant-time in the secret and the
 * shares. Numbers of parts start at 1. Any thread. */

enum split_method { /* Split Key Method */
                    SPLIT_XOR = 1,
                    SPLIT_GF_2_16 = 2, /* over GF(2^8) of FIPS 197: y^2 + y + 0x3a */
                    SPLIT_PRIME = 3,
                    SPLIT_GF_2_8 = 4, /* x^8 + x^4 + x^3 + x^2 + 1 (285) */
};

#define SPLIT_PARTS_MAX  64
#define SPLIT_SECRET_MAX ((size_t)32 * 1024)
#define SPLIT_PRIME_MAX  ((size_t)1024) /* bytes */

struct split_spec {
    uint32_t method;
    uint32_t parts, threshold; /* XOR: both the same */
    struct bytes prime;        /* SPLIT_PRIME: greater than any secret of that length */
};
/* ret_parts[i], part number i + 1, is a new secret each: as long as the secret (GF(2^16): rounded
 * up to two, with the last piece's zero byte), with a prime as long as the prime. ERR_ARGUMENT:
 * numbers, or a prime that is none or too small; ERR_UNSUPPORTED; ERR_LIMIT. */
MUST_CHECK enum err split_make(const struct split_spec *spec, struct bytes secret,
                               struct secret *ret_parts[], struct err_detail *detail);

/* The least prime above all secrets of `len` bytes, for who was given none; appends. ERR_LIMIT
 * above SPLIT_PRIME_LEN_MAX: that search takes too long. */
#define SPLIT_PRIME_LEN_MAX ((size_t)512)
MUST_CHECK enum err split_prime_for(size_t len, struct buf *to, struct err_detail *detail);

struct split_part {
    uint32_t number;
    struct bytes share;
};
/* `len`: bytes of the secret where it is known, else 0: as long as a share (with a prime: without
 * leading zeros). Of more parts than the threshold the first are taken; whether they belong
 * together can't be seen. ERR_ARGUMENT: too few, a number twice, lengths that differ. */
MUST_CHECK enum err split_join(const struct split_spec *spec, const struct split_part *parts,
                               size_t count, size_t len, struct secret **ret_secret,
                               struct err_detail *detail);

#pragma once

#include "crypto/use.h"
#include "kmip/codec/node.h"

/* Cryptographic Parameters (KMIP 1.4, 3.6; 2.1, 4.16) as crypto/use.h takes them. */

struct kmip_params {
    struct crypto_params crypto;
    uint32_t alg;       /* Cryptographic Algorithm; 0: not said */
    int64_t counter;    /* Initial Counter Value; -1: not said */
    bool tag_len_given; /* Tag Length was said, whatever it is */
};

/* `node` may be NULL: nothing said. `p_source` is borrowed from it. ERR_ARGUMENT for lengths that
 * no algorithm has; ERR_CRYPTO for a Tag Length that none has, as KMIP's transcripts tell them
 * apart. */
MUST_CHECK enum err kmip_params_read(const struct kmip_node *node, struct kmip_params *ret_params,
                                     struct err_detail *detail);
/* The hash of an HMAC; 0 where `alg` is none. */
uint32_t kmip_hmac_hash(uint32_t alg);
/* The block of a counter mode: `iv` with the Initial Counter Value behind it, in `room`. `iv`
 * itself where there is nothing to add. */
struct bytes kmip_params_counter_block(const struct kmip_params *params, uint32_t key_alg,
                                       struct bytes iv, uint8_t room[16]);

#pragma once

#include "kmip/op/params.h"
#include "kmip/op/streams.h"

/* Using a managed key: Encrypt, Decrypt, Sign, Signature Verify, MAC and MAC Verify (KMIP 1.4, 4.29
 * to 4.34; 2.1, 6.1.11, 6.1.17, 6.1.32, 6.1.33, 6.1.55, 6.1.56) differ in the names of their fields
 * only. begin finds the key and checks that it may be used so, run does it, done forgets. */

struct kmip_use {
    struct kmip_call *call;
    enum crypto_op op;
    struct vault_object object;
    struct bytes spki; /* where the key is a public one */
    struct kmip_params params;
    /* of run */
    struct buf data; /* wiped by done */
    struct crypto_output output;
    bool whole;               /* all in one, or the last piece: tag, signature, verdict are there */
    struct bytes correlation; /* to be given out; empty */
};

/* Zeroes `use`. */
MUST_CHECK enum err kmip_use_begin(struct kmip_call *call, enum crypto_op op, struct kmip_use *use);
/* `input` has op, data, digested, iv, aad and tag; params are added here. One request of however
 * many: Init Indicator, Final Indicator and Correlation Value are read from the payload. */
MUST_CHECK enum err kmip_use_run(struct kmip_use *use, struct crypto_input *input);
void kmip_use_done(struct kmip_use *use);

/* May this object be used so now: archived, state and dates, mask (KMIP 2.1, 4.57 and 12.1)?
 * `protects`: it applies protection (encrypt, sign, MAC, wrap, derive) rather than processing what
 * is protected. */
MUST_CHECK enum err kmip_may_use(struct kmip_call *call, const struct vault_object *object,
                                 uint32_t mask, bool protects);
/* Take `bytes`, or one, of the object's Usage Limits, whichever their unit is. */
MUST_CHECK enum err kmip_take_usage(struct kmip_call *call, const struct vault_object *object,
                                    size_t bytes);
/* SubjectPublicKeyInfo of a public key or certificate; borrowed. Invalid Object Type for others. */
MUST_CHECK enum err kmip_object_spki(struct kmip_call *call, const struct vault_object *object,
                                     struct bytes *ret_spki);
/* The parameters: the payload's, or where it has none the object's (the first that suits `op`). */
MUST_CHECK enum err kmip_use_params(struct kmip_call *call, const struct vault_object *object,
                                    const struct kmip_node *given, enum crypto_op op,
                                    struct kmip_params *ret_params);

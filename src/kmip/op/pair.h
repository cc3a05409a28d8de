#pragma once

#include "kmip/op/make.h"

/* A key pair made here: what Create Key Pair and Re-key Key Pair have in common. */
struct kmip_pair {
    struct kmip_new keys[2]; /* private, public */
};
/* The keeper's work and the attributes that follow from it; both were begun and placed. */
MUST_CHECK enum err kmip_pair_make(struct kmip_call *call, struct kmip_pair *pair);
/* Both identifiers into the payload; the private key's is the ID Placeholder. */
void kmip_pair_put(struct kmip_call *call, const struct kmip_pair *pair);
void kmip_pair_done(struct kmip_pair *pair);

#pragma once

#include "kmip/op/make.h"

/* Where a new object's key is to live: sealed in the store, or in the token. The client's record
 * says; for one object its Protection Storage Masks (2.x), or the vendor attribute "placement" of
 * vendor "claviger" ("x-claviger-placement" in 1.x) with the text "vault" or "token".
 * Protection Storage Unavailable where it can't be there. */
MUST_CHECK enum err kmip_place(struct kmip_call *call, struct kmip_new *new,
                               const struct kmip_node *masks);
/* The attribute says where the key was made: it is read-only from then on. */
bool kmip_is_placement(const struct kmip_attr_ref *ref);
/* This operation works with keys that are in the token. */
bool kmip_works_in_token(uint32_t operation);
/* Why the keeper did not make a key, as Result Reason: Cryptographic Failure for a length or
 * algorithm that is none, Feature Not Supported for what the token can't. */
MUST_CHECK enum err kmip_made_error(struct kmip_call *call, enum err err);
/* An object of the token that goes when the batch is through, or not at all. */
MUST_CHECK enum err kmip_destroy_later(struct kmip_call *call, const struct keeper_object *object);
/* The other way round: what a batch made in the token goes where the batch is undone. */
MUST_CHECK enum err kmip_undo_later(struct kmip_call *call, const struct kmip_new *new);
/* The end of a batch: what was to be destroyed is (`undone` false), or what the batch made. */
void kmip_batch_ended(struct kmip_request *request, bool undone);

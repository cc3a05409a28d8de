#pragma once

#include "kmip/op/make.h"

/* Sensitive and Extractable (KMIP 1.4, 3.49, 3.51) are also flags in the keeper's record, so that
 * it refuses by itself. A change of them is one of the record, too, and goes one way: towards more
 * secret. */

/* A record with other flags, for the transaction that stores it. */
struct kmip_reflag {
    uint32_t flags;
    struct bytes of, sealed; /* instead of which, and it */
};

/* As kmip_object_change; where fn raises a flag the keeper makes a new record for it first, and fn
 * runs again in the transaction that stores it. */
MUST_CHECK enum err kmip_flags_change(struct kmip_call *call, const struct vault_object *object,
                                      kmip_change_fn *fn, void *ctx);
/* The end of such an fn: puts the new record in place, or says that one is needed. Permission
 * Denied where a flag would be lowered. */
MUST_CHECK enum err kmip_flags_changed(struct kmip_change *change);

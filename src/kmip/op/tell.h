#pragma once

#include "kmip/op/make.h"

/* Notify (KMIP 1.4, 5.1; 2.1, 6.2.2): the client that made an object is told which of its
 * attributes changed, if it listens. In the version of the request that changed them. */

/* What stands before and after; nothing is told where `before` was not taken. */
struct kmip_told {
    bool taken;
    uint64_t owner;
    char uid[VAULT_UID_MAX + 1];
    struct kmip_attrs before, after;
};

/* Inside the transaction, before the change: whether it will have to be told. */
MUST_CHECK enum err kmip_tell_before(struct kmip_call *call, const struct vault_object *object,
                                     struct kmip_told *told);
/* After the commit. What can't be told is no error. */
void kmip_tell_after(struct kmip_call *call, const struct kmip_told *told);

#pragma once

#include "kmip/op/make.h"

/* Notify and Put (KMIP 1.4, 5.1, 5.2; 2.1, 6.2): the client that made an object is told which of
 * its attributes changed, if it listens; what replaces the object, or is made out of it, is put to
 * it, if it wants that.
 * In the version of the request that did it. Of a batch with Undo nothing is told before its
 * commit. */

/* What stands before and after; nothing is told where `before` was not taken. */
struct kmip_told {
    bool taken;
    uint64_t owner;
    char uid[VAULT_UID_MAX + 1];
    struct kmip_attrs before, after;
};
struct kmip_put {
    uint64_t owner;                                           /* of what is replaced */
    char uid[VAULT_UID_MAX + 1], replaced[VAULT_UID_MAX + 1]; /* "": it is new */
    uint16_t version;
};
/* What waits for the commit of its batch, in the request's arena. */
struct kmip_untold {
    struct kmip_untold *next;
    struct kmip_told told;
    struct kmip_put put; /* uid "": it is a Notify */
};

/* Inside the transaction, before the change: whether it will have to be told. */
MUST_CHECK enum err kmip_tell_before(struct kmip_call *call, const struct vault_object *object,
                                     struct kmip_told *told);
/* After the commit, or inside the batch. What can't be told is no error. */
void kmip_tell_after(struct kmip_call *call, const struct kmip_told *told);
/* The same: the object `uid` came to be instead of `old`. */
void kmip_tell_replaced(struct kmip_call *call, const struct vault_object *old, const char *uid);
/* The same: `uid` was derived from `source`, or certifies it, and did not replace it. */
void kmip_tell_new(struct kmip_call *call, const struct vault_object *source, const char *uid);
/* A batch with Undo is committed. */
void kmip_tell_committed(struct kmip_request *request);

/* Inside this folder only. A Request Message of one item; its payload is empty. */
struct kmip_node *kmip_tell_message(struct kmip_build *b, uint16_t version, uint32_t operation,
                                    struct kmip_node **ret_payload);
void kmip_put_start(struct kmip_env *env, const struct kmip_put *put);

#pragma once

#include "kmip/op/op.h"

/* Asynchronous operations (KMIP 1.4, 6.7; 2.1, 9.2): an item is written to the store, its
 * correlation value given out, and it is run in a fiber of its own. Poll gives its result once,
 * from the store, so that a restart loses none; what a restart cut off has failed. Any thread. */

#define KMIP_ASYNC_KEEP_S    (24 * 3600) /* a result nobody asks for */
#define KMIP_ASYNC_MAX       1024        /* under way, of all clients */
#define KMIP_ASYNC_OF_CLIENT 64

struct kmip_async;

/* Marks as failed what the last life of the process left. Borrows `store`. Blocks. */
MUST_CHECK enum err kmip_async_new(struct store *store, int64_t now, struct kmip_async **ret_async,
                                   struct err_detail *detail);
/* No fiber of it may be left. NULL is allowed. */
void kmip_async_free(struct kmip_async *async);
/* Items under way: at the end the server waits for 0, or stops its fibers. */
unsigned kmip_async_active(const struct kmip_async *async);

/* Does the message's header want this item to go on asynchronously (Asynchronous Indicator true in
 * 1.x, Mandatory in 2.x), and may it? kmip_fail for Mandatory where it may not. */
MUST_CHECK enum err kmip_async_wanted(struct kmip_call *call, bool *ret_wanted);
/* Take the item over: sets call->pending and call->correlation. */
MUST_CHECK enum err kmip_async_begin(struct kmip_call *call);

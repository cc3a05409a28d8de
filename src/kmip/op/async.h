#pragma once

#include "kmip/op/op.h"

/* Asynchronous operations (KMIP 1.4, 6.7; 2.1, 9.2): an item is written to the store, its
 * correlation value given out, and it is run in a fiber of its own, a moment later so that it can
 * still be cancelled. Its result waits in the store until it is asked for, so that a restart loses
 * none; what a restart cut off has failed. Requests and results that hold keys or data are never
 * written: such an item is run when its client polls. Any thread. */

#define KMIP_ASYNC_KEEP_S    (24 * 3600) /* a result nobody asks for */
#define KMIP_ASYNC_DELAY_MS  250
#define KMIP_ASYNC_MAX       1024 /* of all clients */
#define KMIP_ASYNC_OF_CLIENT 64

struct kmip_async;

/* Marks as failed what the last life of the process left. Borrows `store`. Blocks. */
MUST_CHECK enum err kmip_async_new(struct store *store, int64_t now, struct kmip_async **ret_async,
                                   struct err_detail *detail);
/* No fiber of it may be left. NULL is allowed. */
void kmip_async_free(struct kmip_async *async);
/* Items that wait or run. */
unsigned kmip_async_active(struct kmip_async *async);

/* Does the message's header want this item to go on asynchronously (Asynchronous Indicator true in
 * 1.x, Mandatory in 2.x), and may it? Feature Not Supported for Mandatory where it may not. */
MUST_CHECK enum err kmip_async_wanted(struct kmip_call *call, bool *ret_wanted);
/* Take the item over: sets call->pending and call->correlation. */
MUST_CHECK enum err kmip_async_begin(struct kmip_call *call);

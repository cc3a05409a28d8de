#pragma once

#include "kmip/op/async.h"

/* Inside this folder only: items under way, for async.c and poll.c. */

#define KMIP_ASYNC_VALUE_LEN 16

enum kmip_async_stage {
    KMIP_ASYNC_WAITING = 1,
    KMIP_ASYNC_RUNNING,
    KMIP_ASYNC_ENDED, /* its result is in the store */
};

struct kmip_async_item {
    uint8_t value[KMIP_ASYNC_VALUE_LEN];
    uint64_t client;
    char name[VAULT_CLIENT_NAME_MAX + 1];
    uint32_t operation;
    uint16_t version;
    int64_t submitted;
    char placeholder[VAULT_UID_MAX + 1];
    bool when_polled; /* it is not run before its client polls */
    enum kmip_async_stage stage;
    struct arena *arena; /* of the request; NULL once it ended */
    const struct kmip_node *in;
    struct kmip_async *async;
    struct kmip_env *env;
    struct kmip_async_item *next;
    unsigned uses; /* the list, and a fiber that will run it */
};

/* What was found, by value; the item itself stays where it is. */
struct kmip_async_seen {
    uint32_t operation;
    enum kmip_async_stage stage;
    bool when_polled;
    int64_t submitted;
};
/* False: no such item of this client in memory. */
bool kmip_async_look(struct kmip_async *async, uint64_t client, struct bytes value,
                     struct kmip_async_seen *ret_seen);
/* A waiting item becomes the caller's to run; NULL where it does not wait (any more). */
struct kmip_async_item *kmip_async_claim(struct kmip_async *async, uint64_t client,
                                         struct bytes value);
/* It ended: with `keep` it is still listed. The item is gone afterwards. */
void kmip_async_ended(struct kmip_async_item *item, bool keep);
/* Forget one that ended. */
void kmip_async_forget(struct kmip_async *async, uint64_t client, struct bytes value);
/* Those of a client, oldest last. */
typedef void kmip_async_fn(void *ctx, const struct kmip_async_item *item);
void kmip_async_each(struct kmip_async *async, uint64_t client, kmip_async_fn *each, void *ctx);
/* Run a claimed item now and write down what came of it. Pauses. */
void kmip_async_run(struct kmip_async_item *item, struct kmip_env *env);

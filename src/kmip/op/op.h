#pragma once

#include "keeper/client.h"
#include "keeper/client_objects.h"
#include "kmip/codec/node.h"
#include "vault/clients.h"
#include "vault/object_tx.h"

/* What an operation gets and gives. A request is one message; a call is one item of its batch. An
 * operation is a function from call->in to call->out: straight-line code that runs in a fiber of
 * the loop (or on a plain thread in tests and in the fuzzer), see base/fiber.h. */

#define KMIP_1_0 0x0100
#define KMIP_1_1 0x0101
#define KMIP_1_2 0x0102
#define KMIP_1_3 0x0103
#define KMIP_1_4 0x0104
#define KMIP_2_0 0x0200
#define KMIP_2_1 0x0201

struct kmip_config;  /* kmip/server/config.h: what Query says, limits, placement, CA */
struct later;        /* kmip/op/placement.c */
struct kmip_session; /* kmip/server/session.h: one connection: logins, streams, PKCS#11 sessions */

/* What all requests of one loop share. Borrowed. */
struct kmip_env {
    const struct kmip_config *config;
    struct vault_objects *objects;
    struct vault_clients *clients;
    struct store *store;
    struct keeper_client *keeper; /* the loop's own */
    struct workers *workers;      /* for what is slow: workers_run */
    struct kmip_streams *streams; /* the loop's own; kmip/op/streams.h. NULL: no streaming */
    struct kmip_tickets *tickets; /* all loops'; kmip/op/tickets.h. NULL: no Login */
    struct kmip_async *async;     /* all loops'; kmip/op/async.h. NULL: nothing asynchronous */
    struct kmip_notify *notify;   /* all loops'; kmip/server/notify.h. NULL: nobody is told */
    /* Have run(arg) called in a fiber of its own on this loop, after `delay_ms` or soon after (what
     * goes on asynchronously). An error: it is not called. NULL in tests of single operations. */
    enum err (*spawn)(struct kmip_env *env, unsigned delay_ms, void (*run)(void *arg), void *arg);
    /* The loop's reader with a snapshot that ends with the iteration; begun where it has to be. */
    enum err (*read)(struct kmip_env *env, struct store_conn **ret_conn, struct err_detail *detail);
    void *loop; /* the server's own */
};

struct kmip_request {
    struct kmip_env *env;
    struct kmip_session *session; /* NULL in tests of single operations */
    const struct vault_client *client;
    struct arena *arena;
    struct kmip_build build;             /* of the answer, in the same arena */
    uint16_t version;                    /* of this message */
    int64_t now;                         /* seconds since 1970, one moment for the whole message */
    char placeholder[VAULT_UID_MAX + 1]; /* ID Placeholder (KMIP 1.4, 4); "": none */
    char placeholder_public[VAULT_UID_MAX + 1]; /* the public key of the last pair made; "" */
    struct vault_deferred *deferred;            /* batch with Undo; else NULL */
    struct kmip_untold *untold;                 /* kmip/op/tell.h: once that is committed */
    struct later *later; /* objects of the token that go when the batch is through */
    uint64_t ticket;     /* that it came with; kmip/op/tickets.h. 0: none */
    const struct kmip_node *header;
};

struct kmip_call {
    struct kmip_request *request;
    uint32_t operation;
    const struct kmip_node *in; /* Request Payload; NULL where there is none */
    struct kmip_node *out;      /* Response Payload, an empty structure: the operation fills it */
    struct err_detail detail;   /* for the operator's log */
    uint32_t reason;            /* Result Reason where it is not that of the error's row; 0 */
    const char *message;        /* Result Message, in the arena or static; NULL: the error's text */
    const struct kmip_reflag *reflag; /* kmip/op/flags.h */
    uint32_t need_flags;
    bool pending;             /* goes on asynchronously (Result Status Operation Pending) */
    struct bytes correlation; /* then: Asynchronous Correlation Value, in the arena */
};

typedef enum err kmip_op_fn(struct kmip_call *call);

/* Refuse with a Result Reason and a message for the client (nothing secret, no internals): always
 * an error, for `return kmip_fail(...)`. */
__attribute__((format(printf, 3, 4))) enum err kmip_fail(struct kmip_call *call, uint32_t reason,
                                                         const char *format, ...);
#ifdef __clang_analyzer__ /* which sees one file at a time: it is a failure, always */
#define kmip_fail(...)                                                                             \
    __extension__({                                                                                \
        (void)(kmip_fail)(__VA_ARGS__);                                                            \
        ERR_ARGUMENT;                                                                              \
    })
#endif

/* The object the payload names, or the ID Placeholder where it names none (KMIP 1.4, 4). Item Not
 * Found (1.x) or Object Not Found (2.x) where it is not there for this client. */
MUST_CHECK enum err kmip_find_object(struct kmip_call *call, struct vault_object *ret_object);
/* Which identifier the payload's `tag` names: as text, as an enumeration (2.x), or the placeholder.
 */
MUST_CHECK enum err kmip_named_uid(struct kmip_call *call, uint32_t tag, struct bytes *ret_uid);
/* The same for any identifier. */
MUST_CHECK enum err kmip_get_object(struct kmip_call *call, struct bytes uid,
                                    struct vault_object *ret_object);
/* What the keeper is given. */
struct keeper_object kmip_keeper_object(const struct vault_object *object);
/* Permission Denied where the client may not. */
MUST_CHECK enum err kmip_may(struct kmip_call *call, enum vault_client_may may);
/* Who asks, for the keeper's record. */
static inline const char *kmip_actor(const struct kmip_call *call)
{
    return call->request->client != NULL ? call->request->client->name : "nobody";
}
static inline struct arena *kmip_arena(struct kmip_call *call)
{
    return call->request->arena;
}
static inline struct kmip_build *kmip_out(struct kmip_call *call)
{
    return &call->request->build;
}
/* Put the Unique Identifier and make it the ID Placeholder. */
void kmip_put_uid(struct kmip_call *call, const char *uid);
void kmip_set_placeholder(struct kmip_request *request, const char *uid);
/* Text in the arena that ends with NUL; "" where there is no memory. */
const char *kmip_text(struct kmip_call *call, struct bytes text);

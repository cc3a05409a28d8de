#pragma once

#include "crypto/hash_alg.h"
#include "crypto/use.h"
#include "kmip/op/op.h"

/* What goes on from one request to the next under a Correlation Value (KMIP 1.4, 6.24):
 * encryption, signing, MAC and hashing in pieces, and PKCS#11 sessions. Of one loop: the keeper's
 * streams belong to its keeper client. A stream is its client's and its operation's; for anybody
 * else, and for another operation, it does not exist. One that is not used for KMIP_STREAM_IDLE_S
 * is dropped. */

#define KMIP_STREAM_IDLE_S     600
#define KMIP_STREAM_VALUE_LEN  16 /* bytes of a Correlation Value, random */
#define KMIP_STREAMS_MAX       4096
#define KMIP_STREAMS_OF_CLIENT 64

struct kmip_streams;

MUST_CHECK enum err kmip_streams_new(struct keeper_client *keeper,
                                     struct kmip_streams **ret_streams);
/* Ends them all, at the keeper too. NULL is allowed. */
void kmip_streams_free(struct kmip_streams *streams);
/* Drops what was idle for too long; `now` in seconds. Every begin calls it; the loop's timer may.
 */
void kmip_streams_expire(struct kmip_streams *streams, int64_t now);
size_t kmip_streams_count(const struct kmip_streams *streams);

/* ---- for operations ---- */

enum kmip_stream_kind {
    KMIP_STREAM_KEEPER = 1, /* secret and private keys */
    KMIP_STREAM_ENGINE,     /* public keys */
    KMIP_STREAM_HASH,
    KMIP_STREAM_PKCS11,
};
struct kmip_stream {
    enum kmip_stream_kind kind;
    uint32_t operation;
    uint64_t client;
    char uid[VAULT_UID_MAX + 1]; /* of the key; "" for hashing and PKCS#11 */
    bool busy;                   /* a request is using it, possibly paused */
    uint32_t keeper;             /* KMIP_STREAM_KEEPER */
    struct crypto_stream *engine;
    struct hash_stream *hash;
    uint64_t sessions;           /* KMIP_STREAM_PKCS11: bit n: session n + 1 is open */
    uint8_t tag[CRYPTO_TAG_MAX]; /* decryption of an AEAD: given with the first piece */
    size_t tag_len;
    uint8_t value[KMIP_STREAM_VALUE_LEN];
    int64_t used;
    struct kmip_stream *next;
};

/* A new one for the call's client and operation, in the caller's hands (busy); its members by kind
 * are the caller's to fill. ERR_BUSY (Server Limit Exceeded) above the limits. */
MUST_CHECK enum err kmip_stream_add(struct kmip_call *call, enum kmip_stream_kind kind,
                                    struct kmip_stream **ret_stream);
/* The call's own, now busy. Invalid Correlation Value (1.x: Item Not Found) otherwise. */
MUST_CHECK enum err kmip_stream_find(struct kmip_call *call, struct bytes value,
                                     struct kmip_stream **ret_stream);
/* Not busy any more; kept for the next piece. */
void kmip_stream_keep(struct kmip_call *call, struct kmip_stream *stream);
/* Ends it. `at_keeper`: the keeper still has its part. */
void kmip_stream_drop(struct kmip_call *call, struct kmip_stream *stream, bool at_keeper);

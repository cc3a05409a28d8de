#pragma once

#include "base/secret.h"

/* Joining (docs/join-protocol.md): a node and a gateway prove to each other that they have the
 * node's root key. Bytes in, bytes out; no socket, no clock. Any thread, one conversation on one.
 */

#define JOIN_VERSION   1
#define JOIN_FRAME_MAX 64 /* bytes; the longest is shorter */
#define JOIN_NONCE     16
#define JOIN_MAC       16
#define JOIN_KEY       16

enum join_type { JOIN_JOIN = 1, JOIN_CHALLENGE, JOIN_PROOF, JOIN_ACCEPT, JOIN_REFUSE };
enum join_reason {
    JOIN_NOT_ADMITTED = 1, /* unknown node or wrong proof: the wire does not say which */
    JOIN_UNAVAILABLE = 2,  /* the gateway can't get keys now */
};

struct join_message {
    enum join_type type;
    uint64_t node;             /* JOIN; never 0 */
    uint8_t nonce[JOIN_NONCE]; /* JOIN, CHALLENGE */
    uint8_t mac[JOIN_MAC];     /* PROOF, ACCEPT */
    enum join_reason reason;   /* REFUSE */
};

/* For net_conn_ops.frame_len. ERR_SYNTAX where no frame can be so long or short. */
MUST_CHECK enum err join_frame_len(const uint8_t *data, size_t have, size_t *ret_need);
/* One whole frame. ERR_SYNTAX unless type, version, length and values are exactly right. */
MUST_CHECK enum err join_decode(struct bytes frame, struct join_message *ret_message);
void join_encode(const struct join_message *message, struct writer *w);

/* Gives a node's root key. ERR_DENIED: not known, or not any more; other errors: can't say now.
 * `again`: the one that was given just now is not that of the proof; is there a newer one? Any
 * error: no. */
typedef enum err join_key_fn(void *ctx, uint64_t node, bool again, uint8_t ret_key[JOIN_KEY]);

enum join_outcome {
    JOIN_GOES_ON,      /* send what was written, wait for the next frame */
    JOIN_JOINED,       /* send, done */
    JOIN_UNKNOWN_NODE, /* gateway: send, done; the key server does not know it */
    JOIN_WRONG_PROOF,  /* gateway: send, done */
    JOIN_NO_KEYS,      /* gateway: send, done; the key server could not be asked */
    JOIN_REFUSED,      /* node: done */
    JOIN_RETRY_LATER,  /* node: done; the gateway has no keys now */
    JOIN_FALSE_PEER,   /* node: done; the gateway does not have our key */
    JOIN_VIOLATION,    /* close: this is not the protocol, or not the frame whose turn it is */
};

/* The gateway's side of one connection; conversations follow each other on it. Zero-initialise. */
struct join_gateway {
    bool challenged;
    uint64_t node; /* of the conversation that goes on or ended last */
    uint8_t node_nonce[JOIN_NONCE];
    uint8_t nonce[JOIN_NONCE];
};
/* ERR_CRYPTO and ERR_NO_MEMORY are the machine's. The key is asked for only when a proof came, and
 * an unknown node's proof is worked through all the same. A proof that does not fit is looked at
 * once more under a newer key, where there is one: the node may have been keyed anew. */
MUST_CHECK enum err join_gateway_frame(struct join_gateway *side, struct bytes frame,
                                       join_key_fn *key_of, void *ctx, struct writer *w,
                                       enum join_outcome *ret_outcome);

/* The node's side of one conversation. */
struct join_node {
    uint64_t node;
    bool proved;
    uint8_t nonce[JOIN_NONCE];
    uint8_t gateway_nonce[JOIN_NONCE];
};
MUST_CHECK enum err join_node_begin(struct join_node *side, uint64_t node, struct writer *w);
MUST_CHECK enum err join_node_frame(struct join_node *side, const uint8_t key[JOIN_KEY],
                                    struct bytes frame, struct writer *w,
                                    enum join_outcome *ret_outcome);

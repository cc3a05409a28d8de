#pragma once

#include "line/node_protocol.h"
#include "programs/claviger-sim/join_client.h"

/* The network side of simulated devices: one thread that joins the gateway for all of them, and
 * again every few seconds, as nodes on the air do. Any thread may call. */
struct radio;

struct radio_node {
    struct radio_node *next;
    uint64_t node_id;
    uint8_t key[JOIN_KEY];
    bool wanted;         /* to be on the air */
    uint64_t due_ms;     /* of the next attempt */
    enum node_join join; /* the newest */
};

/* `said` is called on the radio's thread when a node's state changes. */
typedef void radio_said_fn(void *ctx, uint64_t node_id, enum node_join join);
MUST_CHECK enum err radio_new(const char *host, uint16_t port, radio_said_fn *said, void *ctx,
                              struct radio **ret_radio);
void radio_free(struct radio *radio); /* waits for the attempt under way; NULL is allowed */
/* On the air with this key from now on; `node` stays the caller's until radio_free. */
void radio_on(struct radio *radio, struct radio_node *node, const uint8_t key[JOIN_KEY]);
/* What was joined is forgotten; it tries again soon. */
void radio_clear(struct radio *radio, struct radio_node *node);
enum node_join radio_state(struct radio *radio, struct radio_node *node);

#pragma once

#include "fleet/node.h"
#include "fleet/peer.h"

/* The hot path: which sealed key answers a request. One lookup per network loop, with its own
 * connection to the store; that loop's thread only. Nothing here blocks on keeper or writer.
 *
 *     fleet_lookup_begin          once per loop iteration, before the first request
 *     fleet_lookup_peer, _network, _node, _key   per request
 *     fleet_lookup_end            after the last
 *
 * Pointers it gives are good until _end; keep ids, not pointers. */
struct fleet_lookup;

MUST_CHECK enum err fleet_lookup_new(struct fleet *fleet, struct err_detail *detail,
                                     struct fleet_lookup **ret_lookup);
void fleet_lookup_free(struct fleet_lookup *lookup); /* NULL is allowed */
void fleet_lookup_freep(struct fleet_lookup **lookup);

/* One read transaction and one snapshot of networks and peers. The transaction starts with the
 * first fleet_lookup_node, so an iteration without one costs nothing. */
MUST_CHECK enum err fleet_lookup_begin(struct fleet_lookup *lookup, struct err_detail *detail);
void fleet_lookup_end(struct fleet_lookup *lookup);

/* A peer as the loop sees it; `secret` is sealed, for a keeper MAC session. */
struct fleet_peer_view {
    struct fleet_peer peer;
    struct keeper_row secret_row;
    struct bytes secret;
};
/* Case-insensitive; ERR_NOT_FOUND for an unknown host, ERR_DENIED for one that is disabled. */
MUST_CHECK enum err fleet_lookup_peer(struct fleet_lookup *lookup, struct bytes host,
                                      const struct fleet_peer_view **ret_peer);

struct fleet_network_view; /* opaque */
/* Case-insensitive. ERR_NOT_FOUND. */
MUST_CHECK enum err fleet_lookup_network(struct fleet_lookup *lookup, struct bytes realm,
                                         const struct fleet_network_view **ret_network);
/* ERR_DENIED where the peer may not read the network. */
MUST_CHECK enum err fleet_lookup_allowed(struct fleet_lookup *lookup,
                                         const struct fleet_peer_view *peer,
                                         const struct fleet_network_view *network);

/* A sealed key to be queued at the keeper, copied out: it outlives fleet_lookup_end. */
struct fleet_found {
    struct keeper_row row;
    uint32_t version;    /* of a network key; reprovision count of a node */
    uint32_t lifetime_s; /* how long the answer may be cached */
    uint16_t key_len;    /* of the key in clear: 24 or 16 */
    uint16_t sealed_len;
    uint8_t sealed[FLEET_SEALED_MAX];
};
/* ERR_NOT_FOUND, ERR_DENIED (revoked), ERR_STATE (destroyed); ERR_LIMIT where the id is wider than
 * the network's. */
MUST_CHECK enum err fleet_lookup_node(struct fleet_lookup *lookup,
                                      const struct fleet_network_view *network, uint64_t id,
                                      struct fleet_found *ret_found, struct err_detail *detail);
/* `version` 0 is the active one. Gateway and cdld only. ERR_STATE where the version does not exist,
 * is not active yet, or is retired or destroyed. */
MUST_CHECK enum err fleet_lookup_key(struct fleet_lookup *lookup,
                                     const struct fleet_network_view *network,
                                     enum fleet_key_kind kind, uint32_t version,
                                     struct fleet_found *ret_found);

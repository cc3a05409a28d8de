#pragma once

#include "fleet/network.h"

/* Gateways that may ask over Diameter, known by their Origin-Host, and what each may read. */

struct fleet_peer {
    uint32_t id; /* 0: from the property file's peer table */
    char host[FLEET_HOST_MAX + 1];
    char realm[FLEET_REALM_MAX + 1];
    bool enabled;
    bool require_tls;
    bool has_certificate; /* pinned: SHA-256 of the DER certificate */
    uint8_t certificate[32];
    bool has_secret; /* for the authenticator of MIP-MN-AAA-Auth */
    int64_t created;
};

struct fleet_peer_create {
    const char *host;
    const char *realm;
    bool require_tls;
    const uint8_t *certificate; /* 32 bytes or NULL */
};
/* ERR_EXISTS. It may read nothing yet. */
MUST_CHECK enum err fleet_peer_create(const struct fleet_call *call,
                                      const struct fleet_peer_create *request,
                                      struct err_detail *detail, uint32_t *ret_id);
struct fleet_peer_set { /* NULL: leave as it is */
    const bool *enabled;
    const bool *require_tls;
    const uint8_t *certificate; /* 32 bytes */
    bool drop_certificate;
};
MUST_CHECK enum err fleet_peer_set(const struct fleet_call *call, const char *host,
                                   const struct fleet_peer_set *request, struct err_detail *detail);
/* Whether the gateway may read the network's keys from now on; again is no error. */
MUST_CHECK enum err fleet_peer_allow(const struct fleet_call *call, const char *host,
                                     const char *network, bool allow, struct err_detail *detail);
/* Of 1 to FLEET_SECRET_MAX bytes, sealed at once; empty: none any more. */
MUST_CHECK enum err fleet_peer_set_secret(const struct fleet_call *call, const char *host,
                                          struct bytes secret, struct err_detail *detail);
MUST_CHECK enum err fleet_peer_remove(const struct fleet_call *call, const char *host,
                                      struct err_detail *detail);

#define FLEET_PEER_NETWORKS_MAX 256
struct fleet_peer_info {
    struct fleet_peer peer;
    uint32_t networks;
    char network[FLEET_PEER_NETWORKS_MAX][FLEET_NAME_MAX + 1];
};
/* Large: on the heap or static. */
MUST_CHECK enum err fleet_peer_show(const struct fleet_call *call, const char *host,
                                    struct err_detail *detail, struct fleet_peer_info *ret_info);
/* In order of hosts, those of the property file included. */
typedef enum err fleet_peer_fn(void *ctx, const struct fleet_peer_info *info,
                               struct err_detail *detail);
MUST_CHECK enum err fleet_peer_list(const struct fleet_call *call, fleet_peer_fn *each, void *ctx,
                                    struct err_detail *detail);

/* The property file's PeerTable, at start and at every reload; replaces what was given before.
 * Such a peer may read the networks whose realm is its Realm. A stored peer of the same host goes
 * before it. */
struct fleet_static_peer {
    const char *host;
    const char *realm;
    bool require_tls;
};
MUST_CHECK enum err fleet_peers_from_file(struct fleet *fleet,
                                          const struct fleet_static_peer *peers, size_t count,
                                          struct err_detail *detail);

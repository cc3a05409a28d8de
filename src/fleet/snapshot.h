#pragma once

#include "fleet/internal.h"

/* What the hot path sees: never changes once it is published. */
struct fleet_network_view {
    uint32_t id;
    unsigned id_bits;
    char name[FLEET_NAME_MAX + 1];
    char realm[FLEET_REALM_MAX + 1];
    size_t key_count;
    struct net_key *keys; /* gateway and cdld that are in use */
};
struct peer_entry {
    struct fleet_peer_view view;
    uint8_t secret[KEEPER_SEALED_MAX];
    size_t network_count;
    uint32_t *networks; /* rising ids */
};
struct snapshot {
    atomic_uint refs;
    uint64_t generation;
    size_t network_count;
    struct fleet_network_view *networks; /* by realm */
    size_t peer_count;
    struct peer_entry *peers; /* by host */
};
void snapshot_unref(struct snapshot *snapshot); /* NULL is allowed */
/* After every change of networks, keys or peers. */
MUST_CHECK enum err snapshot_publish(struct fleet *fleet, struct err_detail *detail);
/* One more reference. */
struct snapshot *snapshot_get(struct fleet *fleet);
const struct fleet_network_view *snapshot_network(const struct snapshot *snapshot,
                                                  const char *realm);

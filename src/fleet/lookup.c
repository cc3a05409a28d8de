#include "fleet/lookup.h"

#include <stdlib.h>

#include "base/clock.h"
#include "fleet/snapshot.h"

struct fleet_lookup {
    struct fleet *fleet;
    struct snapshot *snapshot;
    struct store_reader *reader;
    struct store_stmt *node;
    bool reading;
    int64_t now;
};

enum err fleet_lookup_new(struct fleet *fleet, struct err_detail *detail,
                          struct fleet_lookup **ret_lookup)
{
    AUTO(fleet_lookup_freep) struct fleet_lookup *lookup = calloc(1, sizeof(*lookup));
    if (!lookup)
        return ERR_NO_MEMORY;
    lookup->fleet = fleet;
    lookup->snapshot = snapshot_get(fleet);
    TRY(store_reader_open(fleet->store, STORE_READER_LOOKUP, &lookup->reader, detail));
    TRY(store_prepare(store_reader_conn(lookup->reader),
                      "SELECT state, reprovisioned, epoch, sealed FROM node "
                      "WHERE network = ? AND node_id = ?",
                      &lookup->node, detail));
    *ret_lookup = TAKE(lookup);
    return ERR_OK;
}

void fleet_lookup_free(struct fleet_lookup *lookup)
{
    if (!lookup)
        return;
    fleet_lookup_end(lookup);
    store_stmt_free(lookup->node);
    store_reader_close(lookup->reader);
    snapshot_unref(lookup->snapshot);
    free(lookup);
}

void fleet_lookup_freep(struct fleet_lookup **lookup)
{
    fleet_lookup_free(*lookup);
}

enum err fleet_lookup_begin(struct fleet_lookup *lookup, struct err_detail *detail)
{
    (void)detail;
    if (lookup->snapshot->generation != fleet_generation(lookup->fleet)) {
        snapshot_unref(lookup->snapshot);
        lookup->snapshot = snapshot_get(lookup->fleet);
    }
    lookup->now = clock_now_s();
    return ERR_OK;
}

void fleet_lookup_end(struct fleet_lookup *lookup)
{
    if (lookup->reading) {
        store_reset(lookup->node);
        store_reader_end(lookup->reader);
    }
    lookup->reading = false;
}

/* Lower case into `to`; false where it does not fit. */
static bool fold(struct bytes text, char *to, size_t cap)
{
    if (text.len >= cap)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '\0')
            return false;
        to[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    to[text.len] = '\0';
    return true;
}

enum err fleet_lookup_peer(struct fleet_lookup *lookup, struct bytes host,
                           const struct fleet_peer_view **ret_peer)
{
    char name[FLEET_HOST_MAX + 1];
    if (!fold(host, name, sizeof(name)))
        return ERR_NOT_FOUND;
    const struct snapshot *snapshot = lookup->snapshot;
    size_t low = 0, high = snapshot->peer_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct peer_entry *entry = &snapshot->peers[middle];
        int order = strcmp(entry->view.peer.host, name);
        if (order == 0) {
            if (!entry->view.peer.enabled)
                return ERR_DENIED;
            *ret_peer = &entry->view;
            return ERR_OK;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return ERR_NOT_FOUND;
}

enum err fleet_lookup_network(struct fleet_lookup *lookup, struct bytes realm,
                              const struct fleet_network_view **ret_network)
{
    char name[FLEET_REALM_MAX + 1];
    if (!fold(realm, name, sizeof(name)))
        return ERR_NOT_FOUND;
    const struct fleet_network_view *network = snapshot_network(lookup->snapshot, name);
    if (!network)
        return ERR_NOT_FOUND;
    *ret_network = network;
    return ERR_OK;
}

enum err fleet_lookup_allowed(struct fleet_lookup *lookup, const struct fleet_peer_view *peer,
                              const struct fleet_network_view *network)
{
    (void)lookup;
    /* `view` is the first member of its entry */
    const struct peer_entry *entry = (const struct peer_entry *)(const void *)peer;
    for (size_t i = 0; i < entry->network_count; i++) {
        if (entry->networks[i] == network->id)
            return ERR_OK;
    }
    return ERR_DENIED;
}

static enum err found_sealed(struct bytes sealed, struct fleet_found *ret_found)
{
    if (sealed.len == 0 || sealed.len > sizeof(ret_found->sealed))
        return ERR_CORRUPT;
    memcpy(ret_found->sealed, sealed.data, sealed.len);
    ret_found->sealed_len = (uint16_t)sealed.len;
    return ERR_OK;
}

static enum err read_node(struct fleet_lookup *lookup, const struct fleet_network_view *network,
                          uint64_t id, struct fleet_found *ret_found, struct err_detail *detail)
{
    struct store_stmt *stmt = lookup->node;
    store_bind_i64(stmt, 1, network->id);
    store_bind_u64(stmt, 2, node_row_id(id, network->id_bits));
    TRY(store_get_row(stmt, detail));
    int64_t state = store_column_i64(stmt, 0);
    if (state == FLEET_NODE_DESTROYED)
        return ERR_STATE;
    if (state != FLEET_NODE_ACTIVE)
        return ERR_DENIED;
    ret_found->row = (struct keeper_row){.domain = network->id,
                                         .table = KEEPER_NODE,
                                         .row = id,
                                         .epoch = (uint32_t)store_column_i64(stmt, 2)};
    ret_found->version = (uint32_t)store_column_i64(stmt, 1);
    ret_found->lifetime_s =
        atomic_load_explicit(&lookup->fleet->lifetime_max_s, memory_order_relaxed);
    ret_found->key_len = 16;
    return found_sealed(store_column_bytes(stmt, 3), ret_found);
}

enum err fleet_lookup_node(struct fleet_lookup *lookup, const struct fleet_network_view *network,
                           uint64_t id, struct fleet_found *ret_found, struct err_detail *detail)
{
    if (network->id_bits == 32 && id > UINT32_MAX)
        return ERR_LIMIT;
    if (!lookup->reading) {
        TRY(store_reader_begin(lookup->reader, detail));
        lookup->reading = true;
    }
    enum err err = read_node(lookup, network, id, ret_found, detail);
    store_reset(lookup->node);
    return err;
}

enum err fleet_lookup_key(struct fleet_lookup *lookup, const struct fleet_network_view *network,
                          enum fleet_key_kind kind, uint32_t version, struct fleet_found *ret_found)
{
    const struct net_key *found = NULL;
    if (version == 0) {
        found = net_key_active(network->keys, network->key_count, kind, lookup->now);
    } else {
        for (size_t i = 0; i < network->key_count && !found; i++) {
            const struct net_key *key = &network->keys[i];
            if (key->version.kind == kind && key->version.version == version &&
                key->version.activates <= lookup->now)
                found = key;
        }
    }
    if (!found)
        return ERR_STATE;
    /* The cache must let go when the next version takes over. */
    uint32_t lifetime = atomic_load_explicit(&lookup->fleet->lifetime_max_s, memory_order_relaxed);
    for (size_t i = 0; i < network->key_count; i++) {
        const struct fleet_key_version *next = &network->keys[i].version;
        if (next->kind == kind && next->activates > lookup->now &&
            next->activates - lookup->now < lifetime)
            lifetime = (uint32_t)(next->activates - lookup->now);
    }
    ret_found->row = (struct keeper_row){.domain = network->id,
                                         .table = net_key_table(kind),
                                         .row = found->version.version,
                                         .epoch = found->epoch};
    ret_found->version = found->version.version;
    ret_found->lifetime_s = lifetime;
    ret_found->key_len = (uint16_t)fleet_key_kind_size(kind);
    return found_sealed(keeper_sealed_view(&found->made.sealed), ret_found);
}

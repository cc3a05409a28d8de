#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "fleet/snapshot.h"

/* What the network loops read without a lock: built anew after each change, swapped as a whole,
 * freed with its last reader. */

void snapshot_unref(struct snapshot *snapshot)
{
    if (!snapshot || atomic_fetch_sub(&snapshot->refs, 1) != 1)
        return;
    for (size_t i = 0; i < snapshot->network_count; i++)
        free(snapshot->networks[i].keys);
    for (size_t i = 0; i < snapshot->peer_count; i++)
        free(snapshot->peers[i].networks);
    free(snapshot->networks);
    free(snapshot->peers);
    free(snapshot);
}

static void snapshot_unrefp(struct snapshot **snapshot)
{
    snapshot_unref(*snapshot);
}

struct snapshot *snapshot_get(struct fleet *fleet)
{
    pthread_mutex_lock(&fleet->mutex);
    struct snapshot *snapshot = fleet->snapshot;
    atomic_fetch_add(&snapshot->refs, 1);
    pthread_mutex_unlock(&fleet->mutex);
    return snapshot;
}

static int by_realm(const void *a, const void *b)
{
    return strcmp(((const struct fleet_network_view *)a)->realm,
                  ((const struct fleet_network_view *)b)->realm);
}

static int by_host(const void *a, const void *b)
{
    return strcmp(((const struct peer_entry *)a)->view.peer.host,
                  ((const struct peer_entry *)b)->view.peer.host);
}

const struct fleet_network_view *snapshot_network(const struct snapshot *snapshot,
                                                  const char *realm)
{
    size_t low = 0, high = snapshot->network_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(snapshot->networks[middle].realm, realm);
        if (order == 0)
            return &snapshot->networks[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Room for one more, zeroed; NULL out of memory. The room doubles whenever the count is a power of
 * two. */
static void *grow(void **array, size_t *count, size_t size)
{
    if ((*count & (*count - 1)) == 0) {
        void *bigger = reallocarray(*array, *count ? *count * 2 : 1, size);
        if (!bigger)
            return NULL;
        *array = bigger;
    }
    void *slot = (char *)*array + *count * size;
    memset(slot, 0, size);
    (*count)++;
    return slot;
}

static enum err load_keys(struct store_conn *conn, struct fleet_network_view *network,
                          struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT kind, version, created, activates, epoch, fingerprint, sealed "
                      "FROM network_key WHERE network = ? AND retired = 0 AND kind < ? "
                      "ORDER BY kind, version",
                      &stmt, detail));
    store_bind_i64(stmt, 1, network->id);
    store_bind_i64(stmt, 2, FLEET_KEY_BASE);
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        void *keys = network->keys;
        struct net_key *key = grow(&keys, &network->key_count, sizeof(*key));
        if (!key)
            return ERR_NO_MEMORY;
        network->keys = keys;
        key->version =
            (struct fleet_key_version){.kind = (enum fleet_key_kind)store_column_i64(stmt, 0),
                                       .version = (uint32_t)store_column_i64(stmt, 1),
                                       .created = store_column_i64(stmt, 2),
                                       .activates = store_column_i64(stmt, 3)};
        key->epoch = (uint32_t)store_column_i64(stmt, 4);
        TRY(made_read(stmt, 5, 6, &key->made, detail));
    }
}

static enum err load_networks(struct store_conn *conn, struct snapshot *snapshot,
                              struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT id, name, realm, id_bits FROM network", &stmt, detail));
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        void *networks = snapshot->networks;
        struct fleet_network_view *network =
            grow(&networks, &snapshot->network_count, sizeof(*network));
        if (!network)
            return ERR_NO_MEMORY;
        snapshot->networks = networks;
        network->id = (uint32_t)store_column_i64(stmt, 0);
        snprintf(network->name, sizeof(network->name), "%s", store_column_text(stmt, 1));
        snprintf(network->realm, sizeof(network->realm), "%s", store_column_text(stmt, 2));
        network->id_bits = (unsigned)store_column_i64(stmt, 3);
        TRY(load_keys(conn, network, detail));
    }
    if (snapshot->network_count)
        qsort(snapshot->networks, snapshot->network_count, sizeof(*snapshot->networks), by_realm);
    return ERR_OK;
}

static enum err add_network(struct peer_entry *peer, uint32_t network)
{
    void *networks = peer->networks;
    uint32_t *slot = grow(&networks, &peer->network_count, sizeof(*slot));
    if (!slot)
        return ERR_NO_MEMORY;
    peer->networks = networks;
    *slot = network;
    return ERR_OK;
}

/* One walk over both tables in the order of peers: a statement for each of thousands of gateways
 * would be felt at every change. */
static enum err load_peer_networks(struct store_conn *conn, struct snapshot *snapshot,
                                   struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT peer, network FROM peer_network ORDER BY peer, network", &stmt,
                      detail));
    for (size_t i = 0; i < snapshot->peer_count;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        uint32_t peer = (uint32_t)store_column_i64(stmt, 0);
        while (i < snapshot->peer_count && snapshot->peers[i].view.peer.id < peer)
            i++;
        if (i < snapshot->peer_count && snapshot->peers[i].view.peer.id == peer)
            TRY(add_network(&snapshot->peers[i], (uint32_t)store_column_i64(stmt, 1)));
    }
    return ERR_OK;
}

static enum err load_peer(struct store_stmt *stmt, struct peer_entry *entry,
                          struct err_detail *detail)
{
    struct fleet_peer *peer = &entry->view.peer;
    peer->id = (uint32_t)store_column_i64(stmt, 0);
    snprintf(peer->host, sizeof(peer->host), "%s", store_column_text(stmt, 1));
    snprintf(peer->realm, sizeof(peer->realm), "%s", store_column_text(stmt, 2));
    peer->enabled = store_column_i64(stmt, 3) != 0;
    peer->require_tls = store_column_i64(stmt, 4) != 0;
    struct bytes certificate = store_column_bytes(stmt, 5);
    peer->has_certificate = certificate.len == sizeof(peer->certificate);
    if (peer->has_certificate)
        memcpy(peer->certificate, certificate.data, certificate.len);
    struct bytes secret = store_column_bytes(stmt, 6);
    if (secret.len > sizeof(entry->secret))
        return err_set(detail, ERR_CORRUPT, "table peer: id %u", peer->id);
    peer->has_secret = secret.len > 0;
    if (secret.len)
        memcpy(entry->secret, secret.data, secret.len);
    entry->view.secret.len = secret.len;
    entry->view.secret_row = (struct keeper_row){.domain = (uint32_t)store_column_i64(stmt, 7),
                                                 .table = KEEPER_PEER_SECRET,
                                                 .row = peer->id,
                                                 .epoch = (uint32_t)store_column_i64(stmt, 8)};
    peer->created = store_column_i64(stmt, 9);
    return ERR_OK;
}

static enum err load_peers(struct store_conn *conn, struct snapshot *snapshot,
                           struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, host, realm, enabled, require_tls, certificate, secret, domain, "
                      "epoch, created FROM peer ORDER BY id",
                      &stmt, detail));
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return load_peer_networks(conn, snapshot, detail);
        void *peers = snapshot->peers;
        struct peer_entry *entry = grow(&peers, &snapshot->peer_count, sizeof(*entry));
        if (!entry)
            return ERR_NO_MEMORY;
        snapshot->peers = peers;
        TRY(load_peer(stmt, entry, detail));
    }
}

/* Under fleet->mutex: those of the property file, unless a stored one has the host. */
static enum err add_statics(struct fleet *fleet, struct snapshot *snapshot)
{
    size_t stored = snapshot->peer_count;
    for (size_t i = 0; i < fleet->static_count; i++) {
        const struct static_peer *from = &fleet->statics[i];
        bool known = false;
        for (size_t p = 0; p < stored; p++)
            known |= strcmp(snapshot->peers[p].view.peer.host, from->host) == 0;
        if (known)
            continue;
        void *peers = snapshot->peers;
        struct peer_entry *entry = grow(&peers, &snapshot->peer_count, sizeof(*entry));
        if (!entry)
            return ERR_NO_MEMORY;
        snapshot->peers = peers;
        struct fleet_peer *peer = &entry->view.peer;
        memcpy(peer->host, from->host, sizeof(peer->host));
        memcpy(peer->realm, from->realm, sizeof(peer->realm));
        peer->enabled = true;
        peer->require_tls = from->require_tls;
        const struct fleet_network_view *network = snapshot_network(snapshot, from->realm);
        if (network && add_network(entry, network->id) != ERR_OK)
            return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

static enum err build(struct fleet *fleet, struct snapshot *snapshot, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    struct store_conn *conn = store_reader_conn(reader);
    TRY(load_networks(conn, snapshot, detail));
    TRY(load_peers(conn, snapshot, detail));
    pthread_mutex_lock(&fleet->mutex);
    enum err err = add_statics(fleet, snapshot);
    pthread_mutex_unlock(&fleet->mutex);
    TRY(err);
    if (snapshot->peer_count)
        qsort(snapshot->peers, snapshot->peer_count, sizeof(*snapshot->peers), by_host);
    for (size_t i = 0; i < snapshot->peer_count; i++)
        snapshot->peers[i].view.secret.data = snapshot->peers[i].secret;
    return ERR_OK;
}

static enum err publish(struct fleet *fleet, struct err_detail *detail)
{
    AUTO(snapshot_unrefp) struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return ERR_NO_MEMORY;
    atomic_store(&snapshot->refs, 1);
    TRY(build(fleet, snapshot, detail));
    snapshot->generation = fleet_generation(fleet) + 1;
    pthread_mutex_lock(&fleet->mutex);
    struct snapshot *old = fleet->snapshot;
    fleet->snapshot = TAKE(snapshot);
    atomic_fetch_add_explicit(&fleet->generation, 1, memory_order_release);
    pthread_mutex_unlock(&fleet->mutex);
    snapshot_unref(old);
    return ERR_OK;
}

enum err snapshot_publish(struct fleet *fleet, struct err_detail *detail)
{
    pthread_mutex_lock(&fleet->publish);
    enum err err = publish(fleet, detail);
    pthread_mutex_unlock(&fleet->publish);
    return err;
}

#include "backend_fake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/cmac.h"
#include "diameter/avp.h"
#include "fleet/lookup.h"

#define FDS 1024

struct backend_faults backend;

/* ---- keeper ---- */

struct keeper_client {
    int fd;
    struct keeper_release *first, *last;
    bool woken;
    struct cmac *mac;
    uint8_t result[CMAC_SIZE];
};

static int other_end[FDS];

int backend_keeper_fd(void)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0 ||
        fds[0] >= FDS)
        abort();
    other_end[fds[0]] = fds[1];
    return fds[0];
}

void backend_key(struct keeper_row row, size_t len, uint8_t *to)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(row.row >> (8 * (i % 4))) ^ (uint8_t)(row.table + i);
}

enum err keeper_client_new(int fd, struct keeper_client **ret_client)
{
    struct keeper_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return ERR_NO_MEMORY;
    client->fd = fd;
    *ret_client = client;
    return ERR_OK;
}

static void answer_all(struct keeper_client *client, enum err err)
{
    struct keeper_release *release = client->first;
    client->first = client->last = NULL;
    while (release != NULL) {
        struct keeper_release *next = release->next;
        uint8_t key[24];
        size_t len = keeper_key_size(release->row.table);
        backend_key(release->row, len, key);
        release->done(release, err, bytes_of(key, err == ERR_OK ? len : 0));
        release = next;
    }
}

void keeper_client_free(struct keeper_client *client)
{
    if (client == NULL)
        return;
    answer_all(client, ERR_CANCELLED);
    (void)close(other_end[client->fd]);
    (void)close(client->fd);
    cmac_free(client->mac);
    free(client);
}

void keeper_client_freep(struct keeper_client **client)
{
    keeper_client_free(*client);
    *client = NULL;
}

void keeper_client_set_timeout(struct keeper_client *client, unsigned milliseconds)
{
    (void)client;
    (void)milliseconds;
}

enum err keeper_client_release(struct keeper_client *client, struct keeper_release *release,
                               struct bytes actor, struct bytes sealed)
{
    if (actor.len == 0 || actor.len > KEEPER_ACTOR_MAX || sealed.len == 0)
        return ERR_ARGUMENT;
    if (backend.gone)
        return ERR_KEEPER_GONE;
    release->next = NULL;
    if (client->last != NULL)
        client->last->next = release;
    else
        client->first = release;
    client->last = release;
    return ERR_OK;
}

void keeper_client_flush(struct keeper_client *client)
{
    if (client->first != NULL && !client->woken && !backend.mute) {
        client->woken = write(other_end[client->fd], "x", 1) == 1;
    }
}

enum err keeper_client_receive(struct keeper_client *client)
{
    char byte;
    while (read(client->fd, &byte, 1) == 1)
        continue;
    client->woken = false;
    answer_all(client, backend.gone ? ERR_KEEPER_GONE : ERR_OK);
    return backend.gone ? ERR_KEEPER_GONE : ERR_OK;
}

bool keeper_client_wants_write(const struct keeper_client *client)
{
    (void)client;
    return false;
}

enum err keeper_mac_begin(struct keeper_client *client, const char *actor, struct keeper_row row,
                          struct bytes sealed, uint32_t *ret_session, struct err_detail *detail)
{
    (void)actor;
    (void)detail;
    if (row.table != KEEPER_PEER_SECRET || sealed.len != 47)
        return ERR_SEAL;
    cmac_freep(&client->mac);
    TRY(cmac_new(bytes_of("ssssssssssssssss", 16), &client->mac));
    cmac_begin(client->mac);
    *ret_session = 1;
    return ERR_OK;
}

enum err keeper_mac_update(struct keeper_client *client, uint32_t session, struct bytes part,
                           struct err_detail *detail)
{
    (void)session;
    (void)detail;
    return cmac_update(client->mac, part);
}

enum err keeper_mac_verify(struct keeper_client *client, uint32_t session, struct bytes mac,
                           struct err_detail *detail)
{
    (void)session;
    (void)detail;
    TRY(cmac_end(client->mac, client->result));
    return bytes_equal(mac, BYTES(client->result)) ? ERR_OK : ERR_SIGNATURE;
}

enum err keeper_session_drop(struct keeper_client *client, uint32_t session,
                             struct err_detail *detail)
{
    (void)client;
    (void)session;
    (void)detail;
    return ERR_OK;
}

enum err keeper_note_event(struct keeper_client *client, const char *actor,
                           const struct keeper_note *note, struct err_detail *detail)
{
    (void)client;
    (void)detail;
    (void)snprintf(backend.last_note, sizeof backend.last_note, "%.40s: %.150s", actor, note->text);
    backend.notes++;
    return ERR_OK;
}

/* ---- fleet ---- */

#define PEERS 64

static struct {
    pthread_mutex_t lock;
    struct fleet_peer_view peers[PEERS];
    size_t len;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct fleet_lookup {
    struct fleet_peer_view peers[PEERS];
    size_t len;
    bool begun;
};

enum err fleet_peers_from_file(struct fleet *fleet, const struct fleet_static_peer *peers,
                               size_t count, struct err_detail *detail)
{
    static const uint8_t sealed[47];
    (void)fleet;
    (void)detail;
    if (count > PEERS)
        return ERR_LIMIT;
    (void)pthread_mutex_lock(&table.lock);
    table.len = count;
    for (size_t i = 0; i < count; i++) {
        struct fleet_peer_view *view = &table.peers[i];
        *view = (struct fleet_peer_view){
            .peer = {.enabled = true, .require_tls = peers[i].require_tls}};
        (void)snprintf(view->peer.host, sizeof view->peer.host, "%s", peers[i].host);
        view->peer.has_secret = strcasecmp(peers[i].host, "signed.test") == 0;
        view->secret_row = (struct keeper_row){.table = KEEPER_PEER_SECRET};
        view->secret = BYTES(sealed);
    }
    (void)pthread_mutex_unlock(&table.lock);
    return ERR_OK;
}

enum err fleet_lookup_new(struct fleet *fleet, struct err_detail *detail,
                          struct fleet_lookup **ret_lookup)
{
    (void)fleet;
    (void)detail;
    *ret_lookup = calloc(1, sizeof **ret_lookup);
    return *ret_lookup != NULL ? ERR_OK : ERR_NO_MEMORY;
}

void fleet_lookup_free(struct fleet_lookup *lookup)
{
    free(lookup);
}

void fleet_lookup_freep(struct fleet_lookup **lookup)
{
    free(*lookup);
    *lookup = NULL;
}

enum err fleet_lookup_begin(struct fleet_lookup *lookup, struct err_detail *detail)
{
    (void)detail;
    if (lookup->begun)
        abort();
    (void)pthread_mutex_lock(&table.lock);
    memcpy(lookup->peers, table.peers, sizeof table.peers);
    lookup->len = table.len;
    (void)pthread_mutex_unlock(&table.lock);
    lookup->begun = true;
    return ERR_OK;
}

void fleet_lookup_end(struct fleet_lookup *lookup)
{
    if (!lookup->begun)
        abort();
    lookup->begun = false;
}

enum err fleet_lookup_peer(struct fleet_lookup *lookup, struct bytes host,
                           const struct fleet_peer_view **ret_peer)
{
    if (!lookup->begun)
        abort();
    for (size_t i = 0; i < lookup->len; i++) {
        if (diameter_identity_equal(host, bytes_str(lookup->peers[i].peer.host))) {
            *ret_peer = &lookup->peers[i];
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

struct fleet_network_view {
    char realm[16];
};
static const struct fleet_network_view network = {"kms.test"};

enum err fleet_lookup_network(struct fleet_lookup *lookup, struct bytes realm,
                              const struct fleet_network_view **ret_network)
{
    if (!lookup->begun)
        abort();
    if (!diameter_identity_equal(realm, bytes_str(network.realm)))
        return ERR_NOT_FOUND;
    *ret_network = &network;
    return ERR_OK;
}

enum err fleet_lookup_allowed(struct fleet_lookup *lookup, const struct fleet_peer_view *peer,
                              const struct fleet_network_view *of)
{
    (void)of;
    if (!lookup->begun)
        abort();
    return strcasecmp(peer->peer.host, "stranger.test") == 0 ? ERR_DENIED : ERR_OK;
}

static void fill(struct fleet_found *found, uint8_t of, uint64_t row, uint32_t version)
{
    *found = (struct fleet_found){.row = {.domain = 1, .table = of, .row = row, .epoch = 1},
                                  .version = version,
                                  .lifetime_s = 86400,
                                  .key_len = (uint16_t)keeper_key_size(of),
                                  .sealed_len = (uint16_t)(keeper_key_size(of) + 31)};
}

enum err fleet_lookup_node(struct fleet_lookup *lookup, const struct fleet_network_view *of,
                           uint64_t id, struct fleet_found *ret_found, struct err_detail *detail)
{
    (void)of;
    (void)detail;
    if (!lookup->begun)
        abort();
    if (id > UINT32_MAX)
        return ERR_LIMIT;
    if (id >= 0x20000 || id % 2 != 0)
        return ERR_NOT_FOUND;
    fill(ret_found, KEEPER_NODE, id, 0);
    return ERR_OK;
}

enum err fleet_lookup_key(struct fleet_lookup *lookup, const struct fleet_network_view *of,
                          enum fleet_key_kind kind, uint32_t version, struct fleet_found *ret_found)
{
    (void)of;
    if (!lookup->begun)
        abort();
    if (version > 2)
        return ERR_STATE;
    version = version != 0 ? version : 2;
    fill(ret_found, kind == FLEET_KEY_GATEWAY ? KEEPER_GATEWAY : KEEPER_CDLD, version, version);
    return ERR_OK;
}

#pragma once

#include <pthread.h>

#include "fleet/batch.h"
#include "fleet/lookup.h"
#include "fleet/operation.h"

/* Inside of fleet, for its own files. */

/* One row of network_key. */
struct net_key {
    struct fleet_key_version version; /* its state is as of the time it was read */
    unsigned retired;                 /* 0, 1 retired, 2 destroyed */
    uint32_t epoch;
    struct keeper_made made;
};

/* A network with its sealed keys, read from the store. On the heap. */
struct net {
    uint32_t id; /* and that of its domain */
    char name[FLEET_NAME_MAX + 1];
    char realm[FLEET_REALM_MAX + 1];
    unsigned id_bits;
    int64_t created;
    struct {
        uint32_t version;
        struct keeper_pwhash pwhash;
        uint32_t epoch;
        struct keeper_made sealed, pwdh;
    } pass;
    size_t key_count;
    struct net_key keys[]; /* by kind, then version */
};

MUST_CHECK enum err net_load(struct store_conn *conn, const char *name, struct err_detail *detail,
                             struct net **ret_net);
/* The same with a reader of its own. */
MUST_CHECK enum err net_read(struct fleet *fleet, const char *name, struct err_detail *detail,
                             struct net **ret_net);
void net_freep(struct net **net);
/* The version a reader gets for 0: the newest that is in use and whose date has come. NULL. */
const struct net_key *net_key_active(const struct net_key *keys, size_t count,
                                     enum fleet_key_kind kind, int64_t now);
/* States of all versions as of `now`. */
void net_keys_date(struct net_key *keys, size_t count, int64_t now);
/* The highest version of the kind, 0 for none. */
uint32_t net_key_last(const struct net *net, enum fleet_key_kind kind);
uint8_t net_key_table(enum fleet_key_kind kind);
/* Sealed blob and fingerprint out of a row's columns. ERR_CORRUPT. */
MUST_CHECK enum err made_read(struct store_stmt *stmt, unsigned fingerprint, unsigned sealed,
                              struct keeper_made *ret_made, struct err_detail *detail);

/* Rows of a network, its passphrase, a key. */
MUST_CHECK enum err net_insert(struct store_conn *conn, const struct net *net,
                               struct err_detail *detail);
MUST_CHECK enum err net_insert_key(struct store_conn *conn, uint32_t network,
                                   const struct net_key *key, struct err_detail *detail);
/* Makes it the newest and wipes those before. */
MUST_CHECK enum err net_insert_passphrase(struct store_conn *conn, const struct net *net,
                                          struct err_detail *detail);
/* Everything of a network but its domain. */
MUST_CHECK enum err net_delete(struct store_conn *conn, uint32_t network,
                               struct err_detail *detail);
/* What keeper export calls want: the active keys of the network. ERR_STATE where one is missing. */
MUST_CHECK enum err net_export_keys(const struct net *net, bool passphrase,
                                    struct keeper_network_keys *ret_keys,
                                    struct err_detail *detail);
/* Checks a request to create one, draws the salt and makes the domain; on failure later:
 * net_abandon. */
MUST_CHECK enum err net_prepare(const struct fleet_call *call,
                                const struct fleet_network_create *request, size_t keys,
                                struct err_detail *detail, struct net **ret_net);
void net_abandon(const struct fleet_call *call, const struct net *net);
MUST_CHECK enum err passphrase_check_form(struct bytes passphrase, struct err_detail *detail);

struct snapshot; /* fleet/snapshot.h */

struct net_lock {
    uint32_t network;
    bool taken;
};

struct fleet {
    struct store *store;
    struct vault *vault;
    char *spool_dir;
    char *backup_dir;
    atomic_uint lifetime_max_s;
    _Atomic uint64_t generation;
    pthread_mutex_t mutex; /* snapshot, static peers, locks */
    pthread_cond_t unlocked;
    struct snapshot *snapshot;
    pthread_mutex_t publish; /* one publisher at a time; taken before `mutex` */
    size_t static_count;
    struct static_peer {
        char host[FLEET_HOST_MAX + 1];
        char realm[FLEET_REALM_MAX + 1];
        bool require_tls;
    } * statics;
    struct net_lock locks[64]; /* jobs that write many rows of a network: one at a time each */
};

/* Also holds the network's domain. */
MUST_CHECK enum err net_lock_take(const struct fleet_call *call, uint32_t network);
void net_lock_give(struct fleet *fleet, uint32_t network);

/* false from the caller's progress is ERR_CANCELLED. */
MUST_CHECK enum err progress_tell(const struct fleet_call *call, const char *stage, uint64_t done,
                                  uint64_t total);

/* The store's form of a node id: see 0003-fleet.sql. */
static inline uint64_t node_row_id(uint64_t id, unsigned id_bits)
{
    return id_bits == 64 ? id ^ ((uint64_t)1 << 63) : id;
}

/* Nodes per state are counted as they change: in the transaction of the change; `nodes` may be
 * negative. */
MUST_CHECK enum err node_count_add(struct store_conn *conn, uint32_t network,
                                   enum fleet_node_state state, int64_t nodes,
                                   struct err_detail *detail);
/* Active, revoked, destroyed; of all networks for 0. */
MUST_CHECK enum err node_count_read(struct store_conn *conn, uint32_t network,
                                    uint64_t ret_counts[3], struct err_detail *detail);

/* Walks the sealed records of fleet for vault's reseal. */
struct vault_source fleet_reseal_source(struct fleet *fleet);

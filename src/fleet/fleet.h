#pragma once

#include <stdatomic.h>

#include "keeper/client.h"
#include "store/store.h"
#include "vault/vault.h"

/* Networks, their keys, nodes, batches, gateways: what a key server keeps. One `struct fleet` per
 * process; any thread. Operations that change or move keys block on the keeper and the store: call
 * them from a worker with a keeper connection of its own, never from a network loop (loops use
 * fleet/lookup.h). */
struct fleet;

#define FLEET_NAME_MAX    63 /* of a network: [a-z0-9-], no "-" at the ends */
#define FLEET_REALM_MAX   128
#define FLEET_HOST_MAX    255 /* Diameter identity of a peer */
#define FLEET_SOURCE_MAX  128
#define FLEET_SALT_SIZE   16
#define FLEET_PATH_MAX    512
#define FLEET_SECRET_MAX  64 /* a peer's shared secret */
#define FLEET_PASS_MIN    12 /* bytes of a passphrase */
#define FLEET_PASS_MAX    1024
#define FLEET_SEALED_MAX  128
#define FLEET_NODE_SEALED 47                           /* a sealed 16-byte key */
#define FLEET_NODES_MAX   ((uint64_t)16 * 1024 * 1024) /* in one file or one generate call */

/* Files whose names begin so are gone from the spool directory at the next start. */
#define FLEET_SPOOL_PREFIX "spool-"

struct fleet_config {
    const char *spool_dir;   /* must exist, mode 0700; copied */
    const char *backup_dir;  /* for `--backup`; NULL: backups are refused */
    uint32_t lifetime_max_s; /* longest time a gateway may cache a key; 0: 86,400 */
};

/* Marks operations that a crash cut off as interrupted, notes them, removes their files from the
 * spool directory, and loads the snapshot for the hot path. Store, vault borrowed. */
MUST_CHECK enum err fleet_open(struct store *store, struct vault *vault,
                               struct keeper_client *keeper, const struct fleet_config *config,
                               struct err_detail *detail, struct fleet **ret_fleet);
void fleet_close(struct fleet *fleet); /* NULL is allowed */
void fleet_closep(struct fleet **fleet);
void fleet_set_lifetime_max(struct fleet *fleet, uint32_t seconds);
/* Rises with every change of networks, their keys, or peers. Any thread. */
uint64_t fleet_generation(const struct fleet *fleet);

/* Work that takes longer says how far it is; false stops it with ERR_CANCELLED and nothing changed.
 * `total` is 0 where it is not known. `stage` is a word: "verify", "read", "merge", "generate", ...
 */
typedef bool fleet_progress_fn(void *ctx, const char *stage, uint64_t done, uint64_t total);

/* Who calls, and over which keeper connection (the calling thread's). Embedded; all borrowed. */
struct fleet_call {
    struct fleet *fleet;
    struct keeper_client *keeper;
    struct vault_actor actor;
    fleet_progress_fn *progress; /* nullable */
    void *progress_ctx;
};

struct fleet_counts {
    uint64_t networks, peers, nodes, revoked, destroyed;
};
MUST_CHECK enum err fleet_count(struct fleet *fleet, struct err_detail *detail,
                                struct fleet_counts *ret_counts);

#include "fleet/snapshot.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIFETIME_DEFAULT 86400

/* Spool files of a job that a crash cut off: nobody asks for them any more. */
static void empty_spool(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strncmp(entry->d_name, FLEET_SPOOL_PREFIX, strlen(FLEET_SPOOL_PREFIX)) == 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
}

/* A crash between making a domain and the network it is for leaves a key for nothing. */
static enum err drop_orphans(struct fleet *fleet, struct keeper_client *keeper,
                             struct err_detail *detail)
{
    static const char group[] = "network";
    size_t count = vault_domain_list(fleet->vault, group, NULL, 0);
    uint32_t *ids = calloc(count ? count : 1, sizeof(*ids));
    if (!ids)
        return ERR_NO_MEMORY;
    count = vault_domain_list(fleet->vault, group, ids, count);
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        bool used = false;
        for (size_t n = 0; n < fleet->snapshot->network_count; n++)
            used |= fleet->snapshot->networks[n].id == ids[i];
        if (!used)
            err = vault_domain_destroy(fleet->vault, keeper, "daemon", ids[i], detail);
    }
    free(ids);
    return err;
}

static enum err delete_network(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    return net_delete(conn, *(uint32_t *)ctx, detail);
}

/* A network whose domain is gone was being destroyed: nothing of it opens any more. */
static enum err finish_destroying(struct fleet *fleet, struct err_detail *detail)
{
    bool any = false;
    for (size_t n = 0; n < fleet->snapshot->network_count; n++) {
        uint32_t id = fleet->snapshot->networks[n].id;
        struct vault_domain domain;
        if (vault_domain_get(fleet->vault, id, &domain) == ERR_OK)
            continue;
        TRY(store_run_alone(fleet->store, delete_network, &id, detail));
        any = true;
    }
    return any ? snapshot_publish(fleet, detail) : ERR_OK;
}

enum err fleet_open(struct store *store, struct vault *vault, struct keeper_client *keeper,
                    const struct fleet_config *config, struct err_detail *detail,
                    struct fleet **ret_fleet)
{
    AUTO(fleet_closep) struct fleet *fleet = calloc(1, sizeof(*fleet));
    if (!fleet)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&fleet->mutex, NULL);
    pthread_mutex_init(&fleet->publish, NULL);
    pthread_cond_init(&fleet->unlocked, NULL);
    fleet->store = store;
    fleet->vault = vault;
    fleet->spool_dir = strdup(config->spool_dir);
    fleet->backup_dir = config->backup_dir ? strdup(config->backup_dir) : NULL;
    if (!fleet->spool_dir || (config->backup_dir && !fleet->backup_dir))
        return ERR_NO_MEMORY;
    fleet_set_lifetime_max(fleet, config->lifetime_max_s);
    if (access(fleet->spool_dir, R_OK | W_OK | X_OK) != 0)
        return err_errno(detail, "%s", fleet->spool_dir);
    empty_spool(fleet->spool_dir);
    TRY(operations_recover(fleet, keeper, detail));
    TRY(snapshot_publish(fleet, detail));
    TRY(drop_orphans(fleet, keeper, detail));
    TRY(finish_destroying(fleet, detail));
    vault_add_source(vault, fleet_reseal_source(fleet));
    *ret_fleet = TAKE(fleet);
    return ERR_OK;
}

void fleet_close(struct fleet *fleet)
{
    if (!fleet)
        return;
    snapshot_unref(fleet->snapshot);
    pthread_mutex_destroy(&fleet->mutex);
    pthread_mutex_destroy(&fleet->publish);
    pthread_cond_destroy(&fleet->unlocked);
    free(fleet->spool_dir);
    free(fleet->backup_dir);
    free(fleet->statics);
    free(fleet);
}

void fleet_closep(struct fleet **fleet)
{
    fleet_close(*fleet);
}

void fleet_set_lifetime_max(struct fleet *fleet, uint32_t seconds)
{
    atomic_store(&fleet->lifetime_max_s, seconds ? seconds : LIFETIME_DEFAULT);
}

uint64_t fleet_generation(const struct fleet *fleet)
{
    return atomic_load_explicit(&fleet->generation, memory_order_acquire);
}

enum err progress_tell(const struct fleet_call *call, const char *stage, uint64_t done,
                       uint64_t total)
{
    if (call->progress && !call->progress(call->progress_ctx, stage, done, total))
        return ERR_CANCELLED;
    return ERR_OK;
}

/* Waits its turn; a caller that gives up meanwhile is heard once a second. */
enum err net_lock_take(const struct fleet_call *call, uint32_t network)
{
    struct fleet *fleet = call->fleet;
    enum err err = ERR_OK;
    pthread_mutex_lock(&fleet->mutex);
    for (;;) {
        struct net_lock *free_slot = NULL;
        bool busy = false;
        for (size_t i = 0; i < ARRAY_LEN(fleet->locks); i++) {
            struct net_lock *lock = &fleet->locks[i];
            if (!lock->taken)
                free_slot = lock;
            else if (lock->network == network)
                busy = true;
        }
        if (!busy && free_slot) {
            *free_slot = (struct net_lock){network, true};
            break;
        }
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&fleet->unlocked, &fleet->mutex, &until);
        pthread_mutex_unlock(&fleet->mutex);
        err = progress_tell(call, "wait", 0, 0);
        pthread_mutex_lock(&fleet->mutex);
        if (err != ERR_OK)
            break;
    }
    pthread_mutex_unlock(&fleet->mutex);
    TRY(err);
    /* What is sealed and not stored yet must stay readable: a rotation waits. A network that lost
     * its domain half-way through its destruction has nothing to hold. */
    err = vault_domain_hold(fleet->vault, network);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

void net_lock_give(struct fleet *fleet, uint32_t network)
{
    vault_domain_release(fleet->vault, network);
    pthread_mutex_lock(&fleet->mutex);
    for (size_t i = 0; i < ARRAY_LEN(fleet->locks); i++) {
        if (fleet->locks[i].taken && fleet->locks[i].network == network)
            fleet->locks[i].taken = false;
    }
    pthread_cond_broadcast(&fleet->unlocked);
    pthread_mutex_unlock(&fleet->mutex);
}

enum err fleet_count(struct fleet *fleet, struct err_detail *detail,
                     struct fleet_counts *ret_counts)
{
    struct snapshot *snapshot = snapshot_get(fleet);
    struct fleet_counts counts = {.networks = snapshot->network_count,
                                  .peers = snapshot->peer_count};
    snapshot_unref(snapshot);
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    uint64_t nodes[3];
    TRY(node_count_read(store_reader_conn(reader), 0, nodes, detail));
    counts.nodes = nodes[0] + nodes[1] + nodes[2];
    counts.revoked = nodes[1];
    counts.destroyed = nodes[2];
    *ret_counts = counts;
    return ERR_OK;
}

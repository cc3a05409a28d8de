#pragma once

#include <pthread.h>

#include "vault/vault.h"

/* Inside of the vault, for its own files. */

#define VAULT_SOURCES_MAX 8

struct vault_entry {
    struct vault_domain domain;
    unsigned holds;
    bool closing; /* its old versions are about to go: new holders wait */
};

struct vault {
    struct store *store;
    pthread_mutex_t change;      /* one create, rotate, destroy at a time; taken before `mutex` */
    pthread_mutex_t mutex;       /* entries, sources */
    pthread_cond_t changed;      /* holds, closing */
    struct vault_entry *entries; /* rising ids */
    size_t count;
    uint32_t last_id; /* destroyed ones included; under `change` */
    unsigned grace_ms;
    struct vault_source sources[VAULT_SOURCES_MAX];
    size_t source_count;
    struct vault_objects *objects; /* NULL: nobody writes objects */
};

/* Under vault->mutex; NULL where there is none. */
struct vault_entry *vault_entry_find(struct vault *vault, uint32_t id);
/* Wipes the versions before the newest in store and keeper. */
MUST_CHECK enum err vault_forget_old(struct vault *vault, struct keeper_client *keeper,
                                     const char *actor, const struct vault_domain *domain,
                                     struct err_detail *detail);

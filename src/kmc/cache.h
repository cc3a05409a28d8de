#pragma once

#include "base/buf.h"
#include "base/secret.h"

/* Keys that were fetched, for as long as they may be kept: in memory sealed, on disk in one file of
 * sealed records (docs/kmc.md). Any number of processes share the file: it is replaced as a whole
 * under a lock, and read again when somebody else replaced it. An entry that has expired is never
 * given. One thread at a time. */
struct kmc_cache;

#define KMC_KEY_MAX     32
#define KMC_REALM_MAX   255
#define KMC_ENTRIES_MAX 200000u                    /* in one cache */
#define KMC_FILE_MAX    ((size_t)96 * 1024 * 1024) /* bytes of a file that is read */
#define KMC_SKEW        300 /* s; an entry from further in the future means a clock that was set back */

enum kmc_kind { KMC_GATEWAY = 1, KMC_CDLD = 2, KMC_NODE = 3 };

/* What a key is looked up by. */
struct kmc_selector {
    const char *realm; /* at most KMC_REALM_MAX bytes; ASCII case is ignored */
    enum kmc_kind kind;
    uint64_t node; /* 0 but for KMC_NODE */
};

struct kmc_entry {
    enum kmc_kind kind;
    bool newest; /* got as the one in use */
    uint64_t node;
    uint32_t version;
    int64_t fetched, expires; /* s since 1970 */
    const char *realm;        /* borrowed from the cache */
};

/* `report` (may be NULL) hears of a damaged or foreign file. */
struct kmc_cache_config {
    const char *file; /* NULL: in memory only */
    const char *key_file;
    void (*report)(void *ctx, const char *text);
    void *ctx;
};
/* Makes the key file (mode 0600, 64 hexadecimal digits) where there is none. ERR_DENIED where
 * others can read it, ERR_SYNTAX where it is no key, ERR_IO with `detail`. */
MUST_CHECK enum err kmc_cache_new(const struct kmc_cache_config *config, struct err_detail *detail,
                                  struct kmc_cache **ret_cache);
/* Wipes; does not write. NULL is allowed. */
void kmc_cache_free(struct kmc_cache *cache);
void kmc_cache_freep(struct kmc_cache **cache);

/* The newest, or with `version` that one. ERR_NOT_FOUND with the reason in `detail` ("expired at
 * ...", "not in the cache"). `entry` and `key` are the caller's to wipe. */
MUST_CHECK enum err kmc_cache_find(struct kmc_cache *cache, const struct kmc_selector *selector,
                                   const uint32_t *version, struct kmc_entry *ret_entry,
                                   uint8_t ret_key[KMC_KEY_MAX], size_t *ret_len,
                                   struct err_detail *detail);
/* Keep a key of at most KMC_KEY_MAX bytes; of `entry` realm, kind, node, version, newest and both
 * times count. In memory only until kmc_cache_save. ERR_LIMIT where the cache is full. */
MUST_CHECK enum err kmc_cache_put(struct kmc_cache *cache, const struct kmc_entry *entry,
                                  struct bytes key);
/* Forget all versions of a key, or with `version` that one. */
MUST_CHECK enum err kmc_cache_remove(struct kmc_cache *cache, const struct kmc_selector *selector,
                                     const uint32_t *version);
/* Forget everything, what other processes wrote too. */
MUST_CHECK enum err kmc_cache_clear(struct kmc_cache *cache);
/* Write what changed: merged with what others wrote meanwhile, under the lock, synced. Harmless
 * where nothing changed. After a failure the changes stay to be written. */
MUST_CHECK enum err kmc_cache_save(struct kmc_cache *cache, struct err_detail *detail);
bool kmc_cache_is_saved(const struct kmc_cache *cache);
/* In the order of realm, kind, node and version; false at the end. Start with *at = 0. */
bool kmc_cache_next(struct kmc_cache *cache, size_t *at, struct kmc_entry *ret_entry);
/* Has this entry to be refused at `now`? */
bool kmc_entry_expired(const struct kmc_entry *entry, int64_t now);

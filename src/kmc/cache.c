#include "kmc/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "kmc/cache_file.h"

enum change_kind { CHANGE_PUT, CHANGE_REMOVE, CHANGE_REMOVE_VERSION, CHANGE_CLEAR };

/* What this process did and the file does not show yet; done again over what the file holds when
 * it is written. */
struct change {
    enum change_kind kind;
    struct kmc_record *record; /* NULL for CHANGE_CLEAR */
};

struct kmc_cache {
    char *file, *lock_file; /* NULL: in memory only */
    struct kmc_cache_config config;
    struct kmc_cache_keys keys;
    struct kmc_table table;
    struct stat seen; /* the file that `table` comes from */
    struct change *changes;
    size_t changes_len, changes_cap;
};

static void report(struct kmc_cache *cache, const char *what)
{
    char text[PATH_MAX + 300];
    (void)snprintf(text, sizeof text, "%s: %s", cache->file, what);
    if (cache->config.report != NULL)
        cache->config.report(cache->config.ctx, text);
}

static enum err apply(struct kmc_table *table, const struct change *change, int64_t now)
{
    switch (change->kind) {
    case CHANGE_PUT: {
        struct kmc_record *copy = kmc_record_dup(change->record);
        if (copy == NULL)
            return ERR_NO_MEMORY;
        enum err err = kmc_table_put(table, copy, now);
        if (err != ERR_OK)
            free(copy);
        return err;
    }
    case CHANGE_REMOVE:
    case CHANGE_REMOVE_VERSION:
        kmc_table_remove(table, &change->record->entry, change->kind == CHANGE_REMOVE_VERSION);
        return ERR_OK;
    case CHANGE_CLEAR: kmc_table_done(table); return ERR_OK;
    }
    return ERR_INTERNAL;
}

/* Takes the record in any case. */
static enum err change(struct kmc_cache *cache, enum change_kind kind, struct kmc_record *record)
{
    struct change made = {.kind = kind, .record = record};
    enum err err = apply(&cache->table, &made, clock_now_s());
    if (err != ERR_OK || cache->file == NULL) {
        free(record);
        return err;
    }
    if (cache->changes_len == cache->changes_cap) {
        size_t cap = cache->changes_cap == 0 ? 16 : 2 * cache->changes_cap;
        struct change *changes = realloc(cache->changes, cap * sizeof *changes);
        if (changes == NULL) {
            free(record);
            return ERR_NO_MEMORY;
        }
        cache->changes = changes;
        cache->changes_cap = cap;
    }
    cache->changes[cache->changes_len++] = made;
    return ERR_OK;
}

static void forget_changes(struct kmc_cache *cache)
{
    for (size_t i = 0; i < cache->changes_len; i++)
        free(cache->changes[i].record);
    cache->changes_len = 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Somebody else may have replaced the file. */
static enum err read_again(struct kmc_cache *cache, struct err_detail *detail)
{
    struct stat now = {0};
    if (cache->file == NULL)
        return ERR_OK;
    if (stat(cache->file, &now) != 0)
        now = (struct stat){0};
    if (same_file(&now, &cache->seen))
        return ERR_OK;
    struct kmc_table table = {0};
    char why[256];
    TRY(kmc_cache_file_read(cache->file, &cache->keys, &table, &cache->seen, why, detail));
    for (size_t i = 0; i < cache->changes_len; i++) {
        enum err err = apply(&table, &cache->changes[i], clock_now_s());
        if (err != ERR_OK && err != ERR_LIMIT) {
            kmc_table_done(&table);
            cache->seen = (struct stat){0};
            return err;
        }
    }
    kmc_table_done(&cache->table);
    cache->table = table;
    if (why[0] != '\0')
        report(cache, why);
    return ERR_OK;
}

enum err kmc_cache_find(struct kmc_cache *cache, const struct kmc_selector *selector,
                        const uint32_t *version, struct kmc_entry *ret_entry,
                        uint8_t ret_key[KMC_KEY_MAX], size_t *ret_len, struct err_detail *detail)
{
    struct kmc_entry wanted = {
        .realm = selector->realm, .kind = selector->kind, .node = selector->node, .newest = true};
    TRY(read_again(cache, detail));
    const struct kmc_record *record = kmc_table_find(&cache->table, &wanted);
    if (version != NULL && (record == NULL || record->entry.version != *version ||
                            kmc_entry_expired(&record->entry, clock_now_s()))) {
        wanted.newest = false;
        wanted.version = *version;
        record = kmc_table_find(&cache->table, &wanted);
    }
    if (record == NULL)
        return err_set(detail, ERR_NOT_FOUND, "not in the cache");
    if (kmc_entry_expired(&record->entry, clock_now_s())) {
        char when[32];
        clock_format(record->entry.expires, when);
        return err_set(detail, ERR_NOT_FOUND,
                       clock_now_s() < record->entry.expires
                           ? "in the cache from the future: the clock was set back (valid until %s)"
                           : "in the cache, but expired at %s",
                       when);
    }
    TRY(kmc_record_open(record, cache->keys.aead, ret_key));
    *ret_entry = record->entry;
    *ret_len = record->key_len;
    return ERR_OK;
}

enum err kmc_cache_put(struct kmc_cache *cache, const struct kmc_entry *entry, struct bytes key)
{
    if (strlen(entry->realm) > KMC_REALM_MAX || entry->realm[0] == '\0')
        return ERR_ARGUMENT;
    struct kmc_record *record = kmc_record_new(entry);
    if (record == NULL)
        return ERR_NO_MEMORY;
    enum err err = random_bytes(record->nonce, sizeof record->nonce);
    if (err == ERR_OK)
        err = kmc_record_seal(record, cache->keys.aead, key);
    if (err != ERR_OK) {
        free(record);
        return err;
    }
    return change(cache, CHANGE_PUT, record);
}

enum err kmc_cache_remove(struct kmc_cache *cache, const struct kmc_selector *selector,
                          const uint32_t *version)
{
    struct kmc_entry entry = {
        .realm = selector->realm, .kind = selector->kind, .node = selector->node};
    if (version != NULL)
        entry.version = *version;
    struct kmc_record *record = kmc_record_new(&entry);
    if (record == NULL)
        return ERR_NO_MEMORY;
    return change(cache, version != NULL ? CHANGE_REMOVE_VERSION : CHANGE_REMOVE, record);
}

enum err kmc_cache_clear(struct kmc_cache *cache)
{
    return change(cache, CHANGE_CLEAR, NULL);
}

bool kmc_cache_is_saved(const struct kmc_cache *cache)
{
    return cache->changes_len == 0;
}

static enum err lock(const struct kmc_cache *cache, int *ret_fd, struct err_detail *detail)
{
    /* Not the cache file itself: it is replaced, and a lock stays with what was replaced. */
    int fd = open(cache->lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(detail, "%s: can't open", cache->lock_file);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        enum err err = err_errno(detail, "%s: can't lock", cache->lock_file);
        (void)close(fd);
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

enum err kmc_cache_save(struct kmc_cache *cache, struct err_detail *detail)
{
    if (cache->changes_len == 0)
        return ERR_OK;
    AUTO(file_closep) int fd = -1;
    TRY(lock(cache, &fd, detail));
    TRY(read_again(cache, detail));
    kmc_table_drop_expired(&cache->table, clock_now_s());
    TRY(kmc_cache_file_write(cache->file, &cache->keys, &cache->table, detail));
    if (stat(cache->file, &cache->seen) != 0)
        cache->seen = (struct stat){0};
    forget_changes(cache);
    return ERR_OK;
}

bool kmc_cache_next(struct kmc_cache *cache, size_t *at, struct kmc_entry *ret_entry)
{
    if (*at == 0 && read_again(cache, NULL) != ERR_OK)
        return false;
    if (*at >= cache->table.len)
        return false;
    *ret_entry = cache->table.at[(*at)++]->entry;
    return true;
}

/* One key for sealing, and a name for it that is not made with that key. */
static enum err derive(struct bytes key, struct kmc_cache_keys *keys)
{
    AUTO(secret_block32_wipe) struct secret_block32 seal;
    TRY(kdf_hkdf_sha256(key, bytes_of(NULL, 0), bytes_str("claviger-kmc cache seal 1"), seal.data,
                        sizeof seal.data));
    TRY(kdf_hkdf_sha256(key, bytes_of(NULL, 0), bytes_str("claviger-kmc cache id 1"), keys->id,
                        sizeof keys->id));
    return aead_new(BYTES(seal.data), &keys->aead);
}

static enum err open_files(struct kmc_cache *cache, struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *key = NULL;
    AUTO(file_closep) int fd = -1;
    cache->file = strdup(cache->config.file);
    if (cache->file == NULL || asprintf(&cache->lock_file, "%s.lock", cache->file) < 0)
        return ERR_NO_MEMORY;
    /* Two that start at the same time must not make a key each. */
    TRY(lock(cache, &fd, detail));
    TRY(kmc_key_file_read(cache->config.key_file, &key, detail));
    TRY(derive(secret_view(key), &cache->keys));
    return read_again(cache, detail);
}

static enum err open_memory(struct kmc_cache *cache)
{
    AUTO(secret_freep) struct secret *key = NULL;
    TRY(random_secret(AEAD_KEY_SIZE, &key));
    return derive(secret_view(key), &cache->keys);
}

enum err kmc_cache_new(const struct kmc_cache_config *config, struct err_detail *detail,
                       struct kmc_cache **ret_cache)
{
    struct kmc_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return ERR_NO_MEMORY;
    cache->config = *config;
    enum err err = config->file != NULL ? open_files(cache, detail) : open_memory(cache);
    if (err == ERR_OK)
        *ret_cache = cache;
    else
        kmc_cache_free(cache);
    return err;
}

void kmc_cache_free(struct kmc_cache *cache)
{
    if (cache == NULL)
        return;
    forget_changes(cache);
    free(cache->changes);
    kmc_table_done(&cache->table);
    aead_free(cache->keys.aead);
    free(cache->file);
    free(cache->lock_file);
    free(cache);
}

void kmc_cache_freep(struct kmc_cache **cache)
{
    kmc_cache_free(*cache);
    *cache = NULL;
}

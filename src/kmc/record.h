#pragma once

#include "crypto/aead.h"
#include "kmc/cache.h"

/* One sealed entry of a cache, and their sorted table. Private to the cache. */

struct kmc_record {
    struct kmc_entry entry; /* entry.realm points to `realm` */
    uint8_t key_len;
    uint8_t nonce[AEAD_NONCE_SIZE];
    uint8_t sealed[KMC_KEY_MAX];
    uint8_t tag[AEAD_TAG_SIZE];
    char realm[]; /* lower case */
};

/* `realm` in lower case; the key is still to be sealed. NULL: out of memory. */
struct kmc_record *kmc_record_new(const struct kmc_entry *entry);
struct kmc_record *kmc_record_dup(const struct kmc_record *record);
MUST_CHECK enum err kmc_record_seal(struct kmc_record *record, struct aead *aead, struct bytes key);
/* ERR_SEAL. */
MUST_CHECK enum err kmc_record_open(const struct kmc_record *record, struct aead *aead,
                                    uint8_t ret_key[KMC_KEY_MAX]);

/* On disk (docs/kmc.md). */
#define KMC_RECORD_MAX (32 + KMC_REALM_MAX + AEAD_NONCE_SIZE + 1 + KMC_KEY_MAX + AEAD_TAG_SIZE)
void kmc_record_encode(const struct kmc_record *record, struct writer *w);
/* ERR_SYNTAX and the reader's errors; the seal is not looked at. */
MUST_CHECK enum err kmc_record_decode(struct reader *r, struct kmc_record **ret_record);

/* Sorted by realm, kind, node, then the newest before explicit versions. Owns its records.
 * Zero-initialise. */
struct kmc_table {
    struct kmc_record **at;
    size_t len, cap;
};
void kmc_table_done(struct kmc_table *table);
/* Takes the record on success. One that is there and is younger stays. */
MUST_CHECK enum err kmc_table_put(struct kmc_table *table, struct kmc_record *record, int64_t now);
/* NULL where there is none. */
const struct kmc_record *kmc_table_find(const struct kmc_table *table,
                                        const struct kmc_entry *wanted);
/* All versions of the entry's key, or only its version. */
void kmc_table_remove(struct kmc_table *table, const struct kmc_entry *entry, bool one_version);
void kmc_table_drop_expired(struct kmc_table *table, int64_t now);

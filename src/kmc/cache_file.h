#pragma once

#include <sys/stat.h>

#include "kmc/record.h"

/* The cache's two files: its key, and the sealed records. Private to the cache. */

#define KMC_ID_SIZE 16

/* Both are derived from the key file. */
struct kmc_cache_keys {
    struct aead *aead;
    uint8_t id[KMC_ID_SIZE]; /* in the file's header: tells another key from damage */
};

/* Made where it does not exist. See kmc_cache_new. */
MUST_CHECK enum err kmc_key_file_read(const char *path, struct secret **ret_key,
                                      struct err_detail *detail);

/* What can be used of a file's bytes is added to `table`; `why` (zeroed) says what is wrong with
 * the rest. ERR_NO_MEMORY, ERR_CRYPTO. */
MUST_CHECK enum err kmc_cache_parse(struct bytes file, const struct kmc_cache_keys *keys,
                                    struct kmc_table *table, char why[256]);

/* All records of `path` that open. `ret_why` says what was wrong with the others, "" if nothing;
 * a damaged or foreign file is no error, nor is one that does not exist. `ret_stat` is the file's
 * as read, zeros where there is none. */
MUST_CHECK enum err kmc_cache_file_read(const char *path, const struct kmc_cache_keys *keys,
                                        struct kmc_table *ret_table, struct stat *ret_stat,
                                        char ret_why[256], struct err_detail *detail);
/* Replace it: mode 0600, all or nothing. */
MUST_CHECK enum err kmc_cache_file_write(const char *path, const struct kmc_cache_keys *keys,
                                         const struct kmc_table *table, struct err_detail *detail);

#include <stdlib.h>

#include "fuzz/target.h"
#include "kmc/cache_file.h"

/* The bytes are a cache file under a key of zeros. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[AEAD_KEY_SIZE];
    static struct kmc_cache_keys keys;
    struct kmc_table table = {0};
    char why[256] = "";
    if (keys.aead == NULL && aead_new(BYTES(zeros), &keys.aead) != ERR_OK)
        abort();
    if (kmc_cache_parse(bytes_of(data, size), &keys, &table, why) != ERR_OK)
        abort();
    /* What was taken opens, and stands where it is looked for. */
    for (size_t i = 0; i < table.len; i++) {
        uint8_t key[KMC_KEY_MAX];
        if (kmc_record_open(table.at[i], keys.aead, key) != ERR_OK ||
            kmc_table_find(&table, &table.at[i]->entry) != table.at[i])
            abort();
    }
    kmc_table_done(&table);
    return 0;
}

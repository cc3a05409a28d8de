#include "crypto/random.h"

#include <limits.h>

#include "crypto/evp.h"

enum err random_bytes(void *to, size_t len)
{
    if (len > INT_MAX)
        return ERR_LIMIT;
    return RAND_bytes(to, (int)len) == 1 ? ERR_OK : evp_fail(NULL, ERR_CRYPTO, "random");
}

enum err random_secret(size_t len, struct secret **ret_secret)
{
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(secret_new(len, &secret));
    if (RAND_priv_bytes(secret_data(secret), (int)len) != 1)
        return evp_fail(NULL, ERR_CRYPTO, "random");
    *ret_secret = TAKE(secret);
    return ERR_OK;
}

void random_add(struct bytes seed)
{
    if (seed.len != 0 && seed.len <= INT_MAX)
        RAND_add(seed.data, (int)seed.len, 0);
}

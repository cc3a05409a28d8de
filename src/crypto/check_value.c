#include "crypto/check_value.h"

#include "crypto/algorithm.h"
#include "crypto/cmac.h"
#include "crypto/hmac.h"

#define LABEL "claviger kcv 1"

enum err check_value_of(struct bytes key, uint8_t ret_value[CHECK_VALUE_SIZE])
{
    const struct bytes label = bytes_str(LABEL);
    uint8_t mac[HASH_ALG_MAX];
    size_t len = 0;
    if (key.len == 16) {
        AUTO(cmac_freep) struct cmac *cmac = NULL;
        TRY(cmac_new(key, &cmac));
        TRY(cmac_parts(cmac, &label, 1, mac));
    } else if (key.len == 24) {
        TRY(hmac_parts(HASH_SHA_256, key, &label, 1, mac, &len));
    } else {
        return ERR_ARGUMENT;
    }
    memcpy(ret_value, mac, CHECK_VALUE_SIZE);
    return ERR_OK;
}

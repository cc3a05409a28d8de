#include "crypto/x931.h"

#include "base/clock.h"
#include "crypto/evp.h"
#include "crypto/random.h"

enum err x931_init(struct x931 *x931, const uint8_t key[X931_KEY], const uint8_t seed[X931_BLOCK],
                   const uint8_t time[X931_BLOCK])
{
    *x931 = (struct x931){.ctx = EVP_CIPHER_CTX_new()};
    if (x931->ctx == NULL)
        return ERR_NO_MEMORY;
    memcpy(x931->seed, seed, X931_BLOCK);
    memcpy(x931->time, time, X931_BLOCK);
    if (EVP_EncryptInit_ex2(x931->ctx, EVP_aes_256_ecb(), key, NULL, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(x931->ctx, 0) != 1) {
        x931_done(x931);
        return evp_fail(NULL, ERR_CRYPTO, "AES-256");
    }
    return ERR_OK;
}

void x931_done(struct x931 *x931)
{
    EVP_CIPHER_CTX_free(x931->ctx);
    explicit_bzero(x931, sizeof *x931);
}

static bool encrypt(struct x931 *x931, const uint8_t from[X931_BLOCK], uint8_t to[X931_BLOCK])
{
    int len = 0;
    return EVP_EncryptUpdate(x931->ctx, to, &len, from, X931_BLOCK) == 1 && len == X931_BLOCK;
}

static void mix(uint8_t to[X931_BLOCK], const uint8_t a[X931_BLOCK], const uint8_t b[X931_BLOCK])
{
    for (size_t i = 0; i < X931_BLOCK; i++)
        to[i] = a[i] ^ b[i];
}

/* I = E(DT), R = E(I xor V), V = E(R xor I); then the time goes on by one. */
static bool next_block(struct x931 *x931, uint8_t ret_block[X931_BLOCK])
{
    uint8_t middle[X931_BLOCK];
    uint8_t mixed[X931_BLOCK];
    bool good = encrypt(x931, x931->time, middle);
    mix(mixed, middle, x931->seed);
    good = good && encrypt(x931, mixed, ret_block);
    mix(mixed, ret_block, middle);
    good = good && encrypt(x931, mixed, x931->seed);
    for (size_t i = X931_BLOCK; i-- > 0 && ++x931->time[i] == 0;) {}
    explicit_bzero(middle, sizeof middle);
    explicit_bzero(mixed, sizeof mixed);
    return good;
}

enum err x931_bytes(struct x931 *x931, uint8_t *to, size_t len)
{
    uint8_t block[X931_BLOCK];
    uint8_t before[X931_BLOCK] = {0};
    bool good = true;
    for (size_t at = 0; at < len && good; at += X931_BLOCK) {
        good = next_block(x931, block) && !secret_equal(BYTES(block), BYTES(before));
        memcpy(before, block, X931_BLOCK);
        if (good)
            memcpy(to + at, block, len - at < X931_BLOCK ? len - at : X931_BLOCK);
    }
    explicit_bzero(block, sizeof block);
    explicit_bzero(before, sizeof before);
    if (good)
        return ERR_OK;
    explicit_bzero(to, len);
    return evp_fail(NULL, ERR_CRYPTO, "ANSI X9.31");
}

enum err x931_secret(size_t len, struct secret **ret_secret)
{
    AUTO(secret_freep) struct secret *seed = NULL;
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(random_secret(X931_KEY + X931_BLOCK, &seed));
    TRY(secret_new(len, &secret));
    uint8_t time[X931_BLOCK] = {0};
    be64_store(time, clock_now_us());
    struct x931 x931;
    TRY(x931_init(&x931, secret_data(seed), secret_data(seed) + X931_KEY, time));
    enum err err = x931_bytes(&x931, secret_data(secret), len);
    x931_done(&x931);
    TRY(err);
    *ret_secret = TAKE(secret);
    return ERR_OK;
}

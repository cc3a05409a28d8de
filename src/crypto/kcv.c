#include "crypto/kcv.h"

#include "crypto/evp.h"

#define BLOCK_MAX 16

static const char *cipher_for(size_t key_len)
{
    switch (key_len) {
    case 16: return "AES-128-ECB";
    case 24: return "DES-EDE3-ECB";
    case 32: return "AES-256-ECB";
    default: return NULL;
    }
}

enum err kcv_of(struct bytes key, uint8_t ret_kcv[KCV_SIZE])
{
    static const uint8_t zeros[BLOCK_MAX];
    const char *name = cipher_for(key.len);
    if (name == NULL)
        return ERR_ARGUMENT;
    /* Not in evp_set: needed where a person looks, never on a request's path, and a provider
     * without 3DES is no reason to refuse everything else. */
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t block[2 * BLOCK_MAX];
    int got = 0;
    bool done = cipher != NULL && ctx != NULL &&
                EVP_EncryptInit_ex2(ctx, cipher, key.data, NULL, NULL) == 1 &&
                EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                EVP_EncryptUpdate(ctx, block, &got, zeros, EVP_CIPHER_get_block_size(cipher)) == 1;
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    if (!done || got < KCV_SIZE)
        return evp_fail(NULL, ERR_CRYPTO, name);
    memcpy(ret_kcv, block, KCV_SIZE);
    explicit_bzero(block, sizeof block);
    return ERR_OK;
}

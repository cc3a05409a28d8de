#include "crypto/aead.h"

#include <stdlib.h>

#include "crypto/evp.h"

struct aead {
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
};

/* Keyed and without a nonce. */
static EVP_CIPHER_CTX *keyed(struct bytes key, int encrypting)
{
    const struct evp_set *evp = evp_set();
    EVP_CIPHER_CTX *ctx = evp != NULL ? EVP_CIPHER_CTX_new() : NULL;
    if (ctx == NULL)
        return NULL;
    if (EVP_CipherInit_ex2(ctx, evp->aes256_gcm, key.data, NULL, encrypting, NULL) == 1)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

enum err aead_new(struct bytes key, struct aead **ret_aead)
{
    if (key.len != AEAD_KEY_SIZE)
        return ERR_ARGUMENT;
    AUTO(aead_freep) struct aead *aead = calloc(1, sizeof *aead);
    if (aead == NULL)
        return ERR_NO_MEMORY;
    aead->seal = keyed(key, 1);
    aead->open = keyed(key, 0);
    if (aead->seal == NULL || aead->open == NULL)
        return evp_fail(NULL, ERR_CRYPTO, "AES-256-GCM");
    *ret_aead = TAKE(aead);
    return ERR_OK;
}

void aead_free(struct aead *aead)
{
    if (aead == NULL)
        return;
    EVP_CIPHER_CTX_free(aead->seal);
    EVP_CIPHER_CTX_free(aead->open);
    free(aead);
}

void aead_freep(struct aead **aead)
{
    aead_free(*aead);
}

static bool run(EVP_CIPHER_CTX *ctx, const uint8_t *nonce, struct bytes aad, struct bytes in,
                uint8_t *to)
{
    int got = 0;
    if (EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) != 1)
        return false;
    if (aad.len != 0 && EVP_CipherUpdate(ctx, NULL, &got, aad.data, (int)aad.len) != 1)
        return false;
    return in.len == 0 || EVP_CipherUpdate(ctx, to, &got, in.data, (int)in.len) == 1;
}

static enum err failed(enum err code, uint8_t *to, size_t len)
{
    if (len != 0)
        explicit_bzero(to, len);
    return evp_fail(NULL, code, "AES-256-GCM");
}

enum err aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct bytes aad,
                   struct bytes plain, uint8_t *to, uint8_t ret_tag[AEAD_TAG_SIZE])
{
    if (plain.len > AEAD_MAX || aad.len > AEAD_MAX)
        return ERR_LIMIT;
    uint8_t none[16];
    int got = 0;
    if (!run(aead->seal, nonce, aad, plain, to) ||
        EVP_CipherFinal_ex(aead->seal, none, &got) != 1 ||
        EVP_CIPHER_CTX_ctrl(aead->seal, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, ret_tag) != 1)
        return failed(ERR_CRYPTO, to, plain.len);
    return ERR_OK;
}

enum err aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], struct bytes aad,
                   struct bytes sealed, const uint8_t tag[AEAD_TAG_SIZE], uint8_t *to)
{
    if (sealed.len > AEAD_MAX || aad.len > AEAD_MAX)
        return ERR_LIMIT;
    /* OpenSSL takes the tag through a pointer that isn't const. */
    uint8_t expected[AEAD_TAG_SIZE];
    memcpy(expected, tag, sizeof expected);
    uint8_t none[16];
    int got = 0;
    if (!run(aead->open, nonce, aad, sealed, to) ||
        EVP_CIPHER_CTX_ctrl(aead->open, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, expected) != 1)
        return failed(ERR_CRYPTO, to, sealed.len);
    if (EVP_CipherFinal_ex(aead->open, none, &got) != 1)
        return failed(ERR_SEAL, to, sealed.len);
    return ERR_OK;
}

struct aead_stream {
    EVP_CIPHER_CTX *ctx;
    uint64_t len;
};

static enum err stream_new(struct bytes key, const uint8_t *nonce, struct bytes aad, int encrypting,
                           struct aead_stream **ret_stream)
{
    if (key.len != AEAD_KEY_SIZE)
        return ERR_ARGUMENT;
    if (aad.len > AEAD_MAX)
        return ERR_LIMIT;
    AUTO(aead_stream_freep) struct aead_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return ERR_NO_MEMORY;
    stream->ctx = keyed(key, encrypting);
    if (stream->ctx == NULL || !run(stream->ctx, nonce, aad, (struct bytes){0}, NULL))
        return evp_fail(NULL, ERR_CRYPTO, "AES-256-GCM");
    *ret_stream = TAKE(stream);
    return ERR_OK;
}

enum err aead_stream_encrypt(struct bytes key, const uint8_t nonce[AEAD_NONCE_SIZE],
                             struct bytes aad, struct aead_stream **ret_stream)
{
    return stream_new(key, nonce, aad, 1, ret_stream);
}

enum err aead_stream_decrypt(struct bytes key, const uint8_t nonce[AEAD_NONCE_SIZE],
                             struct bytes aad, struct aead_stream **ret_stream)
{
    return stream_new(key, nonce, aad, 0, ret_stream);
}

void aead_stream_free(struct aead_stream *stream)
{
    if (stream == NULL)
        return;
    EVP_CIPHER_CTX_free(stream->ctx);
    free(stream);
}

void aead_stream_freep(struct aead_stream **stream)
{
    aead_stream_free(*stream);
}

enum err aead_stream_update(struct aead_stream *stream, struct bytes in, uint8_t *to)
{
    /* SP 800-38D, 5.2.1.1: beyond this the counter would repeat. */
    if (in.len > AEAD_STREAM_MAX - stream->len)
        return ERR_LIMIT;
    stream->len += in.len;
    while (in.len != 0) {
        size_t now = in.len < AEAD_MAX ? in.len : AEAD_MAX;
        int got = 0;
        if (EVP_CipherUpdate(stream->ctx, to, &got, in.data, (int)now) != 1)
            return evp_fail(NULL, ERR_CRYPTO, "AES-256-GCM");
        in = bytes_of(in.data + now, in.len - now);
        to += now;
    }
    return ERR_OK;
}

enum err aead_stream_tag(struct aead_stream *stream, uint8_t ret_tag[AEAD_TAG_SIZE])
{
    uint8_t none[16];
    int got = 0;
    if (EVP_CipherFinal_ex(stream->ctx, none, &got) != 1 ||
        EVP_CIPHER_CTX_ctrl(stream->ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, ret_tag) != 1)
        return evp_fail(NULL, ERR_CRYPTO, "AES-256-GCM");
    return ERR_OK;
}

enum err aead_stream_verify(struct aead_stream *stream, struct bytes tag)
{
    uint8_t expected[AEAD_TAG_SIZE];
    if (tag.len < AEAD_TAG_MIN || tag.len > sizeof expected)
        return ERR_DECRYPT;
    memcpy(expected, tag.data, tag.len);
    uint8_t none[16];
    int got = 0;
    if (EVP_CIPHER_CTX_ctrl(stream->ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag.len, expected) != 1)
        return evp_fail(NULL, ERR_CRYPTO, "AES-256-GCM");
    if (EVP_CipherFinal_ex(stream->ctx, none, &got) != 1)
        return evp_fail(NULL, ERR_DECRYPT, "AES-256-GCM");
    return ERR_OK;
}

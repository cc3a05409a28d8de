#include "crypto/hash_alg.h"

#include "crypto/evp_tables.h"

/* struct hash_stream is OpenSSL's context under our name, as struct hash is. */
static EVP_MD_CTX *ctx_of(struct hash_stream *stream)
{
    return (EVP_MD_CTX *)(void *)stream;
}

size_t hash_alg_size(uint32_t alg)
{
    const EVP_MD *md = evp_md(alg);
    int size = md != NULL ? EVP_MD_get_size(md) : 0;
    return size > 0 && size <= HASH_ALG_MAX ? (size_t)size : 0;
}

enum err hash_stream_new(uint32_t alg, struct hash_stream **ret_stream)
{
    if (hash_alg_size(alg) == 0)
        return ERR_UNSUPPORTED;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex2(ctx, evp_md(alg), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return evp_fail(NULL, ERR_NO_MEMORY, "hash");
    }
    *ret_stream = (struct hash_stream *)(void *)ctx;
    return ERR_OK;
}

enum err hash_stream_update(struct hash_stream *stream, struct bytes part)
{
    return EVP_DigestUpdate(ctx_of(stream), part.data, part.len) == 1
               ? ERR_OK
               : evp_fail(NULL, ERR_CRYPTO, "hash");
}

enum err hash_stream_end(struct hash_stream *stream, uint8_t ret_digest[HASH_ALG_MAX],
                         size_t *ret_len)
{
    unsigned len = 0;
    if (EVP_DigestFinal_ex(ctx_of(stream), ret_digest, &len) != 1)
        return evp_fail(NULL, ERR_CRYPTO, "hash");
    *ret_len = len;
    return ERR_OK;
}

void hash_stream_free(struct hash_stream *stream)
{
    EVP_MD_CTX_free(ctx_of(stream));
}

void hash_stream_freep(struct hash_stream **stream)
{
    hash_stream_free(*stream);
}

enum err hash_alg(uint32_t alg, const struct bytes *parts, size_t count,
                  uint8_t ret_digest[HASH_ALG_MAX], size_t *ret_len)
{
    AUTO(hash_stream_freep) struct hash_stream *stream = NULL;
    TRY(hash_stream_new(alg, &stream));
    for (size_t i = 0; i < count; i++)
        TRY(hash_stream_update(stream, parts[i]));
    return hash_stream_end(stream, ret_digest, ret_len);
}

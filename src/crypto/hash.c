#include "crypto/hash.h"

#include "crypto/evp.h"

/* struct hash is OpenSSL's context under our name: the hot path shall not chase one pointer more.
 */
static EVP_MD_CTX *ctx_of(struct hash *hash)
{
    return (EVP_MD_CTX *)(void *)hash;
}

enum err hash_new(struct hash **ret_hash)
{
    const struct evp_set *evp = evp_set();
    if (evp == NULL)
        return evp_fail(NULL, ERR_CRYPTO, "SHA-256");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex2(ctx, evp->sha256, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return evp_fail(NULL, ERR_NO_MEMORY, "SHA-256");
    }
    *ret_hash = (struct hash *)(void *)ctx;
    return ERR_OK;
}

void hash_free(struct hash *hash)
{
    EVP_MD_CTX_free(ctx_of(hash));
}

void hash_freep(struct hash **hash)
{
    hash_free(*hash);
}

enum err hash_begin(struct hash *hash)
{
    return EVP_DigestInit_ex2(ctx_of(hash), NULL, NULL) == 1
               ? ERR_OK
               : evp_fail(NULL, ERR_CRYPTO, "SHA-256");
}

enum err hash_update(struct hash *hash, struct bytes part)
{
    return EVP_DigestUpdate(ctx_of(hash), part.data, part.len) == 1
               ? ERR_OK
               : evp_fail(NULL, ERR_CRYPTO, "SHA-256");
}

enum err hash_end(struct hash *hash, uint8_t ret_digest[HASH_SHA256_SIZE])
{
    return EVP_DigestFinal_ex(ctx_of(hash), ret_digest, NULL) == 1
               ? ERR_OK
               : evp_fail(NULL, ERR_CRYPTO, "SHA-256");
}

enum err hash_parts(struct hash *hash, const struct bytes *parts, size_t count,
                    uint8_t ret_digest[HASH_SHA256_SIZE])
{
    TRY(hash_begin(hash));
    for (size_t i = 0; i < count; i++)
        TRY(hash_update(hash, parts[i]));
    return hash_end(hash, ret_digest);
}

static enum err one_shot(const EVP_MD *md, const struct bytes *parts, size_t count,
                         uint8_t *ret_digest)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) == 1;
    for (size_t i = 0; i < count && good; i++)
        good = EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1;
    good = good && EVP_DigestFinal_ex(ctx, ret_digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return good ? ERR_OK : evp_fail(NULL, ERR_CRYPTO, "digest");
}

enum err hash_sha256(const struct bytes *parts, size_t count, uint8_t ret_digest[HASH_SHA256_SIZE])
{
    const struct evp_set *evp = evp_set();
    return evp != NULL ? one_shot(evp->sha256, parts, count, ret_digest) : ERR_CRYPTO;
}

enum err hash_sha1(const struct bytes *parts, size_t count, uint8_t ret_digest[HASH_SHA1_SIZE])
{
    const struct evp_set *evp = evp_set();
    return evp != NULL ? one_shot(evp->sha1, parts, count, ret_digest) : ERR_CRYPTO;
}

#include "crypto/kdf.h"

#include "crypto/cmac.h"
#include "crypto/evp.h"

/* A kdf is its CMAC under another name. */
static struct cmac *cmac_of(struct kdf *kdf)
{
    return (struct cmac *)(void *)kdf;
}

enum err kdf_new(struct bytes key, struct kdf **ret_kdf)
{
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    TRY(cmac_new(key, &cmac));
    *ret_kdf = (struct kdf *)(void *)TAKE(cmac);
    return ERR_OK;
}

void kdf_free(struct kdf *kdf)
{
    cmac_free(cmac_of(kdf));
}

void kdf_freep(struct kdf **kdf)
{
    kdf_free(*kdf);
}

enum err kdf_derive(struct kdf *kdf, struct bytes label, struct bytes context, uint8_t *to,
                    size_t len)
{
    if (len == 0 || len > KDF_OUT_MAX)
        return ERR_LIMIT;
    uint8_t counter[4];
    uint8_t bits[4];
    uint8_t zero = 0;
    uint8_t block[CMAC_SIZE];
    be32_store(bits, (uint32_t)len * 8);
    const struct bytes parts[] = {BYTES(counter), label, {&zero, 1}, context, BYTES(bits)};
    enum err err = ERR_OK;
    uint32_t number = 1;
    for (size_t at = 0; at < len && err == ERR_OK; at += CMAC_SIZE, number++) {
        be32_store(counter, number);
        err = cmac_parts(cmac_of(kdf), parts, ARRAY_LEN(parts), block);
        if (err == ERR_OK)
            memcpy(to + at, block, len - at < CMAC_SIZE ? len - at : CMAC_SIZE);
    }
    explicit_bzero(block, sizeof block);
    if (err != ERR_OK)
        explicit_bzero(to, len);
    return err;
}

static OSSL_PARAM octets(const char *name, struct bytes value)
{
    /* OpenSSL's parameters are for reading and writing; these are only read. */
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)value.data, value.len);
}

enum err kdf_hkdf_sha256(struct bytes key, struct bytes salt, struct bytes info, uint8_t *to,
                         size_t len)
{
    if (len == 0 || len > (size_t)255 * 32)
        return ERR_LIMIT;
    const struct evp_set *evp = evp_set();
    if (evp == NULL)
        return evp_fail(NULL, ERR_CRYPTO, "HKDF");
    char digest[] = "SHA2-256";
    OSSL_PARAM params[5];
    size_t count = 0;
    params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    params[count++] = octets(OSSL_KDF_PARAM_KEY, key);
    if (salt.len != 0)
        params[count++] = octets(OSSL_KDF_PARAM_SALT, salt);
    if (info.len != 0)
        params[count++] = octets(OSSL_KDF_PARAM_INFO, info);
    params[count] = OSSL_PARAM_construct_end();
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(evp->hkdf);
    bool good = ctx != NULL && EVP_KDF_derive(ctx, to, len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    if (good)
        return ERR_OK;
    explicit_bzero(to, len);
    return evp_fail(NULL, ERR_CRYPTO, "HKDF");
}

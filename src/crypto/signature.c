#include "crypto/signature.h"

#include "crypto/hash_alg.h"

static const struct {
    uint32_t signature, hash;
    enum signature_kind kind;
} signatures[] = {
    {SIG_MD5_WITH_RSA_ENCRYPTION, HASH_MD5, SIGNATURE_PKCS1},
    {SIG_SHA_1_WITH_RSA_ENCRYPTION, HASH_SHA_1, SIGNATURE_PKCS1},
    {SIG_SHA_224_WITH_RSA_ENCRYPTION, HASH_SHA_224, SIGNATURE_PKCS1},
    {SIG_SHA_256_WITH_RSA_ENCRYPTION, HASH_SHA_256, SIGNATURE_PKCS1},
    {SIG_SHA_384_WITH_RSA_ENCRYPTION, HASH_SHA_384, SIGNATURE_PKCS1},
    {SIG_SHA_512_WITH_RSA_ENCRYPTION, HASH_SHA_512, SIGNATURE_PKCS1},
    {SIG_SHA3_256_WITH_RSA_ENCRYPTION, HASH_SHA3_256, SIGNATURE_PKCS1},
    {SIG_SHA3_384_WITH_RSA_ENCRYPTION, HASH_SHA3_384, SIGNATURE_PKCS1},
    {SIG_SHA3_512_WITH_RSA_ENCRYPTION, HASH_SHA3_512, SIGNATURE_PKCS1},
    {SIG_RSASSA_PSS, 0, SIGNATURE_PSS},
    {SIG_DSA_WITH_SHA_1, HASH_SHA_1, SIGNATURE_DSA},
    {SIG_DSA_WITH_SHA224, HASH_SHA_224, SIGNATURE_DSA},
    {SIG_DSA_WITH_SHA256, HASH_SHA_256, SIGNATURE_DSA},
    {SIG_ECDSA_WITH_SHA_1, HASH_SHA_1, SIGNATURE_ECDSA},
    {SIG_ECDSA_WITH_SHA224, HASH_SHA_224, SIGNATURE_ECDSA},
    {SIG_ECDSA_WITH_SHA256, HASH_SHA_256, SIGNATURE_ECDSA},
    {SIG_ECDSA_WITH_SHA384, HASH_SHA_384, SIGNATURE_ECDSA},
    {SIG_ECDSA_WITH_SHA512, HASH_SHA_512, SIGNATURE_ECDSA},
};

static enum err by_signature(uint32_t signature, struct signature_scheme *scheme,
                             struct err_detail *detail)
{
    for (size_t i = 0; i < ARRAY_LEN(signatures); i++)
        if (signatures[i].signature == signature) {
            scheme->kind = signatures[i].kind;
            if (signatures[i].hash != 0)
                scheme->hash = signatures[i].hash;
            return ERR_OK;
        }
    return err_set(detail, ERR_UNSUPPORTED, "digital signature algorithm %u", signature);
}

static enum err by_alg(uint32_t alg, uint32_t padding, struct signature_scheme *scheme,
                       struct err_detail *detail)
{
    switch (alg) {
    case ALG_RSA:
        if (padding != 0 && padding != PADDING_PKCS1_V1_5 && padding != PADDING_PSS)
            return err_set(detail, ERR_UNSUPPORTED, "padding method %u for a signature", padding);
        scheme->kind = padding == PADDING_PSS ? SIGNATURE_PSS : SIGNATURE_PKCS1;
        return ERR_OK;
    case ALG_EC:
    case ALG_ECDSA: scheme->kind = SIGNATURE_ECDSA; return ERR_OK;
    case ALG_DSA: scheme->kind = SIGNATURE_DSA; return ERR_OK;
    case ALG_ED25519:
    case ALG_ED448: scheme->kind = SIGNATURE_EDDSA; return ERR_OK;
    default: return err_set(detail, ERR_UNSUPPORTED, "algorithm %u does not sign", alg);
    }
}

enum err signature_scheme(const struct crypto_key *key, const struct crypto_params *params,
                          struct signature_scheme *ret_scheme, struct err_detail *detail)
{
    struct signature_scheme scheme = {.hash = params->hash, .salt_len = params->salt_len};
    TRY(by_alg(key->alg, params->padding, &scheme, detail));
    enum signature_kind own = scheme.kind;
    if (params->signature != 0) {
        TRY(by_signature(params->signature, &scheme, detail));
        bool rsa = own == SIGNATURE_PKCS1 || own == SIGNATURE_PSS;
        if (rsa ? scheme.kind != SIGNATURE_PKCS1 && scheme.kind != SIGNATURE_PSS
                : scheme.kind != own)
            return err_set(detail, ERR_ARGUMENT, "the signature algorithm is not the key's");
    }
    if (scheme.hash == 0 && scheme.kind != SIGNATURE_ECDSA && scheme.kind != SIGNATURE_EDDSA)
        scheme.hash = HASH_SHA_256;
    if (scheme.kind == SIGNATURE_EDDSA)
        scheme.hash = 0;
    scheme.mask_hash = params->mask_hash != 0 ? params->mask_hash : scheme.hash;
    if (scheme.hash != 0 && hash_alg_size(scheme.hash) == 0)
        return err_set(detail, ERR_UNSUPPORTED, "hashing algorithm %u", scheme.hash);
    if (scheme.kind == SIGNATURE_PSS && hash_alg_size(scheme.mask_hash) == 0)
        return err_set(detail, ERR_UNSUPPORTED, "hashing algorithm %u", scheme.mask_hash);
    if (scheme.kind == SIGNATURE_PSS && scheme.salt_len < -1)
        return err_set(detail, ERR_ARGUMENT, "a salt of %d bytes", scheme.salt_len);
    *ret_scheme = scheme;
    return ERR_OK;
}

uint32_t signature_usual_hash(unsigned bits)
{
    return bits <= 256 ? HASH_SHA_256 : bits <= 384 ? HASH_SHA_384 : HASH_SHA_512;
}

#include "keeper/object.h"

/* Short names for a record's text; the numbers are KMIP's. */

static const char *const algs[] = {
    [ALG_DES] = "des",
    [ALG_DES3] = "3des",
    [ALG_AES] = "aes",
    [ALG_RSA] = "rsa",
    [ALG_DSA] = "dsa",
    [ALG_ECDSA] = "ecdsa",
    [ALG_HMAC_SHA1] = "hmac-sha1",
    [ALG_HMAC_SHA224] = "hmac-sha224",
    [ALG_HMAC_SHA256] = "hmac-sha256",
    [ALG_HMAC_SHA384] = "hmac-sha384",
    [ALG_HMAC_SHA512] = "hmac-sha512",
    [ALG_HMAC_MD5] = "hmac-md5",
    [ALG_DH] = "dh",
    [ALG_ECDH] = "ecdh",
    [ALG_CAMELLIA] = "camellia",
    [ALG_EC] = "ec",
    [ALG_CHACHA20] = "chacha20",
    [ALG_POLY1305] = "poly1305",
    [ALG_CHACHA20POLY1305] = "chacha20-poly1305",
    [ALG_HMAC_SHA3_224] = "hmac-sha3-224",
    [ALG_HMAC_SHA3_256] = "hmac-sha3-256",
    [ALG_HMAC_SHA3_384] = "hmac-sha3-384",
    [ALG_HMAC_SHA3_512] = "hmac-sha3-512",
    [ALG_ARIA] = "aria",
    [ALG_ED25519] = "ed25519",
    [ALG_ED448] = "ed448",
};

static const char *const modes[] = {
    [MODE_CBC] = "cbc",         [MODE_ECB] = "ecb",   [MODE_PCBC] = "pcbc",
    [MODE_CFB] = "cfb",         [MODE_OFB] = "ofb",   [MODE_CTR] = "ctr",
    [MODE_CMAC] = "cmac",       [MODE_CCM] = "ccm",   [MODE_GCM] = "gcm",
    [MODE_CBC_MAC] = "cbc-mac", [MODE_XTS] = "xts",   [MODE_AESKEYWRAPPADDING] = "kwp",
    [MODE_NISTKEYWRAP] = "kw",  [MODE_AEAD] = "aead",
};

static const char *const ops[] = {
    [CRYPTO_ENCRYPT] = "encrypt", [CRYPTO_DECRYPT] = "decrypt", [CRYPTO_SIGN] = "sign",
    [CRYPTO_VERIFY] = "verify",   [CRYPTO_MAC] = "mac",         [CRYPTO_MAC_VERIFY] = "mac-verify",
};

static const char *name_of(const char *const *names, size_t count, uint32_t number)
{
    return number < count && names[number] != NULL ? names[number] : "?";
}

const char *object_alg_name(uint32_t alg)
{
    return alg == 0 ? "secret" : name_of(algs, ARRAY_LEN(algs), alg);
}

const char *object_mode_name(uint32_t mode)
{
    return name_of(modes, ARRAY_LEN(modes), mode);
}

const char *object_op_name(uint32_t op)
{
    return name_of(ops, ARRAY_LEN(ops), op);
}

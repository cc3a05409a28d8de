#include "crypto/evp_tables.h"

#include <pthread.h>

#define HASHES (HASH_SHA3_512 + 1)

struct suite {
    uint32_t alg, mode;
    size_t key_len;
    const char *name;
};

#define THREE_SIZES(alg, mode, name, suffix)                                                       \
    {alg, mode, 16, name "-128-" suffix}, {alg, mode, 24, name "-192-" suffix},                    \
    {                                                                                              \
        alg, mode, 32, name "-256-" suffix                                                         \
    }
#define COMMON_MODES(alg, name)                                                                    \
    THREE_SIZES(alg, MODE_ECB, name, "ECB"), THREE_SIZES(alg, MODE_CBC, name, "CBC"),              \
        THREE_SIZES(alg, MODE_CFB, name, "CFB"), THREE_SIZES(alg, MODE_OFB, name, "OFB"),          \
        THREE_SIZES(alg, MODE_CTR, name, "CTR")

/* DES is EDE3 with one key three times: the default provider has no single DES. */
static const struct suite suites[] = {
    COMMON_MODES(ALG_AES, "AES"),
    THREE_SIZES(ALG_AES, MODE_GCM, "AES", "GCM"),
    THREE_SIZES(ALG_AES, MODE_CCM, "AES", "CCM"),
    {ALG_AES, MODE_XTS, 32, "AES-128-XTS"},
    {ALG_AES, MODE_XTS, 64, "AES-256-XTS"},
    {ALG_AES, MODE_NISTKEYWRAP, 16, "AES-128-WRAP"},
    {ALG_AES, MODE_NISTKEYWRAP, 24, "AES-192-WRAP"},
    {ALG_AES, MODE_NISTKEYWRAP, 32, "AES-256-WRAP"},
    {ALG_AES, MODE_AESKEYWRAPPADDING, 16, "AES-128-WRAP-PAD"},
    {ALG_AES, MODE_AESKEYWRAPPADDING, 24, "AES-192-WRAP-PAD"},
    {ALG_AES, MODE_AESKEYWRAPPADDING, 32, "AES-256-WRAP-PAD"},
    COMMON_MODES(ALG_CAMELLIA, "CAMELLIA"),
    COMMON_MODES(ALG_ARIA, "ARIA"),
    THREE_SIZES(ALG_ARIA, MODE_GCM, "ARIA", "GCM"),
    THREE_SIZES(ALG_ARIA, MODE_CCM, "ARIA", "CCM"),
    {ALG_DES3, MODE_ECB, 24, "DES-EDE3-ECB"},
    {ALG_DES3, MODE_CBC, 24, "DES-EDE3-CBC"},
    {ALG_DES3, MODE_CFB, 24, "DES-EDE3-CFB"},
    {ALG_DES3, MODE_OFB, 24, "DES-EDE3-OFB"},
    {ALG_CHACHA20, 0, 32, "ChaCha20"},
    {ALG_CHACHA20POLY1305, MODE_AEAD, 32, "ChaCha20-Poly1305"},
};

static const char *const hash_names[HASHES] = {
    [HASH_MD5] = "MD5",
    [HASH_SHA_1] = "SHA1",
    [HASH_SHA_224] = "SHA2-224",
    [HASH_SHA_256] = "SHA2-256",
    [HASH_SHA_384] = "SHA2-384",
    [HASH_SHA_512] = "SHA2-512",
    [HASH_RIPEMD_160] = "RIPEMD-160",
    [HASH_SHA_512_224] = "SHA2-512/224",
    [HASH_SHA_512_256] = "SHA2-512/256",
    [HASH_SHA3_224] = "SHA3-224",
    [HASH_SHA3_256] = "SHA3-256",
    [HASH_SHA3_384] = "SHA3-384",
    [HASH_SHA3_512] = "SHA3-512",
};

static struct {
    EVP_CIPHER *ciphers[ARRAY_LEN(suites)];
    EVP_MD *hashes[HASHES];
    EVP_MAC_CTX *hmacs[HASHES];
    EVP_MAC *cmac, *poly1305;
    EVP_KDF *pbkdf2;
} tables;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static EVP_MAC_CTX *hmac_template(EVP_MAC *hmac, const char *hash)
{
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)hash, 0),
        OSSL_PARAM_construct_end(),
    };
    if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) == 1)
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static void fetch(void)
{
    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        tables.ciphers[i] = EVP_CIPHER_fetch(NULL, suites[i].name, NULL);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    for (size_t i = 0; i < HASHES; i++) {
        if (hash_names[i] == NULL)
            continue;
        tables.hashes[i] = EVP_MD_fetch(NULL, hash_names[i], NULL);
        if (hmac != NULL && tables.hashes[i] != NULL)
            tables.hmacs[i] = hmac_template(hmac, hash_names[i]);
    }
    EVP_MAC_free(hmac);
    tables.cmac = EVP_MAC_fetch(NULL, "CMAC", NULL);
    tables.poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    tables.pbkdf2 = EVP_KDF_fetch(NULL, "PBKDF2", NULL);
    /* What a provider lacks is not served; nobody asks the queue why. */
    ERR_clear_error();
}

void evp_tables_fill(void)
{
    (void)pthread_once(&once, fetch);
}

const EVP_CIPHER *evp_cipher(uint32_t alg, uint32_t mode, size_t key_len)
{
    evp_tables_fill();
    if (alg == ALG_DES && key_len == 8)
        return evp_cipher(ALG_DES3, mode, 24);
    if (alg == ALG_DES3 && key_len == 16)
        return evp_cipher(ALG_DES3, mode, 24);
    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        if (suites[i].alg == alg && suites[i].mode == mode && suites[i].key_len == key_len)
            return tables.ciphers[i];
    return NULL;
}

const EVP_MD *evp_md(uint32_t hash)
{
    evp_tables_fill();
    return hash < HASHES ? tables.hashes[hash] : NULL;
}

const char *evp_md_name(uint32_t hash)
{
    return evp_md(hash) != NULL ? hash_names[hash] : NULL;
}

const EVP_MAC_CTX *evp_hmac(uint32_t hash)
{
    evp_tables_fill();
    return hash < HASHES ? tables.hmacs[hash] : NULL;
}

EVP_MAC *evp_cmac(void)
{
    evp_tables_fill();
    return tables.cmac;
}

EVP_MAC *evp_poly1305(void)
{
    evp_tables_fill();
    return tables.poly1305;
}

EVP_KDF *evp_pbkdf2(void)
{
    evp_tables_fill();
    return tables.pbkdf2;
}

uint32_t evp_hmac_hash(uint32_t alg)
{
    switch (alg) {
    case ALG_HMAC_MD5: return HASH_MD5;
    case ALG_HMAC_SHA1: return HASH_SHA_1;
    case ALG_HMAC_SHA224: return HASH_SHA_224;
    case ALG_HMAC_SHA256: return HASH_SHA_256;
    case ALG_HMAC_SHA384: return HASH_SHA_384;
    case ALG_HMAC_SHA512: return HASH_SHA_512;
    case ALG_HMAC_SHA3_224: return HASH_SHA3_224;
    case ALG_HMAC_SHA3_256: return HASH_SHA3_256;
    case ALG_HMAC_SHA3_384: return HASH_SHA3_384;
    case ALG_HMAC_SHA3_512: return HASH_SHA3_512;
    default: return 0;
    }
}

#include "crypto/rsa.h"

#include <stdlib.h>

#include "crypto/pem_secret.h"
#include "crypto/pkey.h"
#include "crypto/rsa_key.h"

struct rsa_private {
    EVP_PKEY *pkey;
    struct rsa_public *public;
};

static void bn_freep(BIGNUM **number)
{
    BN_clear_free(*number);
}

/* Takes `*pkey` on success. */
static enum err adopt(EVP_PKEY **pkey, struct rsa_private **ret_key, struct err_detail *detail)
{
    AUTO(rsa_private_freep) struct rsa_private *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_NO_MEMORY;
    AUTO(bn_freep) BIGNUM *n = NULL;
    AUTO(bn_freep) BIGNUM *e = NULL;
    uint8_t modulus[RSA_BYTES_MAX];
    uint8_t exponent[8];
    if (EVP_PKEY_get_bn_param(*pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(*pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
        return evp_fail(detail, ERR_CRYPTO, "RSA key");
    if (BN_num_bytes(n) > (int)sizeof modulus || BN_num_bytes(e) > (int)sizeof exponent)
        return err_set(detail, ERR_LIMIT, "RSA key is larger than %d bits", RSA_BITS_MAX);
    struct bytes n_view = bytes_of(modulus, (size_t)BN_bn2bin(n, modulus));
    struct bytes e_view = bytes_of(exponent, (size_t)BN_bn2bin(e, exponent));
    TRY(rsa_public_from_parts(n_view, e_view, &key->public, detail));
    key->pkey = TAKE(*pkey);
    *ret_key = TAKE(key);
    return ERR_OK;
}

enum err rsa_private_generate(unsigned bits, struct rsa_private **ret_key,
                              struct err_detail *detail)
{
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || bits % 8 != 0)
        return err_set(detail, ERR_LIMIT, "%u bits, RSA keys have %d to %d", bits, RSA_BITS_MIN,
                       RSA_BITS_MAX);
    AUTO(pkey_freep) EVP_PKEY *pkey = EVP_RSA_gen(bits);
    if (pkey == NULL)
        return evp_fail(detail, ERR_CRYPTO, "RSA key generation");
    return adopt(&pkey, ret_key, detail);
}

/* A key with a third prime has no CKA_ of a token for it. */
static bool has_third_prime(EVP_PKEY *pkey)
{
    AUTO(bn_freep) BIGNUM *r = NULL;
    return EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR3, &r) == 1;
}

static enum err check_private(EVP_PKEY *pkey, struct err_detail *detail)
{
    if (EVP_PKEY_is_a(pkey, "RSA") != 1)
        return err_set(detail, ERR_UNSUPPORTED, "private key is not an RSA key");
    int bits = EVP_PKEY_get_bits(pkey);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        return err_set(detail, ERR_LIMIT, "RSA key of %d bits, allowed are %d to %d", bits,
                       RSA_BITS_MIN, RSA_BITS_MAX);
    if (has_third_prime(pkey))
        return err_set(detail, ERR_UNSUPPORTED, "RSA key with more than two primes");
    ERR_clear_error();
    /* A key whose numbers don't belong together would sign and leak its factors. */
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    int good = ctx != NULL ? EVP_PKEY_pairwise_check(ctx) : 0;
    EVP_PKEY_CTX_free(ctx);
    return good == 1 ? ERR_OK : evp_fail(detail, ERR_SYNTAX, "RSA key is not consistent");
}

enum err rsa_private_from_pem(struct bytes pem, struct bytes passphrase,
                              struct rsa_private **ret_key, struct err_detail *detail)
{
    if (pem.len > RSA_PEM_MAX)
        return err_set(detail, ERR_LIMIT, "private key file is larger than %zu bytes", RSA_PEM_MAX);
    AUTO(pkey_freep) EVP_PKEY *pkey = NULL;
    TRY(pkey_from_pem(pem, passphrase, &pkey, detail));
    TRY(check_private(pkey, detail));
    return adopt(&pkey, ret_key, detail);
}

void rsa_private_free(struct rsa_private *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    rsa_public_free(key->public);
    free(key);
}

void rsa_private_freep(struct rsa_private **key)
{
    rsa_private_free(*key);
}

const struct rsa_public *rsa_private_public(const struct rsa_private *key)
{
    return key->public;
}

enum err rsa_private_parts(const struct rsa_private *key, struct rsa_parts *ret_parts)
{
    static const char *const names[] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    AUTO(secret_freep) struct secret *all = NULL;
    TRY(secret_new(ARRAY_LEN(names) * RSA_BYTES_MAX, &all));
    struct bytes views[ARRAY_LEN(names)];
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(bn_freep) BIGNUM *number = NULL;
        if (EVP_PKEY_get_bn_param(key->pkey, names[i], &number) != 1 ||
            BN_num_bytes(number) > RSA_BYTES_MAX)
            return evp_fail(NULL, ERR_CRYPTO, "RSA key parts");
        uint8_t *to = secret_data(all) + at;
        views[i] = bytes_of(to, (size_t)BN_bn2bin(number, to));
        at += views[i].len;
    }
    *ret_parts = (struct rsa_parts){views[0], views[1], views[2], views[3], views[4],
                                    views[5], views[6], views[7], TAKE(all)};
    return ERR_OK;
}

void rsa_parts_done(struct rsa_parts *parts)
{
    secret_free(parts->all);
    *parts = (struct rsa_parts){0};
}

enum err rsa_private_pkcs8(const struct rsa_private *key, struct secret **ret_der)
{
    return pkey_pkcs8(key->pkey, ret_der);
}

enum err rsa_private_to_pem(const struct rsa_private *key, struct secret **ret_pem)
{
    AUTO(secret_freep) struct secret *der = NULL;
    TRY(rsa_private_pkcs8(key, &der));
    return pem_encode_secret("PRIVATE KEY", secret_view(der), ret_pem);
}

enum err rsa_oaep_decrypt(const struct rsa_private *key, enum oaep_hash hash, struct bytes sealed,
                          struct secret **ret_plain)
{
    size_t size = rsa_public_size(key->public);
    if (sealed.len != size)
        return ERR_DECRYPT;
    AUTO(secret_freep) struct secret *plain = NULL;
    TRY(secret_new(size, &plain));
    EVP_PKEY_CTX *ctx = rsa_oaep_ctx(key->pkey, EVP_PKEY_decrypt_init, hash);
    if (ctx == NULL)
        return evp_fail(NULL, ERR_CRYPTO, "RSA-OAEP");
    size_t got = size;
    int good = EVP_PKEY_decrypt(ctx, secret_data(plain), &got, sealed.data, sealed.len);
    EVP_PKEY_CTX_free(ctx);
    if (good != 1)
        return evp_fail(NULL, ERR_DECRYPT, "RSA-OAEP");
    secret_shrink(plain, got);
    *ret_plain = TAKE(plain);
    return ERR_OK;
}

enum err rsa_sign_sha256(const struct rsa_private *key, const uint8_t digest[32], struct buf *to,
                         struct err_detail *detail)
{
    size_t got = rsa_public_size(key->public);
    TRY(buf_reserve(to, got));
    EVP_PKEY_CTX *ctx = rsa_signature_ctx(key->pkey, EVP_PKEY_sign_init);
    int good =
        ctx != NULL ? EVP_PKEY_sign(ctx, to->data + to->len, &got, digest, HASH_SHA256_SIZE) : 0;
    EVP_PKEY_CTX_free(ctx);
    if (good != 1)
        return evp_fail(detail, ERR_CRYPTO, "RSA signature");
    to->len += got;
    return ERR_OK;
}

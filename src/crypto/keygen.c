#include "crypto/keygen.h"

#include "crypto/curves.h"
#include "crypto/des.h"
#include "crypto/hash_alg.h"
#include "crypto/keyform.h"
#include "crypto/keygen_draw.h"
#include "crypto/pkey.h"
#include "crypto/x931.h"
#include "crypto/evp_tables.h"

#define DES_TRIES 100

static enum err bad_bits(uint32_t alg, uint32_t bits, struct err_detail *detail)
{
    return err_set(detail, ERR_ARGUMENT, "algorithm %u has no keys of %u bits", alg, bits);
}

/* Ciphers whose keys are made and kept for others: nothing here encrypts with them. */
static const struct foreign {
    uint32_t alg, bits_min, bits_max, step, usual;
} foreign[] = {
    {ALG_BLOWFISH, 32, 448, 8, 128},  {ALG_CAST5, 40, 128, 8, 128},
    {ALG_IDEA, 128, 128, 8, 128},     {ALG_MARS, 128, 448, 32, 256},
    {ALG_RC2, 8, 1024, 8, 128},       {ALG_RC4, 40, 2048, 8, 128},
    {ALG_RC5, 8, 2040, 8, 128},       {ALG_SKIPJACK, 80, 80, 8, 80},
    {ALG_TWOFISH, 128, 256, 64, 256}, {ALG_ONE_TIME_PAD, 8, KEYGEN_BYTES_MAX * 8, 8, 256},
};

static const struct foreign *find_foreign(uint32_t alg)
{
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        if (foreign[i].alg == alg)
            return &foreign[i];
    }
    return NULL;
}

static uint32_t foreign_bits(const struct foreign *f, uint32_t bits)
{
    if (bits == 0)
        return f->usual;
    const bool fits = bits >= f->bits_min && bits <= f->bits_max && bits % f->step == 0;
    return fits ? bits : 0;
}

/* The bits asked for as bits of bytes; 0 where the algorithm has no such key. */
static uint32_t real_bits(uint32_t alg, uint32_t bits)
{
    bool common = bits == 128 || bits == 192 || bits == 256;
    switch (alg) {
    case ALG_AES: /* 512: both keys of XTS */
        return bits == 0 ? 256 : common || bits == 512 ? bits : 0;
    case ALG_CAMELLIA:
    case ALG_ARIA: return bits == 0 ? 256 : common ? bits : 0;
    case ALG_DES: return bits == 0 || bits == 56 || bits == 64 ? 64 : 0;
    case ALG_DES3:
        return bits == 0 || bits == 168 || bits == 192 ? 192 : bits == 112 || bits == 128 ? 128 : 0;
    case ALG_CHACHA20:
    case ALG_CHACHA20POLY1305:
    case ALG_POLY1305: return bits == 0 || bits == 256 ? 256 : 0;
    default: break;
    }
    const struct foreign *f = find_foreign(alg);
    if (f != NULL)
        return foreign_bits(f, bits);
    uint32_t hash = evp_hmac_hash(alg);
    if (bits == 0)
        return hash != 0 ? (uint32_t)hash_alg_size(hash) * 8 : 256;
    return bits % 8 == 0 && bits / 8 <= KEYGEN_BYTES_MAX ? bits : 0;
}

static bool is_symmetric(uint32_t alg)
{
    return alg == 0 || alg == ALG_AES || alg == ALG_CAMELLIA || alg == ALG_ARIA || alg == ALG_DES ||
           alg == ALG_DES3 || alg == ALG_CHACHA20 || alg == ALG_CHACHA20POLY1305 ||
           alg == ALG_POLY1305 || find_foreign(alg) != NULL || evp_hmac_hash(alg) != 0;
}

enum err keygen_len(uint32_t alg, uint32_t bits, size_t *ret_len, struct err_detail *detail)
{
    if (!is_symmetric(alg))
        return err_set(detail, ERR_UNSUPPORTED, "algorithm %u has no symmetric keys here", alg);
    uint32_t real = real_bits(alg, bits);
    if (real == 0)
        return bad_bits(alg, bits, detail);
    *ret_len = real / 8;
    return ERR_OK;
}

enum err keygen_check(uint32_t alg, struct bytes material, uint32_t *ret_bits,
                      struct err_detail *detail)
{
    if (!is_symmetric(alg))
        return err_set(detail, ERR_UNSUPPORTED, "algorithm %u has no symmetric keys here", alg);
    if (material.len == 0 || material.len > KEYGEN_BYTES_MAX)
        return err_set(detail, ERR_KEY_FORM, "a key of %zu bytes", material.len);
    uint32_t bits = (uint32_t)material.len * 8;
    if (real_bits(alg, bits) != bits)
        return err_set(detail, ERR_KEY_FORM, "algorithm %u has no keys of %u bits", alg, bits);
    *ret_bits = bits;
    return ERR_OK;
}

enum err keygen_symmetric(uint32_t alg, uint32_t bits, struct secret **ret_key,
                          struct err_detail *detail)
{
    size_t len = 0;
    TRY(keygen_len(alg, bits, &len, detail));
    bool des = alg == ALG_DES || alg == ALG_DES3;
    for (int i = 0; i < DES_TRIES; i++) {
        AUTO(secret_freep) struct secret *key = NULL;
        TRY(x931_secret(len, &key));
        if (des)
            des_parity_set(secret_data(key), len);
        if (des && !des_parts_good(secret_view(key)))
            continue;
        *ret_key = TAKE(key);
        return ERR_OK;
    }
    return err_set(detail, ERR_CRYPTO, "the random generator gives weak keys only");
}

uint32_t keygen_curve_bits(uint32_t curve)
{
    if (curve == CURVE_CURVE25519)
        return 256;
    if (curve == CURVE_CURVE448)
        return 448;
    const struct curve_row *row = curve_by_number(curve);
    return row != NULL ? row->bits : 0;
}

uint32_t keygen_curve_of_bits(uint32_t bits)
{
    const struct curve_row *row = curve_by_bits(bits);
    return row != NULL ? row->curve : 0;
}

static bool is_ec(uint32_t alg)
{
    return alg == ALG_EC || alg == ALG_ECDSA || alg == ALG_ECDH;
}

/* The curve that is meant; 0 for none. */
static uint32_t curve_of(const struct keygen_pair *pair)
{
    if (pair->curve != 0)
        return pair->curve;
    return keygen_curve_of_bits(pair->bits != 0 ? pair->bits : 256);
}

static enum err check_ec(const struct keygen_pair *pair, struct err_detail *detail)
{
    uint32_t curve = curve_of(pair);
    uint32_t bits = keygen_curve_bits(curve);
    if (bits == 0)
        return err_set(detail, ERR_UNSUPPORTED, "no curve %u of %u bits here", pair->curve,
                       pair->bits);
    bool montgomery = curve == CURVE_CURVE25519 || curve == CURVE_CURVE448;
    if (montgomery && pair->alg == ALG_ECDSA)
        return err_set(detail, ERR_ARGUMENT, "this curve agrees keys only");
    if (pair->bits != 0 && pair->bits != bits)
        return bad_bits(pair->alg, pair->bits, detail);
    return ERR_OK;
}

static enum err check_rsa(const struct keygen_pair *pair, struct err_detail *detail)
{
    uint32_t bits = pair->bits != 0 ? pair->bits : 2048;
    if (bits < KEYGEN_RSA_BITS_MIN || bits > KEYGEN_RSA_BITS_MAX || bits % 256 != 0)
        return bad_bits(ALG_RSA, bits, detail);
    uint64_t e = pair->exponent;
    if (e != 0 && (e < 3 || e % 2 == 0))
        return err_set(detail, ERR_ARGUMENT, "the public exponent is even or below 3");
    return ERR_OK;
}

enum err keygen_pair_check(const struct keygen_pair *pair, struct err_detail *detail)
{
    if (is_ec(pair->alg))
        return check_ec(pair, detail);
    uint32_t bits = pair->bits;
    switch (pair->alg) {
    case ALG_RSA: return check_rsa(pair, detail);
    case ALG_ED25519: return bits == 0 || bits == 256 ? ERR_OK : bad_bits(pair->alg, bits, detail);
    case ALG_ED448:
        return bits == 0 || bits == 456 || bits == 448 ? ERR_OK : bad_bits(pair->alg, bits, detail);
    case ALG_DSA:
        return bits == 0 || bits == 1024 || bits == 2048 || bits == 3072
                   ? ERR_OK
                   : bad_bits(pair->alg, bits, detail);
    case ALG_DH:
        return bits == 0 || bits == 2048 || bits == 3072 || bits == 4096
                   ? ERR_OK
                   : bad_bits(pair->alg, bits, detail);
    default:
        return err_set(detail, ERR_UNSUPPORTED, "algorithm %u has no key pairs here", pair->alg);
    }
}

static EVP_PKEY *generate_with(const char *type, const OSSL_PARAM *params)
{
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
        (params != NULL && EVP_PKEY_CTX_set_params(ctx, params) != 1) ||
        EVP_PKEY_generate(ctx, &pkey) != 1)
        return NULL;
    return pkey;
}

static EVP_PKEY *generate_named(const char *type, const char *group)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
        OSSL_PARAM_construct_end(),
    };
    return generate_with(type, params);
}

/* FIPS 186-4, A.1 and A.2: new domain parameters each time, which takes a second or two. */
static EVP_PKEY *generate_dsa(uint32_t bits)
{
    AUTO(pkey_freep) EVP_PKEY *domain = NULL;
    unsigned p_bits = bits != 0 ? bits : 2048;
    unsigned q_bits = p_bits == 1024 ? 160 : 256;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_FFC_PBITS, &p_bits),
        OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_FFC_QBITS, &q_bits),
        OSSL_PARAM_construct_end(),
    };
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *outer = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    if (outer == NULL || EVP_PKEY_paramgen_init(outer) != 1 ||
        EVP_PKEY_CTX_set_params(outer, params) != 1 || EVP_PKEY_generate(outer, &domain) != 1)
        return NULL;
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, domain, NULL);
    EVP_PKEY *pkey = NULL;
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_generate(ctx, &pkey) != 1)
        return NULL;
    return pkey;
}

/* RFC 7919 */
static EVP_PKEY *generate_dh(uint32_t bits)
{
    return generate_named("DH", bits == 4096   ? "ffdhe4096"
                                : bits == 3072 ? "ffdhe3072"
                                               : "ffdhe2048");
}

/* Algorithms with domain parameters: OpenSSL draws. */
static enum err generate(const struct keygen_pair *pair, struct secret **ret_pkcs8,
                         struct err_detail *detail)
{
    AUTO(pkey_freep)
    EVP_PKEY *pkey = pair->alg == ALG_DSA ? generate_dsa(pair->bits) : generate_dh(pair->bits);
    AUTO(secret_freep) struct secret *made = NULL;
    if (pkey == NULL)
        return evp_fail(detail, ERR_CRYPTO, "key generation");
    struct keyform_info info;
    TRY(pkey_pkcs8(pkey, &made));
    /* Rewritten as all keys are; that is a check of what was made as well. */
    return keyform_private_in(FORMAT_PKCS8, pair->alg, 0, secret_view(made), ret_pkcs8, &info,
                              detail);
}

enum err keygen_pair(const struct keygen_pair *pair, struct secret **ret_pkcs8, struct buf *spki,
                     struct err_detail *detail)
{
    TRY(keygen_pair_check(pair, detail));
    AUTO(secret_freep) struct secret *pkcs8 = NULL;
    bool parameters = pair->alg == ALG_DSA || pair->alg == ALG_DH;
    TRY(parameters ? generate(pair, &pkcs8, detail)
                   : keygen_draw(pair, is_ec(pair->alg) ? curve_of(pair) : 0, &pkcs8, detail));
    TRY(keyform_public_of(secret_view(pkcs8), spki, detail));
    *ret_pkcs8 = TAKE(pkcs8);
    return ERR_OK;
}

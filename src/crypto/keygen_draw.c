#include "crypto/keygen_draw.h"

#include "crypto/bn.h"
#include "crypto/curves.h"
#include "crypto/x931.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#define PRIME_TRIES 20000 /* of candidates with 2048 bits about one in 700 is prime */

/* A candidate: odd, and with its two highest bits set, so that the product of two has all its bits.
 */
static BIGNUM *draw_candidate(unsigned bits)
{
    AUTO(secret_freep) struct secret *drawn = NULL;
    if (x931_secret(bits / 8, &drawn) != ERR_OK)
        return NULL;
    secret_data(drawn)[0] |= 0xc0;
    secret_data(drawn)[bits / 8 - 1] |= 1;
    return bn_of(secret_view(drawn));
}

/* Is p - 1 prime to e, and p a prime? */
static bool fits(const BIGNUM *p, const BIGNUM *e, BN_CTX *ctx)
{
    AUTO(bn_freep) BIGNUM *less = bn_new();
    AUTO(bn_freep) BIGNUM *gcd = bn_new();
    return less != NULL && gcd != NULL && BN_sub(less, p, BN_value_one()) == 1 &&
           BN_gcd(gcd, less, e, ctx) == 1 && BN_is_one(gcd) && BN_check_prime(p, ctx, NULL) == 1;
}

/* |p - q| > 2^(bits - 100) */
static bool far_apart(const BIGNUM *p, const BIGNUM *q, unsigned bits)
{
    AUTO(bn_freep) BIGNUM *apart = bn_new();
    return apart != NULL && BN_sub(apart, p, q) == 1 && (unsigned)BN_num_bits(apart) > bits - 100;
}

static BIGNUM *draw_prime(unsigned bits, const BIGNUM *e, const BIGNUM *other, BN_CTX *ctx)
{
    for (unsigned i = 0; i < PRIME_TRIES; i++) {
        AUTO(bn_freep) BIGNUM *candidate = draw_candidate(bits);
        if (candidate == NULL)
            return NULL;
        if (fits(candidate, e, ctx) && (other == NULL || far_apart(candidate, other, bits)))
            return TAKE(candidate);
    }
    return NULL;
}

static enum err number_bytes(const BIGNUM *number, struct secret **ret_bytes)
{
    AUTO(secret_freep) struct secret *bytes = NULL;
    TRY(secret_new((size_t)BN_num_bytes(number), &bytes));
    (void)BN_bn2bin(number, secret_data(bytes));
    *ret_bytes = TAKE(bytes);
    return ERR_OK;
}

static enum err draw_rsa(const struct keygen_pair *pair, struct secret **ret_pkcs8,
                         struct err_detail *detail)
{
    unsigned bits = (pair->bits != 0 ? pair->bits : 2048) / 2;
    uint8_t exponent[8];
    be64_store(exponent, pair->exponent != 0 ? pair->exponent : 65537);
    AUTO(bn_ctx_freep) BN_CTX *ctx = BN_CTX_secure_new();
    AUTO(bn_freep) BIGNUM *e = bn_of(BYTES(exponent));
    AUTO(bn_freep) BIGNUM *n = bn_new();
    if (ctx == NULL || e == NULL || n == NULL)
        return ERR_NO_MEMORY;
    AUTO(bn_freep) BIGNUM *p = draw_prime(bits, e, NULL, ctx);
    AUTO(bn_freep) BIGNUM *q = p != NULL ? draw_prime(bits, e, p, ctx) : NULL;
    if (q == NULL || BN_mul(n, p, q, ctx) != 1)
        return evp_fail(detail, ERR_CRYPTO, "RSA key generation");
    AUTO(secret_freep) struct secret *modulus = NULL;
    AUTO(secret_freep) struct secret *p_bytes = NULL;
    AUTO(secret_freep) struct secret *q_bytes = NULL;
    TRY(number_bytes(n, &modulus));
    TRY(number_bytes(p, &p_bytes));
    TRY(number_bytes(q, &q_bytes));
    const struct keyform_parts parts = {.alg = ALG_RSA,
                                        .modulus = secret_view(modulus),
                                        .public_exponent = BYTES(exponent),
                                        .p = secret_view(p_bytes),
                                        .q = secret_view(q_bytes)};
    struct keyform_info info;
    return keyform_private_of_parts(&parts, ret_pkcs8, &info, detail);
}

/* d = c mod (n - 1) + 1, with 64 bits more than the order has. */
static enum err draw_ec(uint32_t curve, struct secret **ret_pkcs8, struct err_detail *detail)
{
    const struct curve_row *row = curve_by_number(curve);
    EC_GROUP *group = row != NULL ? EC_GROUP_new_by_curve_name(OBJ_txt2nid(row->name)) : NULL;
    if (group == NULL)
        return evp_fail(detail, ERR_UNSUPPORTED, "curve");
    AUTO(bn_ctx_freep) BN_CTX *ctx = BN_CTX_secure_new();
    AUTO(bn_freep) BIGNUM *order = bn_new();
    bool good = ctx != NULL && order != NULL && EC_GROUP_get_order(group, order, ctx) == 1;
    EC_GROUP_free(group);
    if (!good)
        return evp_fail(detail, ERR_CRYPTO, "order of a curve");
    size_t len = (size_t)BN_num_bytes(order);
    AUTO(secret_freep) struct secret *drawn = NULL;
    AUTO(secret_freep) struct secret *d_bytes = NULL;
    TRY(x931_secret(len + 8, &drawn));
    AUTO(bn_freep) BIGNUM *c = bn_of(secret_view(drawn));
    AUTO(bn_freep) BIGNUM *d = bn_new();
    if (c == NULL || d == NULL || BN_sub_word(order, 1) != 1 || BN_mod(d, c, order, ctx) != 1 ||
        BN_add_word(d, 1) != 1)
        return evp_fail(detail, ERR_CRYPTO, "EC key generation");
    TRY(secret_new(len, &d_bytes));
    if (BN_bn2binpad(d, secret_data(d_bytes), (int)len) != (int)len)
        return evp_fail(detail, ERR_CRYPTO, "EC key generation");
    const struct keyform_parts parts = {.alg = ALG_EC, .curve = curve, .d = secret_view(d_bytes)};
    struct keyform_info info;
    return keyform_private_of_parts(&parts, ret_pkcs8, &info, detail);
}

static enum err draw_raw(uint32_t alg, uint32_t curve, size_t len, struct secret **ret_pkcs8,
                         struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *drawn = NULL;
    TRY(x931_secret(len, &drawn));
    struct keyform_info info;
    return keyform_private_in(FORMAT_RAW, alg, curve, secret_view(drawn), ret_pkcs8, &info, detail);
}

enum err keygen_draw(const struct keygen_pair *pair, uint32_t curve, struct secret **ret_pkcs8,
                     struct err_detail *detail)
{
    switch (pair->alg) {
    case ALG_RSA: return draw_rsa(pair, ret_pkcs8, detail);
    case ALG_ED25519: return draw_raw(ALG_ED25519, 0, 32, ret_pkcs8, detail);
    case ALG_ED448: return draw_raw(ALG_ED448, 0, 57, ret_pkcs8, detail);
    case ALG_EC:
    case ALG_ECDSA:
    case ALG_ECDH: break;
    default: return ERR_UNSUPPORTED;
    }
    if (curve == CURVE_CURVE25519)
        return draw_raw(ALG_ECDH, curve, 32, ret_pkcs8, detail);
    if (curve == CURVE_CURVE448)
        return draw_raw(ALG_ECDH, curve, 56, ret_pkcs8, detail);
    return draw_ec(curve, ret_pkcs8, detail);
}

#include "crypto/keyform_rsa.h"

#include "crypto/evp.h"
#include "crypto/keygen.h"

#define EXPONENT_BYTES_MAX 8
#define FACTOR_TRIES       100

struct rsa {
    BIGNUM *n, *e, *d, *p, *q, *dp, *dq, *qi;
    BIGNUM *p1, *q1; /* less one */
    BN_CTX *ctx;
};

static void rsa_done(struct rsa *k)
{
    BIGNUM **all[] = {&k->n, &k->e, &k->d, &k->p, &k->q, &k->dp, &k->dq, &k->qi, &k->p1, &k->q1};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        bn_freep(all[i]);
    bn_ctx_freep(&k->ctx);
}

static enum err wrong(struct err_detail *detail, const char *what)
{
    ERR_clear_error();
    return err_set(detail, ERR_KEY_FORM, "RSA key: %s", what);
}

static enum err failed(struct err_detail *detail)
{
    return evp_fail(detail, ERR_CRYPTO, "RSA key");
}

static enum err check_public(const struct rsa *k, struct err_detail *detail)
{
    int bits = BN_num_bits(k->n);
    if (bits < KEYGEN_RSA_BITS_MIN || bits > KEYFORM_RSA_BITS_MAX)
        return err_set(detail, ERR_LIMIT, "RSA modulus of %d bits, allowed are %d to %d", bits,
                       KEYGEN_RSA_BITS_MIN, KEYFORM_RSA_BITS_MAX);
    if (!BN_is_odd(k->n))
        return wrong(detail, "the modulus is even");
    if (!BN_is_odd(k->e) || BN_is_one(k->e) || BN_num_bytes(k->e) > EXPONENT_BYTES_MAX)
        return wrong(detail, "the exponent is even, below 3 or above 64 bits");
    return ERR_OK;
}

/* Does `base` lead to a factor? SP 800-56B, appendix C: with d*e - 1 = 2^t * r, a square root of
 * one that is not +-1 splits the modulus. */
static int try_factor(struct rsa *k, const BIGNUM *r, int t, unsigned long base)
{
    AUTO(bn_freep) BIGNUM *x = bn_new();
    AUTO(bn_freep) BIGNUM *y = bn_new();
    AUTO(bn_freep) BIGNUM *top = bn_new();
    if (x == NULL || y == NULL || top == NULL || BN_copy(top, k->n) == NULL ||
        BN_sub_word(top, 1) != 1 || BN_set_word(x, base) != 1 ||
        BN_mod_exp_mont_consttime(x, x, r, k->n, k->ctx, NULL) != 1)
        return -1;
    if (BN_is_one(x) || BN_cmp(x, top) == 0)
        return 0;
    for (int i = 0; i < t; i++) {
        if (BN_mod_sqr(y, x, k->n, k->ctx) != 1)
            return -1;
        if (BN_is_one(y)) {
            if (BN_sub_word(x, 1) != 1 || BN_gcd(k->p, x, k->n, k->ctx) != 1)
                return -1;
            return BN_is_one(k->p) ? 0 : 1;
        }
        if (BN_cmp(y, top) == 0)
            return 0;
        BN_swap(x, y);
    }
    return 0;
}

static enum err find_factors(struct rsa *k, struct err_detail *detail)
{
    AUTO(bn_freep) BIGNUM *r = bn_new();
    if (r == NULL || BN_mul(r, k->d, k->e, k->ctx) != 1 || BN_sub_word(r, 1) != 1)
        return failed(detail);
    if (BN_is_zero(r) || BN_is_odd(r))
        return wrong(detail, "the exponents don't belong together");
    int t = 0;
    while (!BN_is_bit_set(r, t))
        t++;
    if (BN_rshift(r, r, t) != 1)
        return failed(detail);
    for (unsigned long base = 2; base < 2 + FACTOR_TRIES; base++) {
        int found = try_factor(k, r, t, base);
        if (found < 0)
            return failed(detail);
        if (found == 0)
            continue;
        BN_set_flags(k->p, BN_FLG_CONSTTIME);
        return BN_div(k->q, NULL, k->n, k->p, k->ctx) == 1 ? ERR_OK : failed(detail);
    }
    return wrong(detail, "the exponents don't belong to the modulus");
}

/* The primes, from what is there. */
static enum err settle_primes(struct rsa *k, struct err_detail *detail)
{
    if (BN_is_zero(k->p) != BN_is_zero(k->q) && !BN_is_zero(k->n)) {
        BIGNUM *known = BN_is_zero(k->p) ? k->q : k->p;
        BIGNUM *other = BN_is_zero(k->p) ? k->p : k->q;
        if (BN_div(other, NULL, k->n, known, k->ctx) != 1)
            return failed(detail);
    }
    if (BN_is_zero(k->p) || BN_is_zero(k->q)) {
        if (BN_is_zero(k->n) || BN_is_zero(k->d))
            return wrong(detail, "neither the primes nor the private exponent");
        if (BN_is_zero(k->e) && BN_set_word(k->e, 65537) != 1)
            return failed(detail);
        TRY(check_public(k, detail));
        if (BN_cmp(k->d, k->n) >= 0)
            return wrong(detail, "the private exponent is not below the modulus");
        TRY(find_factors(k, detail));
    }
    if (BN_is_one(k->p) || BN_is_one(k->q))
        return wrong(detail, "a prime is one");
    AUTO(bn_freep) BIGNUM *product = bn_new();
    if (product == NULL || BN_mul(product, k->p, k->q, k->ctx) != 1)
        return failed(detail);
    if (BN_is_zero(k->n) && BN_copy(k->n, product) == NULL)
        return failed(detail);
    if (BN_cmp(product, k->n) != 0)
        return wrong(detail, "the primes are not those of the modulus");
    if (BN_cmp(k->p, k->q) == 0)
        return wrong(detail, "both primes are the same");
    return ERR_OK;
}

/* lcm(p - 1, q - 1); RFC 8017, 3.1. */
static bool carmichael(const struct rsa *k, BIGNUM *to)
{
    AUTO(bn_freep) BIGNUM *gcd = bn_new();
    return gcd != NULL && BN_mul(to, k->p1, k->q1, k->ctx) == 1 &&
           BN_gcd(gcd, k->p1, k->q1, k->ctx) == 1 && BN_div(to, NULL, to, gcd, k->ctx) == 1;
}

static enum err settle_exponents(struct rsa *k, struct err_detail *detail)
{
    AUTO(bn_freep) BIGNUM *lambda = bn_new();
    AUTO(bn_freep) BIGNUM *t = bn_new();
    if (lambda == NULL || t == NULL || BN_copy(k->p1, k->p) == NULL ||
        BN_copy(k->q1, k->q) == NULL || BN_sub_word(k->p1, 1) != 1 || BN_sub_word(k->q1, 1) != 1 ||
        !carmichael(k, lambda))
        return failed(detail);
    BN_set_flags(lambda, BN_FLG_CONSTTIME);
    if (BN_is_zero(k->e)) {
        /* Small as it is, it comes out of the private one whichever way that was made. */
        if (!BN_is_zero(k->d) ? BN_mod_inverse(k->e, k->d, lambda, k->ctx) == NULL
                              : BN_set_word(k->e, 65537) != 1)
            return wrong(detail, "no public exponent");
    }
    TRY(check_public(k, detail));
    if (BN_is_zero(k->d) && BN_mod_inverse(k->d, k->e, lambda, k->ctx) == NULL)
        return wrong(detail, "the exponent does not go with the primes");
    if (BN_cmp(k->d, k->n) >= 0)
        return wrong(detail, "the private exponent is not below the modulus");
    if (BN_mod_mul(t, k->d, k->e, lambda, k->ctx) != 1 || !BN_is_one(t))
        return wrong(detail, "the exponents don't belong together");
    return ERR_OK;
}

static bool same_or_none(struct bytes given, const BIGNUM *number)
{
    AUTO(bn_freep) BIGNUM *there = bn_of(given);
    return there != NULL && (BN_is_zero(there) || BN_cmp(there, number) == 0);
}

static enum err settle_rest(struct rsa *k, const struct keyform_parts *in,
                            struct err_detail *detail)
{
    if (BN_div(NULL, k->dp, k->d, k->p1, k->ctx) != 1 ||
        BN_div(NULL, k->dq, k->d, k->q1, k->ctx) != 1 ||
        BN_mod_inverse(k->qi, k->q, k->p, k->ctx) == NULL)
        return wrong(detail, "the numbers don't belong together");
    if (!same_or_none(in->prime_exponent_p, k->dp) || !same_or_none(in->prime_exponent_q, k->dq) ||
        !same_or_none(in->crt_coefficient, k->qi))
        return wrong(detail, "the numbers don't belong together");
    /* Last, because it takes longest. */
    if (BN_check_prime(k->p, k->ctx, NULL) != 1 || BN_check_prime(k->q, k->ctx, NULL) != 1)
        return wrong(detail, "a prime is none");
    return ERR_OK;
}

static bool put_all(struct keyform_room *room, const struct rsa *k, bool private,
                    struct keyform_parts *full)
{
    return keyform_put(room, k->n, 0, &full->modulus) &&
           keyform_put(room, k->e, 0, &full->public_exponent) &&
           (!private ||
            (keyform_put(room, k->d, 0, &full->private_exponent) &&
             keyform_put(room, k->p, 0, &full->p) && keyform_put(room, k->q, 0, &full->q) &&
             keyform_put(room, k->dp, 0, &full->prime_exponent_p) &&
             keyform_put(room, k->dq, 0, &full->prime_exponent_q) &&
             keyform_put(room, k->qi, 0, &full->crt_coefficient)));
}

enum err keyform_complete_rsa(const struct keyform_parts *in, bool private,
                              struct keyform_room *room, struct keyform_parts *full,
                              struct keyform_info *info, struct err_detail *detail)
{
    AUTO(rsa_done)
    struct rsa k = {bn_of(in->modulus),
                    bn_of(in->public_exponent),
                    bn_of(in->private_exponent),
                    bn_of(in->p),
                    bn_of(in->q),
                    bn_new(),
                    bn_new(),
                    bn_new(),
                    bn_new(),
                    bn_new(),
                    BN_CTX_secure_new()};
    if (k.n == NULL || k.e == NULL || k.d == NULL || k.p == NULL || k.q == NULL || k.dp == NULL ||
        k.dq == NULL || k.qi == NULL || k.p1 == NULL || k.q1 == NULL || k.ctx == NULL)
        return ERR_NO_MEMORY;
    if (private) {
        TRY(settle_primes(&k, detail));
        TRY(settle_exponents(&k, detail));
        TRY(settle_rest(&k, in, detail));
    } else {
        TRY(check_public(&k, detail));
    }
    full->alg = ALG_RSA;
    if (!put_all(room, &k, private, full))
        return err_set(detail, ERR_LIMIT, "the numbers are too long");
    *info = (struct keyform_info){ALG_RSA, (uint32_t)BN_num_bits(k.n), 0};
    return ERR_OK;
}

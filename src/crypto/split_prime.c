#include "crypto/split_prime.h"

#include "crypto/bn.h"

struct field {
    BIGNUM *prime;
    BN_MONT_CTX *mont; /* multiplication without branches on the numbers */
    BN_CTX *ctx;
    size_t size; /* bytes of an element */
};

static void field_done(struct field *f)
{
    bn_freep(&f->prime);
    BN_MONT_CTX_free(f->mont);
    bn_ctx_freep(&f->ctx);
}

static enum err failed(struct err_detail *detail)
{
    return evp_fail(detail, ERR_CRYPTO, "prime field");
}

static enum err field_of(struct bytes prime, struct field *f, struct err_detail *detail)
{
    if (prime.len == 0 || prime.len > SPLIT_PRIME_MAX)
        return err_set(detail, ERR_ARGUMENT, "a prime of %zu bytes", prime.len);
    f->prime = bn_of(prime);
    f->ctx = BN_CTX_secure_new();
    f->mont = BN_MONT_CTX_new();
    if (f->prime == NULL || f->ctx == NULL || f->mont == NULL)
        return ERR_NO_MEMORY;
    if (BN_num_bits(f->prime) < 17 || BN_check_prime(f->prime, f->ctx, NULL) != 1) {
        ERR_clear_error();
        return err_set(detail, ERR_ARGUMENT, "the prime field size is no prime");
    }
    if (BN_MONT_CTX_set(f->mont, f->prime, f->ctx) != 1)
        return failed(detail);
    f->size = (size_t)BN_num_bytes(f->prime);
    return ERR_OK;
}

/* r = a * b; Montgomery form is left again by the second product. */
static bool multiply(const struct field *f, BIGNUM *r, const BIGNUM *a, const BIGNUM *b)
{
    AUTO(bn_freep) BIGNUM *t = bn_new();
    return t != NULL && BN_to_montgomery(t, a, f->mont, f->ctx) == 1 &&
           BN_mod_mul_montgomery(r, t, b, f->mont, f->ctx) == 1;
}

static bool multiply_word(const struct field *f, BIGNUM *r, uint32_t word)
{
    AUTO(bn_freep) BIGNUM *t = bn_new();
    return t != NULL && BN_set_word(t, word) == 1 && multiply(f, r, r, t);
}

static bool random_element(const struct field *f, BIGNUM *r)
{
    return BN_priv_rand_range(r, f->prime) == 1;
}

/* Shamir with fresh coefficients, the same for all parts: Horner from the highest. */
enum err split_prime_make(const struct split_spec *spec, struct bytes secret,
                          struct secret *parts[], struct err_detail *detail)
{
    AUTO(field_done) struct field f = {0};
    TRY(field_of(spec->prime, &f, detail));
    /* KMIP 2.1, 13.1: a prime bigger than 2^L. */
    if ((size_t)BN_num_bits(f.prime) <= secret.len * 8)
        return err_set(detail, ERR_ARGUMENT, "the prime is not above all secrets of %zu bytes",
                       secret.len);
    BIGNUM *sums[SPLIT_PARTS_MAX] = {NULL};
    AUTO(bn_freep) BIGNUM *value = bn_new();
    AUTO(bn_freep) BIGNUM *number = bn_of(secret);
    bool good = value != NULL && number != NULL;
    for (uint32_t i = 0; i < spec->parts && good; i++)
        good = (sums[i] = bn_new()) != NULL;
    for (uint32_t degree = spec->threshold; degree-- > 0 && good;) {
        good = degree == 0 ? BN_copy(value, number) != NULL : random_element(&f, value);
        for (uint32_t i = 0; i < spec->parts && good; i++)
            good = multiply_word(&f, sums[i], i + 1) &&
                   BN_mod_add_quick(sums[i], sums[i], value, f.prime) == 1;
    }
    enum err err = good ? ERR_OK : failed(detail);
    for (uint32_t i = 0; i < spec->parts; i++) {
        if (err == ERR_OK)
            err = secret_new(f.size, &parts[i]);
        if (err == ERR_OK && BN_bn2binpad(sums[i], secret_data(parts[i]), (int)f.size) < 0)
            err = failed(detail);
        bn_freep(&sums[i]);
    }
    return err;
}

/* x_j / (x_j - x_i) over all other j; the numbers of parts are no secret. */
static bool weight(const struct field *f, const struct split_part *parts, uint32_t count,
                   uint32_t at, BIGNUM *r)
{
    AUTO(bn_freep) BIGNUM *under = bn_new();
    AUTO(bn_freep) BIGNUM *difference = bn_new();
    AUTO(bn_freep) BIGNUM *x = bn_new();
    bool good = under != NULL && difference != NULL && x != NULL && BN_one(r) == 1 &&
                BN_one(under) == 1 && BN_set_word(x, parts[at].number) == 1;
    for (uint32_t j = 0; j < count && good; j++) {
        if (j == at)
            continue;
        good = multiply_word(f, r, parts[j].number) &&
               BN_set_word(difference, parts[j].number) == 1 &&
               BN_mod_sub(difference, difference, x, f->prime, f->ctx) == 1 &&
               multiply(f, under, under, difference);
    }
    return good && BN_mod_inverse(under, under, f->prime, f->ctx) != NULL &&
           multiply(f, r, r, under);
}

enum err split_prime_join(const struct split_spec *spec, const struct split_part *parts, size_t len,
                          struct secret **ret_secret, struct err_detail *detail)
{
    AUTO(field_done) struct field f = {0};
    TRY(field_of(spec->prime, &f, detail));
    AUTO(bn_freep) BIGNUM *sum = bn_new();
    AUTO(bn_freep) BIGNUM *term = bn_new();
    if (sum == NULL || term == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < spec->threshold; i++) {
        AUTO(bn_freep) BIGNUM *share = bn_of(parts[i].share);
        if (share == NULL)
            return ERR_NO_MEMORY;
        if (BN_cmp(share, f.prime) >= 0)
            return err_set(detail, ERR_ARGUMENT, "a part is not below the prime");
        if (!weight(&f, parts, spec->threshold, i, term) || !multiply(&f, term, term, share) ||
            BN_mod_add_quick(sum, sum, term, f.prime) != 1)
            return failed(detail);
    }
    size_t need = (size_t)BN_num_bytes(sum);
    size_t width = len != 0 ? len : need;
    if (need > width || width == 0 || width > SPLIT_SECRET_MAX)
        return err_set(detail, ERR_ARGUMENT, "the parts make no secret of %zu bytes", width);
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(secret_new(width, &secret));
    if (BN_bn2binpad(sum, secret_data(secret), (int)width) < 0)
        return failed(detail);
    *ret_secret = TAKE(secret);
    return ERR_OK;
}

enum err split_prime_for(size_t len, struct buf *to, struct err_detail *detail)
{
    if (len < 2 || len > SPLIT_PRIME_LEN_MAX)
        return err_set(detail, ERR_LIMIT, "no prime is searched for secrets of %zu bytes", len);
    AUTO(bn_freep) BIGNUM *prime = bn_new();
    AUTO(bn_ctx_freep) BN_CTX *ctx = BN_CTX_new();
    if (prime == NULL || ctx == NULL || BN_set_bit(prime, (int)len * 8) != 1 ||
        BN_add_word(prime, 1) != 1)
        return ERR_NO_MEMORY;
    int found = 0;
    while ((found = BN_check_prime(prime, ctx, NULL)) == 0)
        if (BN_add_word(prime, 2) != 1)
            return failed(detail);
    if (found != 1)
        return failed(detail);
    size_t size = (size_t)BN_num_bytes(prime);
    TRY(buf_reserve(to, size));
    BN_bn2bin(prime, to->data + to->len);
    to->len += size;
    return ERR_OK;
}

#include "crypto/split.h"

#include "crypto/gf.h"
#include "crypto/random.h"

#include "tools.h"

static void fields(void **state)
{
    (void)state;
    /* FIPS 197, 4.2. */
    assert_int_equal(gf8_mul(0x57, 0x83, GF8_AES), 0xc1);
    assert_int_equal(gf8_mul(0x57, 0x13, GF8_AES), 0xfe);
    assert_int_equal(gf8_mul(0x80, 2, GF8_KMIP), 0x1d);
    for (unsigned a = 1; a < 256; a++) {
        assert_int_equal(gf8_mul((uint8_t)a, gf8_inverse((uint8_t)a, GF8_AES), GF8_AES), 1);
        assert_int_equal(gf8_mul((uint8_t)a, gf8_inverse((uint8_t)a, GF8_KMIP), GF8_KMIP), 1);
    }
    for (unsigned a = 1; a < 65536; a++)
        assert_int_equal(gf16_mul((uint16_t)a, gf16_inverse((uint16_t)a)), 1);
    /* y * y = y + m, associative and distributive. */
    assert_int_equal(gf16_mul(0x0100, 0x0100), 0x013a);
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t v[3];
        assert_ok(random_bytes(v, sizeof v));
        assert_int_equal(gf16_mul(gf16_mul(v[0], v[1]), v[2]),
                         gf16_mul(v[0], gf16_mul(v[1], v[2])));
        assert_int_equal(gf16_mul(v[0], v[1] ^ v[2]), gf16_mul(v[0], v[1]) ^ gf16_mul(v[0], v[2]));
    }
}

struct parts {
    struct secret *all[SPLIT_PARTS_MAX];
};

static void parts_done(struct parts *parts)
{
    for (size_t i = 0; i < SPLIT_PARTS_MAX; i++)
        secret_free(parts->all[i]);
}

/* Every run of `threshold` parts, going round. */
static void split_and_join(const struct split_spec *spec, struct bytes secret)
{
    AUTO(parts_done) struct parts parts = {0};
    assert_ok(split_make(spec, secret, parts.all, NULL));
    for (uint32_t first = 0; first < spec->parts; first++) {
        struct split_part some[SPLIT_PARTS_MAX];
        for (uint32_t i = 0; i < spec->threshold; i++) {
            uint32_t at = (first + i) % spec->parts;
            some[i] = (struct split_part){at + 1, secret_view(parts.all[at])};
        }
        AUTO(secret_freep) struct secret *back = NULL;
        assert_ok(split_join(spec, some, spec->threshold, secret.len, &back, NULL));
        assert_true(bytes_equal(secret_view(back), secret));
        struct secret *none = NULL;
        assert_err(split_join(spec, some, spec->threshold - 1, secret.len, &none, NULL),
                   ERR_ARGUMENT);
        some[1] = some[0];
        assert_err(split_join(spec, some, spec->threshold, secret.len, &none, NULL), ERR_ARGUMENT);
    }
}

static void every_method(void **state)
{
    (void)state;
    uint8_t secret[65];
    assert_ok(random_bytes(secret, sizeof secret));
    secret[0] = 0; /* a leading zero stays */
    static const size_t lengths[] = {1, 2, 15, 16, 32, 65};
    for (uint32_t parts = 2; parts <= 6; parts++)
        for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
            struct bytes some = bytes_of(secret, lengths[l]);
            struct split_spec exclusive = {SPLIT_XOR, parts, parts, {0}};
            split_and_join(&exclusive, some);
            AUTO(buf_done) struct buf prime = {0};
            if (some.len > 1)
                assert_ok(split_prime_for(some.len, &prime, NULL));
            for (uint32_t threshold = 2; threshold <= parts; threshold++) {
                struct split_spec spec = {SPLIT_GF_2_8, parts, threshold, buf_view(&prime)};
                split_and_join(&spec, some);
                spec.method = SPLIT_GF_2_16;
                split_and_join(&spec, some);
                spec.method = SPLIT_PRIME;
                if (some.len > 1)
                    split_and_join(&spec, some);
            }
        }
    struct split_spec many = {SPLIT_GF_2_8, SPLIT_PARTS_MAX, SPLIT_PARTS_MAX, {0}};
    split_and_join(&many, BYTES(secret));
}

/* Parts made by hand: f(x) = secret + 3x. */
static void parts_from_elsewhere(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *back = NULL;
    uint8_t one[] = {0x42 ^ 3};
    uint8_t two[] = {0x42 ^ 6};
    struct split_part eight[] = {{1, BYTES(one)}, {2, BYTES(two)}};
    struct split_spec spec = {SPLIT_GF_2_8, 2, 2, {0}};
    assert_ok(split_join(&spec, eight, 2, 0, &back, NULL));
    assert_true(bytes_equal(secret_view(back), bytes_str("B")));
    back = (secret_free(back), NULL);
    /* Modulo 65537: 1000 + 3, 1000 + 21. */
    uint8_t small[] = {0, 1003 >> 8, 1003 & 0xff};
    uint8_t large[] = {0, 1021 >> 8, 1021 & 0xff};
    uint8_t prime[] = {1, 0, 1};
    struct split_part numbers[] = {{1, BYTES(small)}, {7, BYTES(large)}};
    struct split_spec field = {SPLIT_PRIME, 7, 2, BYTES(prime)};
    assert_ok(split_join(&field, numbers, 2, 0, &back, NULL));
    assert_int_equal(be16_load(secret_data(back)), 1000);
}

static void less_says_nothing(void **state)
{
    (void)state;
    /* The same part of the same secret is another each time. */
    uint8_t secret[32] = {0};
    for (uint32_t method = SPLIT_XOR; method <= SPLIT_GF_2_8; method++) {
        AUTO(buf_done) struct buf prime = {0};
        AUTO(parts_done) struct parts a = {0};
        AUTO(parts_done) struct parts b = {0};
        assert_ok(split_prime_for(sizeof secret, &prime, NULL));
        struct split_spec spec = {method, 2, 2, buf_view(&prime)};
        assert_ok(split_make(&spec, BYTES(secret), a.all, NULL));
        assert_ok(split_make(&spec, BYTES(secret), b.all, NULL));
        for (int i = 0; i < 2; i++)
            assert_false(bytes_equal(secret_view(a.all[i]), secret_view(b.all[i])));
    }
}

static void refusals(void **state)
{
    (void)state;
    uint8_t secret[16] = {1};
    uint8_t small_prime[] = {1, 0, 1};
    uint8_t no_prime[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9};
    static const struct {
        struct split_spec spec;
        enum err err;
    } wrong[] = {
        {{0, 3, 3, {0}}, ERR_UNSUPPORTED},
        {{5, 3, 3, {0}}, ERR_UNSUPPORTED},
        {{SPLIT_XOR, 3, 2, {0}}, ERR_ARGUMENT},
        {{SPLIT_GF_2_8, 1, 1, {0}}, ERR_LIMIT},
        {{SPLIT_GF_2_8, SPLIT_PARTS_MAX + 1, 2, {0}}, ERR_LIMIT},
        {{SPLIT_GF_2_8, 3, 4, {0}}, ERR_ARGUMENT},
        {{SPLIT_GF_2_8, 3, 1, {0}}, ERR_ARGUMENT},
        {{SPLIT_PRIME, 3, 2, {0}}, ERR_ARGUMENT},
    };
    struct secret *parts[SPLIT_PARTS_MAX] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_err(split_make(&wrong[i].spec, BYTES(secret), parts, NULL), wrong[i].err);
    struct split_spec prime = {SPLIT_PRIME, 3, 2, BYTES(small_prime)};
    assert_err(split_make(&prime, BYTES(secret), parts, NULL), ERR_ARGUMENT);
    prime.prime = BYTES(no_prime);
    assert_err(split_make(&prime, BYTES(secret), parts, NULL), ERR_ARGUMENT);
    struct split_spec good = {SPLIT_GF_2_16, 3, 2, {0}};
    assert_err(split_make(&good, bytes_of(secret, 0), parts, NULL), ERR_LIMIT);
    assert_null(parts[0]);
    AUTO(buf_done) struct buf to = {0};
    assert_err(split_prime_for(SPLIT_PRIME_LEN_MAX + 1, &to, NULL), ERR_LIMIT);
    struct secret *none = NULL;
    struct split_part odd[] = {{1, bytes_of(secret, 15)}, {2, bytes_of(secret, 15)}};
    assert_err(split_join(&good, odd, 2, 0, &none, NULL), ERR_ARGUMENT);
    struct split_part uneven[] = {{1, bytes_of(secret, 14)}, {2, bytes_of(secret, 16)}};
    assert_err(split_join(&good, uneven, 2, 0, &none, NULL), ERR_ARGUMENT);
    struct split_part zero[] = {{0, BYTES(secret)}, {2, BYTES(secret)}};
    assert_err(split_join(&good, zero, 2, 0, &none, NULL), ERR_ARGUMENT);
    struct split_part far[] = {{1, BYTES(secret)}, {65536, BYTES(secret)}};
    assert_err(split_join(&good, far, 2, 0, &none, NULL), ERR_ARGUMENT);
    struct split_part fine[] = {{1, BYTES(secret)}, {2, BYTES(secret)}};
    assert_err(split_join(&good, fine, 2, 14, &none, NULL), ERR_ARGUMENT);
}

TEST_MAIN(cmocka_unit_test(fields), cmocka_unit_test(every_method),
          cmocka_unit_test(parts_from_elsewhere), cmocka_unit_test(less_says_nothing),
          cmocka_unit_test(refusals))

#include "crypto/keygen.h"

#include "crypto/des.h"
#include "crypto/keyform.h"

#include "tools.h"

static void lengths(void **state)
{
    (void)state;
    static const struct {
        uint32_t alg, bits;
        size_t len; /* 0: refused */
    } rows[] = {
        {ALG_AES, 0, 32},
        {ALG_AES, 128, 16},
        {ALG_AES, 192, 24},
        {ALG_AES, 256, 32},
        {ALG_AES, 512, 64},
        {ALG_AES, 129, 0},
        {ALG_AES, 64, 0},
        {ALG_DES, 56, 8},
        {ALG_DES, 64, 8},
        {ALG_DES3, 112, 16},
        {ALG_DES3, 128, 16},
        {ALG_DES3, 168, 24},
        {ALG_DES3, 192, 24},
        {ALG_DES3, 56, 0},
        {ALG_DES3, 0, 24},
        {ALG_CAMELLIA, 192, 24},
        {ALG_CAMELLIA, 512, 0},
        {ALG_ARIA, 256, 32},
        {ALG_CHACHA20, 256, 32},
        {ALG_CHACHA20, 128, 0},
        {ALG_CHACHA20POLY1305, 0, 32},
        {ALG_POLY1305, 0, 32},
        {ALG_HMAC_SHA1, 0, 20},
        {ALG_HMAC_SHA512, 0, 64},
        {ALG_HMAC_SHA256, 8, 1},
        {ALG_HMAC_SHA256, 2048, 256},
        {ALG_HMAC_SHA256, 12, 0},
        {ALG_SKIPJACK, 80, 10},
        {ALG_SKIPJACK, 128, 0},
        {ALG_BLOWFISH, 448, 56},
        {ALG_BLOWFISH, 456, 0},
        {ALG_TWOFISH, 0, 32},
        {ALG_TWOFISH, 160, 0},
        {ALG_MARS, 160, 20},
        {ALG_MARS, 136, 0},
        {ALG_IDEA, 128, 16},
        {ALG_ONE_TIME_PAD, 4096, 512},
        {0, 0, 32},
        {0, 8, 1},
        {0, 32 * 1024 * 8, 32 * 1024},
        {0, 32 * 1024 * 8 + 8, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = 0;
        enum err err = keygen_len(rows[i].alg, rows[i].bits, &len, NULL);
        assert_int_equal(err, rows[i].len != 0 ? ERR_OK : ERR_ARGUMENT);
        assert_int_equal(len, rows[i].len);
        if (err != ERR_OK)
            continue;
        AUTO(secret_freep) struct secret *a = NULL;
        AUTO(secret_freep) struct secret *b = NULL;
        uint32_t bits = 0;
        assert_ok(keygen_symmetric(rows[i].alg, rows[i].bits, &a, NULL));
        assert_ok(keygen_symmetric(rows[i].alg, rows[i].bits, &b, NULL));
        assert_int_equal(secret_len(a), len);
        assert_true(len == 1 || !secret_equal(secret_view(a), secret_view(b)));
        assert_ok(keygen_check(rows[i].alg, secret_view(a), &bits, NULL));
        assert_int_equal(bits, len * 8);
        if (rows[i].alg == ALG_DES || rows[i].alg == ALG_DES3) {
            assert_true(des_parity_ok(secret_view(a)));
            assert_true(des_parts_good(secret_view(a)));
        }
    }
    size_t len = 0;
    uint32_t bits = 0;
    assert_err(keygen_len(ALG_RSA, 2048, &len, NULL), ERR_UNSUPPORTED);
    assert_err(keygen_check(ALG_RSA, bytes_str("key"), &bits, NULL), ERR_UNSUPPORTED);
    assert_err(keygen_check(ALG_AES, bytes_str("0123456789abcde"), &bits, NULL), ERR_KEY_FORM);
    assert_err(keygen_check(ALG_AES, (struct bytes){0}, &bits, NULL), ERR_KEY_FORM);
    assert_err(keygen_check(0, (struct bytes){0}, &bits, NULL), ERR_KEY_FORM);
}

static void curves(void **state)
{
    (void)state;
    assert_int_equal(keygen_curve_bits(CURVE_P_521), 521);
    assert_int_equal(keygen_curve_bits(CURVE_CURVE25519), 256);
    assert_int_equal(keygen_curve_bits(CURVE_CURVE448), 448);
    assert_int_equal(keygen_curve_bits(CURVE_BRAINPOOLP320R1), 320);
    assert_int_equal(keygen_curve_bits(CURVE_K_163), 0);
    assert_int_equal(keygen_curve_bits(CURVE_SECP112R1), 0);
    assert_int_equal(keygen_curve_of_bits(256), CURVE_P_256);
    assert_int_equal(keygen_curve_of_bits(521), CURVE_P_521);
    assert_int_equal(keygen_curve_of_bits(320), 0);
    /* Each that is served makes keys. */
    for (uint32_t curve = 1; curve <= CURVE_CURVE448; curve++) {
        struct keygen_pair pair = {.alg = ALG_ECDH, .curve = curve};
        AUTO(secret_freep) struct secret *private = NULL;
        AUTO(buf_done) struct buf public = {0};
        struct keyform_info info;
        if (keygen_curve_bits(curve) == 0) {
            assert_err(keygen_pair_check(&pair, NULL), ERR_UNSUPPORTED);
            continue;
        }
        assert_ok(keygen_pair(&pair, &private, &public, NULL));
        assert_ok(keyform_public_info(buf_view(&public), &info, NULL));
        assert_int_equal(info.curve, curve);
        assert_int_equal(info.bits, keygen_curve_bits(curve));
    }
}

static void refused_pairs(void **state)
{
    (void)state;
    static const struct {
        struct keygen_pair pair;
        enum err err;
    } rows[] = {
        {{.alg = ALG_RSA, .bits = 512}, ERR_ARGUMENT},
        {{.alg = ALG_RSA, .bits = 8192}, ERR_ARGUMENT},
        {{.alg = ALG_RSA, .bits = 2049}, ERR_ARGUMENT},
        {{.alg = ALG_RSA, .exponent = 1}, ERR_ARGUMENT},
        {{.alg = ALG_RSA, .exponent = 65536}, ERR_ARGUMENT},
        {{.alg = ALG_EC, .bits = 255}, ERR_UNSUPPORTED},
        {{.alg = ALG_EC, .bits = 256, .curve = CURVE_P_384}, ERR_ARGUMENT},
        {{.alg = ALG_ECDSA, .curve = CURVE_CURVE25519}, ERR_ARGUMENT},
        {{.alg = ALG_ED25519, .bits = 255}, ERR_ARGUMENT},
        {{.alg = ALG_DSA, .bits = 4096}, ERR_ARGUMENT},
        {{.alg = ALG_DH, .bits = 1024}, ERR_ARGUMENT},
        {{.alg = ALG_AES}, ERR_UNSUPPORTED},
        {{0}, ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct secret *none = NULL;
        AUTO(buf_done) struct buf public = {0};
        assert_err(keygen_pair_check(&rows[i].pair, NULL), rows[i].err);
        assert_err(keygen_pair(&rows[i].pair, &none, &public, NULL), rows[i].err);
        assert_null(none);
        assert_int_equal(public.len, 0);
    }
}

TEST_MAIN(cmocka_unit_test(lengths), cmocka_unit_test(curves), cmocka_unit_test(refused_pairs))

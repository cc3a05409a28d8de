#include "crypto/keygen.h"
#include "crypto/keywrap.h"

#include "tools.h"

static const struct {
    uint32_t mode;
    const char *kek, *plain, *wrapped;
} vectors[] = {
    /* RFC 3394, 4.1, 4.3, 4.6; RFC 5649, 6. */
    {MODE_NISTKEYWRAP, "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
     "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
    {0, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "00112233445566778899aabbccddeeff", "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
    {MODE_NISTKEYWRAP, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
     "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
    {MODE_AESKEYWRAPPADDING, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
     "c37b7e6492584340bed12207808941155068f738",
     "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
    {MODE_AESKEYWRAPPADDING, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "466f7250617369",
     "afbeb0f07dfbf5419200f2ccb50bb24f"},
};

static void known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct crypto_key kek = {CRYPTO_SYMMETRIC, ALG_AES, unhex(vectors[i].kek)};
        struct crypto_params params = {.mode = vectors[i].mode};
        struct bytes plain = unhex(vectors[i].plain);
        struct bytes want = unhex(vectors[i].wrapped);
        AUTO(buf_done) struct buf wrapped = {0};
        uint8_t iv[CRYPTO_IV_MAX];
        size_t iv_len = 9;
        assert_ok(
            keywrap_wrap(&kek, &params, (struct bytes){0}, plain, &wrapped, iv, &iv_len, NULL));
        assert_true(bytes_equal(buf_view(&wrapped), want));
        assert_int_equal(iv_len, 0);
        AUTO(secret_freep) struct secret *back = NULL;
        assert_ok(keywrap_unwrap(&kek, &params, (struct bytes){0}, want, &back, NULL));
        assert_true(bytes_equal(secret_view(back), plain));
        for (size_t byte = 0; byte < wrapped.len; byte++) {
            struct secret *none = NULL;
            wrapped.data[byte] ^= 0x40;
            assert_err(
                keywrap_unwrap(&kek, &params, (struct bytes){0}, buf_view(&wrapped), &none, NULL),
                ERR_DECRYPT);
            wrapped.data[byte] ^= 0x40;
            assert_err(keywrap_unwrap(&kek, &params, (struct bytes){0},
                                      bytes_of(wrapped.data, byte), &none, NULL),
                       ERR_DECRYPT);
        }
    }
}

static void with_any_cipher(void **state)
{
    (void)state;
    static const struct {
        uint32_t alg;
        struct crypto_params params;
    } ways[] = {
        {ALG_AES, {.mode = MODE_CBC, .padding = PADDING_PKCS5}},
        {ALG_AES, {.mode = MODE_GCM}},
        {ALG_AES, {.mode = MODE_GCM, .tag_len = 12}},
        {ALG_AES, {.mode = MODE_CTR}},
        {ALG_CHACHA20POLY1305, {0}},
        {ALG_DES3, {.mode = MODE_CBC, .padding = PADDING_PKCS5}},
    };
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        AUTO(secret_freep) struct secret *key = NULL;
        AUTO(secret_freep) struct secret *back = NULL;
        AUTO(buf_done) struct buf wrapped = {0};
        uint8_t iv[CRYPTO_IV_MAX];
        size_t iv_len = 0;
        assert_ok(keygen_symmetric(ways[i].alg, 0, &key, NULL));
        struct crypto_key kek = {CRYPTO_SYMMETRIC, ways[i].alg, secret_view(key)};
        assert_ok(keywrap_wrap(&kek, &ways[i].params, (struct bytes){0}, bytes_str("a key"),
                               &wrapped, iv, &iv_len, NULL));
        assert_true(iv_len >= 8);
        assert_ok(keywrap_unwrap(&kek, &ways[i].params, bytes_of(iv, iv_len), buf_view(&wrapped),
                                 &back, NULL));
        assert_true(bytes_equal(secret_view(back), bytes_str("a key")));
        struct secret *none = NULL;
        assert_err(keywrap_unwrap(&kek, &ways[i].params, (struct bytes){0}, buf_view(&wrapped),
                                  &none, NULL),
                   ERR_IV_MISSING);
    }
}

static void with_rsa(void **state)
{
    (void)state;
    struct keygen_pair pair = {.alg = ALG_RSA, .bits = 1024};
    struct crypto_params params = {.padding = PADDING_OAEP, .hash = HASH_SHA_256};
    AUTO(secret_freep) struct secret *private = NULL;
    AUTO(secret_freep) struct secret *back = NULL;
    AUTO(buf_done) struct buf public = {0};
    AUTO(buf_done) struct buf wrapped = {0};
    uint8_t iv[CRYPTO_IV_MAX];
    size_t iv_len = 1;
    assert_ok(keygen_pair(&pair, &private, &public, NULL));
    struct crypto_key wraps = {CRYPTO_PUBLIC, ALG_RSA, buf_view(&public)};
    struct crypto_key opens = {CRYPTO_PRIVATE, ALG_RSA, secret_view(private)};
    assert_ok(keywrap_wrap(&wraps, &params, (struct bytes){0}, bytes_str("a key"), &wrapped, iv,
                           &iv_len, NULL));
    assert_int_equal(iv_len, 0);
    assert_ok(keywrap_unwrap(&opens, &params, (struct bytes){0}, buf_view(&wrapped), &back, NULL));
    assert_true(bytes_equal(secret_view(back), bytes_str("a key")));
    assert_err(keywrap_can(&opens, &params, true, NULL), ERR_ARGUMENT);
    assert_err(keywrap_can(&wraps, &params, false, NULL), ERR_ARGUMENT);
}

static void refusals(void **state)
{
    (void)state;
    uint8_t material[32] = {1};
    struct crypto_key kek = {CRYPTO_SYMMETRIC, ALG_AES, BYTES(material)};
    struct crypto_params params = {.mode = MODE_NISTKEYWRAP};
    AUTO(buf_done) struct buf wrapped = {0};
    uint8_t iv[CRYPTO_IV_MAX] = {0};
    size_t iv_len = 0;
    static const size_t lengths[] = {0, 1, 8, 15, 17, 31};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        assert_err(keywrap_wrap(&kek, &params, (struct bytes){0}, bytes_of(material, lengths[i]),
                                &wrapped, iv, &iv_len, NULL),
                   ERR_ARGUMENT);
    assert_err(
        keywrap_wrap(&kek, &params, bytes_of(iv, 7), BYTES(material), &wrapped, iv, &iv_len, NULL),
        ERR_ARGUMENT);
    static uint8_t large[KEYWRAP_MAX + 8];
    assert_err(
        keywrap_wrap(&kek, &params, (struct bytes){0}, BYTES(large), &wrapped, iv, &iv_len, NULL),
        ERR_LIMIT);
    static const uint32_t others[] = {MODE_X9_102_AESKW, MODE_X9_102_TDKW, MODE_X9_102_AKW1,
                                      MODE_X9_102_AKW2};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        params.mode = others[i];
        assert_err(keywrap_can(&kek, &params, true, NULL), ERR_UNSUPPORTED);
    }
    params.mode = MODE_NISTKEYWRAP;
    kek.material.len = 15;
    assert_err(keywrap_can(&kek, &params, true, NULL), ERR_KEY_FORM);
    kek.material.len = 16;
    kek.alg = ALG_CAMELLIA;
    assert_err(keywrap_can(&kek, &params, true, NULL), ERR_ARGUMENT);
    kek.alg = ALG_AES;
    kek.class = CRYPTO_SECRET;
    assert_err(keywrap_can(&kek, &params, true, NULL), ERR_ARGUMENT);
    assert_int_equal(wrapped.len, 0);
}

TEST_MAIN(cmocka_unit_test(known_answers), cmocka_unit_test(with_any_cipher),
          cmocka_unit_test(with_rsa), cmocka_unit_test(refusals))

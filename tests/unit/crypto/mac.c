#include "crypto/use.h"

#include "tools.h"

#define KEY16  "2b7e151628aed2a6abf7158809cf4f3c"
#define TEXT40 "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411"

static const struct {
    enum crypto_class class;
    uint32_t alg, mode, hash;
    const char *key, *data, *mac;
} vectors[] = {
    /* RFC 4231, 4.3; RFC 2202, 2 and 3: "what do ya want for nothing?" under "Jefe". */
    {CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, 0, 0, "4a656665",
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {CRYPTO_SYMMETRIC, ALG_HMAC_SHA512, 0, HASH_SHA_512, "4a656665",
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
     "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    {CRYPTO_SECRET, 0, 0, HASH_SHA_1, "4a656665",
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {CRYPTO_SYMMETRIC, ALG_HMAC_MD5, 0, 0, "4a656665",
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "750c783e6ab0b503eaa86e310a5db738"},
    /* SP 800-38B, D.1: CMAC is what an AES key does by itself. */
    {CRYPTO_SYMMETRIC, ALG_AES, 0, 0, KEY16, "", "bb1d6929e95937287fa37d129b756746"},
    {CRYPTO_SYMMETRIC, ALG_AES, MODE_CMAC, 0, KEY16, "6bc1bee22e409f96e93d7e117393172a",
     "070a16b46b4d4144f79bdd9dd04a287c"},
    {CRYPTO_SYMMETRIC, ALG_AES, MODE_CMAC, HASH_SHA_256, KEY16, TEXT40,
     "dfa66747de9ae63030ca32611497c827"},
    /* The last block of CBC with a zero IV, from `openssl enc`. */
    {CRYPTO_SYMMETRIC, ALG_AES, MODE_CBC_MAC, 0, KEY16, "6bc1bee22e409f96e93d7e117393172a",
     "3ad77bb40d7a3660a89ecaf32466ef97"},
    /* RFC 8439, 2.5.2. */
    {CRYPTO_SYMMETRIC, ALG_POLY1305, 0, 0,
     "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
     "43727970746f6772617068696320466f72756d2052657365617263682047726f7570",
     "a8061dc1305136c6c22b8baf0c0127a9"},
};

static struct crypto_key key_of(size_t i)
{
    return (struct crypto_key){vectors[i].class, vectors[i].alg, unhex(vectors[i].key)};
}

static void known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct crypto_key key = key_of(i);
        AUTO(buf_done) struct buf mac = {0};
        struct crypto_output output = {.data = &mac};
        struct crypto_input input = {.op = CRYPTO_MAC,
                                     .params = {.mode = vectors[i].mode, .hash = vectors[i].hash},
                                     .data = unhex(vectors[i].data)};
        struct bytes want = unhex(vectors[i].mac);
        assert_ok(crypto_can(&key, CRYPTO_MAC, &input.params, NULL));
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_true(bytes_equal(buf_view(&mac), want));
        input.op = CRYPTO_MAC_VERIFY;
        input.tag = want;
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_true(output.valid);
        for (size_t bit = 0; bit < mac.len * 8; bit += 5) {
            mac.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            input.tag = buf_view(&mac);
            assert_ok(crypto_use(&key, &input, &output, NULL));
            assert_false(output.valid);
            mac.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        input.tag = bytes_of(mac.data, mac.len - 1);
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_false(output.valid);
        input.tag = bytes_of(mac.data, 0);
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_false(output.valid);
    }
}

static void in_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
        for (size_t step = 1; step < 20; step += 3) {
            struct crypto_key key = key_of(i);
            struct bytes data = unhex(vectors[i].data);
            struct bytes want = unhex(vectors[i].mac);
            AUTO(buf_done) struct buf mac = {0};
            struct crypto_output output = {.data = &mac};
            struct crypto_input input = {
                .op = step % 2 == 0 ? CRYPTO_MAC : CRYPTO_MAC_VERIFY,
                .params = {.mode = vectors[i].mode, .hash = vectors[i].hash}};
            AUTO(crypto_stream_freep) struct crypto_stream *stream = NULL;
            assert_ok(crypto_stream_begin(&key, &input, &output, &stream, NULL));
            for (size_t at = 0; at < data.len; at += step)
                assert_ok(crypto_stream_update(
                    stream, bytes_of(data.data + at, data.len - at < step ? data.len - at : step),
                    &mac, NULL));
            assert_int_equal(mac.len, 0);
            assert_ok(crypto_stream_end(stream, want, &output, NULL));
            if (input.op == CRYPTO_MAC)
                assert_true(bytes_equal(buf_view(&mac), want));
            else
                assert_true(output.valid);
        }
}

/* FIPS 113: zeros fill the last block; over many blocks it is the last one of CBC. */
static void cbc_mac(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 5, 16, 1023, 1024, 1025, 5000};
    static uint8_t data[5008];
    memset(data, 0x5a, 5000);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct crypto_key key = {CRYPTO_SYMMETRIC, ALG_AES, unhex(KEY16)};
        size_t whole = (lengths[i] + 15) / 16 * 16;
        whole = whole == 0 ? 16 : whole;
        AUTO(buf_done) struct buf text = {0};
        AUTO(buf_done) struct buf sealed = {0};
        AUTO(buf_done) struct buf mac = {0};
        struct crypto_output to = {.data = &sealed};
        struct crypto_output macs = {.data = &mac};
        assert_ok(buf_append(&text, bytes_of(data, lengths[i])));
        static const uint8_t zeros[16];
        assert_ok(buf_append(&text, bytes_of(zeros, whole - lengths[i])));
        struct crypto_input cbc = {.op = CRYPTO_ENCRYPT,
                                   .params = {.mode = MODE_CBC},
                                   .data = buf_view(&text),
                                   .iv = BYTES(zeros)};
        struct crypto_input input = {
            .op = CRYPTO_MAC, .params = {.mode = MODE_CBC_MAC}, .data = bytes_of(data, lengths[i])};
        assert_ok(crypto_use(&key, &cbc, &to, NULL));
        assert_ok(crypto_use(&key, &input, &macs, NULL));
        assert_int_equal(mac.len, 16);
        assert_memory_equal(mac.data, sealed.data + sealed.len - 16, 16);
    }
}

static enum err can(enum crypto_class class, uint32_t alg, const char *material,
                    struct crypto_params params)
{
    struct crypto_key key = {class, alg, bytes_str(material)};
    return crypto_can(&key, CRYPTO_MAC, &params, NULL);
}

static void refusals(void **state)
{
    (void)state;
    struct crypto_params none = {0};
    struct crypto_params sha1 = {.hash = HASH_SHA_1};
    struct crypto_params tiger = {.hash = HASH_TIGER};
    struct crypto_params cmac = {.mode = MODE_CMAC};
    struct crypto_params padded = {.mode = MODE_CBC_MAC, .padding = PADDING_OAEP};
    assert_err(can(CRYPTO_SECRET, 0, "secret", none), ERR_ARGUMENT);
    assert_err(can(CRYPTO_SECRET, 0, "secret", tiger), ERR_UNSUPPORTED);
    assert_err(can(CRYPTO_SECRET, 0, "secret", cmac), ERR_ARGUMENT);
    assert_err(can(CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, "secret", sha1), ERR_ARGUMENT);
    assert_err(can(CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, "", none), ERR_KEY_FORM);
    assert_err(can(CRYPTO_SYMMETRIC, ALG_AES, "0123456789abcde", cmac), ERR_KEY_FORM);
    assert_err(can(CRYPTO_SYMMETRIC, ALG_AES, "0123456789abcdef", padded), ERR_UNSUPPORTED);
    assert_err(can(CRYPTO_SYMMETRIC, ALG_POLY1305, "short", none), ERR_KEY_FORM);
    assert_err(can(CRYPTO_PRIVATE, ALG_RSA, "key", sha1), ERR_ARGUMENT);
    assert_ok(can(CRYPTO_SYMMETRIC, ALG_AES, "0123456789abcdef", sha1));
    assert_ok(can(CRYPTO_SYMMETRIC, ALG_DES3, "0123456789abcdef", cmac));
}

TEST_MAIN(cmocka_unit_test(known_answers), cmocka_unit_test(in_pieces), cmocka_unit_test(cbc_mac),
          cmocka_unit_test(refusals))

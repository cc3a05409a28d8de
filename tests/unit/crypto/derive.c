#include "crypto/derive.h"
#include "crypto/keyform.h"
#include "crypto/keygen.h"

#include "tools.h"

static struct crypto_key secret_key(struct bytes material)
{
    return (struct crypto_key){CRYPTO_SECRET, 0, material};
}

static void expect(const struct derive_input *input, const char *want)
{
    AUTO(secret_freep) struct secret *got = NULL;
    struct bytes bytes = unhex(want);
    assert_ok(derive_key(input, bytes.len, &got, NULL));
    assert_true(bytes_equal(secret_view(got), bytes));
}

static void known_answers(void **state)
{
    (void)state;
    /* RFC 6070 */
    struct derive_input pbkdf2 = {.method = DERIVE_PBKDF2,
                                  .key = secret_key(bytes_str("password")),
                                  .salt = bytes_str("salt"),
                                  .iterations = 1};
    expect(&pbkdf2, "0c60c80f961f0e71f3a9b524af6012062fe037a6");
    pbkdf2.iterations = 4096;
    expect(&pbkdf2, "4b007901b765489abead49d926f721d065a429c1");
    /* RFC 7914, 11 */
    pbkdf2 = (struct derive_input){.method = DERIVE_PBKDF2,
                                   .key = secret_key(bytes_str("passwd")),
                                   .salt = bytes_str("salt"),
                                   .params.hash = HASH_SHA_256,
                                   .iterations = 1};
    expect(&pbkdf2, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    /* RFC 5869, A.1 and A.3 */
    struct derive_input hkdf = {
        .method = DERIVE_HKDF,
        .key = secret_key(unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b")),
        .salt = unhex("000102030405060708090a0b0c"),
        .data = unhex("f0f1f2f3f4f5f6f7f8f9")};
    expect(&hkdf, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b8871"
                  "85865");
    hkdf.salt = hkdf.data = (struct bytes){0};
    expect(&hkdf, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61"
                  "a96c8");
    /* FIPS 180-4's "abc"; RFC 4231, 4.3 */
    struct derive_input hash = {.method = DERIVE_HASH, .data = bytes_str("abc")};
    expect(&hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash = (struct derive_input){.method = DERIVE_HASH, .key = secret_key(bytes_str("abc"))};
    expect(&hash, "ba7816bf8f01cfea414140de5dae2223");
    struct derive_input hmac = {.method = DERIVE_HMAC,
                                .key = secret_key(bytes_str("Jefe")),
                                .data = bytes_str("what do ya want for nothing?")};
    expect(&hmac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    /* Amazon's own example. */
    struct derive_input aws = {
        .method = DERIVE_AWS_SIGNATURE_VERSION_4,
        .key = secret_key(bytes_str("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")),
        .data = bytes_str("20120215/us-east-1/iam")};
    expect(&aws, "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
    /* SP 800-38A, F.1.1: the ciphertext is the key. */
    struct derive_input encrypt = {
        .method = DERIVE_ENCRYPT,
        .key = {CRYPTO_SYMMETRIC, ALG_AES, unhex("2b7e151628aed2a6abf7158809cf4f3c")},
        .params.mode = MODE_ECB,
        .data = unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")};
    expect(&encrypt, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699d");
}

#define SEED16 "00112233445566778899aabbccddeeff"

/* openssl puts the zero byte between label and context itself. */
static void openssl_agrees_on_kbkdf(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    static const struct {
        const char *options;
        struct crypto_params params;
        uint32_t method;
        const char *seed;
    } ways[] = {
        {"-kdfopt mac:HMAC -kdfopt digest:SHA256 -kdfopt mode:counter",
         {.hash = HASH_SHA_256},
         DERIVE_NIST800_108_C,
         ""},
        {"-kdfopt mac:HMAC -kdfopt digest:SHA512 -kdfopt mode:feedback",
         {.hash = HASH_SHA_512},
         DERIVE_NIST800_108_F,
         SEED16 SEED16 SEED16 SEED16},
        {"-kdfopt mac:CMAC -kdfopt cipher:AES-128-CBC -kdfopt mode:counter",
         {.mode = MODE_CMAC},
         DERIVE_NIST800_108_C,
         ""},
        {"-kdfopt mac:CMAC -kdfopt cipher:AES-128-CBC -kdfopt mode:feedback",
         {0},
         DERIVE_NIST800_108_F,
         SEED16},
    };
    char *dir = test_tempdir();
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        for (unsigned len = 8; len <= 120; len += 28) {
            AUTO(buf_done) struct buf want = {0};
            AUTO(secret_freep) struct secret *got = NULL;
            assert_int_equal(shell("openssl kdf -keylen %u -binary -out %s/out %s -kdfopt "
                                   "hexkey:000102030405060708090a0b0c0d0e0f -kdfopt "
                                   "hexsalt:6c6162656c -kdfopt hexinfo:637478 %s%s KBKDF",
                                   len, dir, ways[i].options,
                                   ways[i].seed[0] != '\0' ? "-kdfopt hexseed:" : "", ways[i].seed),
                             0);
            get_file(dir, "out", &want);
            struct derive_input input = {
                .method = ways[i].method,
                .key = {CRYPTO_SYMMETRIC, ALG_AES, unhex("000102030405060708090a0b0c0d0e0f")},
                .params = ways[i].params,
                .iv = unhex(ways[i].seed),
                .data = unhex("6c6162656c00637478")};
            assert_ok(derive_key(&input, len, &got, NULL));
            assert_true(bytes_equal(secret_view(got), buf_view(&want)));
        }
    test_tempdir_remove(dir);
}

static void mac_to(struct bytes key, const struct bytes *parts, size_t count, struct buf *to)
{
    AUTO(buf_done) struct buf data = {0};
    for (size_t i = 0; i < count; i++)
        assert_ok(buf_append(&data, parts[i]));
    struct crypto_key hmac = {CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, key};
    struct crypto_input input = {.op = CRYPTO_MAC, .data = buf_view(&data)};
    struct crypto_output output = {.data = to};
    assert_ok(crypto_use(&hmac, &input, &output, NULL));
}

/* SP 800-108, 5.3, written out for two blocks. */
static void double_pipeline(void **state)
{
    (void)state;
    struct bytes key = bytes_str("a key for the pipeline");
    struct bytes data = BYTES("label\0context");
    uint8_t bits[] = {0, 0, 2, 0};
    uint8_t one[] = {0, 0, 0, 1};
    uint8_t two[] = {0, 0, 0, 2};
    AUTO(buf_done) struct buf first = {0};
    AUTO(buf_done) struct buf second = {0};
    AUTO(buf_done) struct buf want = {0};
    mac_to(key, (struct bytes[]){data, BYTES(bits)}, 2, &first);
    mac_to(key, (struct bytes[]){buf_view(&first)}, 1, &second);
    mac_to(key, (struct bytes[]){buf_view(&first), BYTES(one), data, BYTES(bits)}, 4, &want);
    mac_to(key, (struct bytes[]){buf_view(&second), BYTES(two), data, BYTES(bits)}, 4, &want);
    AUTO(secret_freep) struct secret *got = NULL;
    struct derive_input input = {.method = DERIVE_NIST800_108_DPI,
                                 .key = {CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, key},
                                 .data = data};
    assert_ok(derive_key(&input, 64, &got, NULL));
    assert_true(bytes_equal(secret_view(got), buf_view(&want)));
}

static void agreements(void **state)
{
    (void)state;
    static const struct {
        struct keygen_pair pair;
        size_t len;
    } kinds[] = {
        {{.alg = ALG_EC, .curve = CURVE_P_256}, 32},
        {{.alg = ALG_ECDH, .curve = CURVE_P_521}, 66},
        {{.alg = ALG_EC, .curve = CURVE_BRAINPOOLP384R1}, 48},
        {{.alg = ALG_ECDH, .curve = CURVE_CURVE25519}, 32},
        {{.alg = ALG_ECDH, .curve = CURVE_CURVE448}, 56},
        {{.alg = ALG_DH, .bits = 2048}, 256},
    };
    struct keygen_pair other = {.alg = ALG_EC, .curve = CURVE_P_384};
    AUTO(secret_freep) struct secret *foreign = NULL;
    AUTO(buf_done) struct buf foreign_spki = {0};
    assert_ok(keygen_pair(&other, &foreign, &foreign_spki, NULL));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(secret_freep) struct secret *a = NULL;
        AUTO(secret_freep) struct secret *b = NULL;
        AUTO(secret_freep) struct secret *there = NULL;
        AUTO(secret_freep) struct secret *back = NULL;
        AUTO(buf_done) struct buf a_spki = {0};
        AUTO(buf_done) struct buf b_spki = {0};
        assert_ok(keygen_pair(&kinds[i].pair, &a, &a_spki, NULL));
        assert_ok(keygen_pair(&kinds[i].pair, &b, &b_spki, NULL));
        struct derive_input input = {.method = DERIVE_ASYMMETRIC_KEY,
                                     .key = {CRYPTO_PRIVATE, kinds[i].pair.alg, secret_view(a)},
                                     .peer = buf_view(&b_spki)};
        assert_ok(derive_key(&input, kinds[i].len, &there, NULL));
        struct secret *none = NULL;
        assert_err(derive_key(&input, kinds[i].len + 1, &none, NULL), ERR_LIMIT);
        input.peer = buf_view(&foreign_spki);
        assert_err(derive_key(&input, kinds[i].len, &none, NULL), ERR_ARGUMENT);
        input.peer = bytes_str("no key");
        assert_err(derive_key(&input, kinds[i].len, &none, NULL), ERR_KEY_FORM);
        input.key.material = secret_view(b);
        input.peer = buf_view(&a_spki);
        assert_ok(derive_key(&input, kinds[i].len, &back, NULL));
        assert_true(bytes_equal(secret_view(there), secret_view(back)));
    }
}

/* RFC 7748, 6: a peer of low order makes a secret of zeros, which is refused. */
static void low_order_peer(void **state)
{
    (void)state;
    struct keygen_pair pair = {.alg = ALG_ECDH, .curve = CURVE_CURVE25519};
    AUTO(secret_freep) struct secret *own = NULL;
    AUTO(buf_done) struct buf spki = {0};
    AUTO(buf_done) struct buf zero = {0};
    struct keyform_info info;
    uint8_t point[32] = {0};
    assert_ok(keygen_pair(&pair, &own, &spki, NULL));
    assert_ok(keyform_public_in(FORMAT_RAW, ALG_ECDH, CURVE_CURVE25519, BYTES(point), &zero, &info,
                                NULL));
    struct derive_input input = {.method = DERIVE_ASYMMETRIC_KEY,
                                 .key = {CRYPTO_PRIVATE, ALG_ECDH, secret_view(own)},
                                 .peer = buf_view(&zero)};
    struct secret *none = NULL;
    assert_err(derive_key(&input, 32, &none, NULL), ERR_KEY_FORM);
}

static void refusals(void **state)
{
    (void)state;
    struct secret *none = NULL;
    struct derive_input in = {.method = DERIVE_PBKDF2, .key = secret_key(bytes_str("k"))};
    assert_err(derive_key(&in, 16, &none, NULL), ERR_ARGUMENT);
    in.iterations = DERIVE_ITERATIONS_MAX + 1;
    assert_err(derive_key(&in, 16, &none, NULL), ERR_LIMIT);
    in.iterations = 1;
    in.params.hash = HASH_TIGER;
    assert_err(derive_key(&in, 16, &none, NULL), ERR_UNSUPPORTED);
    in.params.hash = 0;
    assert_err(derive_key(&in, 0, &none, NULL), ERR_ARGUMENT);
    assert_err(derive_key(&in, DERIVE_MAX + 1, &none, NULL), ERR_LIMIT);
    in.key.material.len = 0;
    assert_err(derive_key(&in, 16, &none, NULL), ERR_KEY_FORM);
    in.key.material = bytes_str("k");
    static const uint32_t short_ones[] = {DERIVE_HASH, DERIVE_HMAC};
    for (size_t i = 0; i < ARRAY_LEN(short_ones); i++) {
        in.method = short_ones[i];
        assert_err(derive_key(&in, 33, &none, NULL), ERR_LIMIT);
        in.params.hash = HASH_MD2;
        assert_err(derive_key(&in, 8, &none, NULL), ERR_UNSUPPORTED);
        in.params.hash = 0;
    }
    in.method = DERIVE_HKDF;
    assert_err(derive_key(&in, 255 * 32 + 1, &none, NULL), ERR_LIMIT);
    in.method = DERIVE_AWS_SIGNATURE_VERSION_4;
    static const char *const scopes[] = {"", "20120215", "20120215/us-east-1", "a//c", "a/b/c/d"};
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        in.data = bytes_str(scopes[i]);
        assert_err(derive_key(&in, 32, &none, NULL), ERR_ARGUMENT);
    }
    in.method = DERIVE_ENCRYPT;
    assert_err(derive_key(&in, 16, &none, NULL), ERR_ARGUMENT);
    in.method = DERIVE_ASYMMETRIC_KEY;
    assert_err(derive_key(&in, 16, &none, NULL), ERR_ARGUMENT);
    in.method = 99;
    assert_err(derive_key(&in, 16, &none, NULL), ERR_UNSUPPORTED);
    struct derive_input encrypt = {
        .method = DERIVE_ENCRYPT,
        .key = {CRYPTO_SYMMETRIC, ALG_AES, bytes_str("0123456789abcdef")},
        .params = {.mode = MODE_CBC, .random_iv = true},
        .data = bytes_str("0123456789abcdef")};
    assert_err(derive_key(&encrypt, 16, &none, NULL), ERR_IV_MISSING);
    encrypt.params.mode = MODE_ECB;
    assert_err(derive_key(&encrypt, 17, &none, NULL), ERR_LIMIT);
    assert_null(none);
}

TEST_MAIN(cmocka_unit_test(known_answers), cmocka_unit_test(openssl_agrees_on_kbkdf),
          cmocka_unit_test(double_pipeline), cmocka_unit_test(agreements),
          cmocka_unit_test(low_order_peer), cmocka_unit_test(refusals))

#include "crypto/keyform.h"
#include "crypto/keygen.h"
#include "crypto/random.h"
#include "crypto/use.h"

#include "tools.h"

static struct secret *private;
static struct buf public;

static int make_pair(void **state)
{
    (void)state;
    struct keygen_pair pair = {.alg = ALG_RSA, .bits = 2048};
    assert_ok(keygen_pair(&pair, &private, &public, NULL));
    return 0;
}

static int drop_pair(void **state)
{
    (void)state;
    secret_free(private);
    buf_done(&public);
    return 0;
}

static enum err run(enum crypto_op op, struct crypto_params params, struct bytes data,
                    struct buf *to)
{
    struct crypto_key key = {CRYPTO_PUBLIC, ALG_RSA, buf_view(&public)};
    if (op == CRYPTO_DECRYPT)
        key = (struct crypto_key){CRYPTO_PRIVATE, ALG_RSA, secret_view(private)};
    struct crypto_input input = {.op = op, .params = params, .data = data};
    struct crypto_output output = {.data = to};
    return crypto_use(&key, &input, &output, NULL);
}

static void there_and_back(void **state)
{
    (void)state;
    static const struct {
        struct crypto_params params;
        size_t most;
    } ways[] = {
        {{0}, 245},
        {{.padding = PADDING_PKCS1_V1_5}, 245},
        {{.padding = PADDING_OAEP}, 214},
        {{.padding = PADDING_OAEP, .hash = HASH_SHA_256, .mask_hash = HASH_SHA_256}, 190},
        {{.padding = PADDING_OAEP, .hash = HASH_SHA_512, .p_source = {(const uint8_t *)"label", 5}},
         126},
    };
    uint8_t text[256];
    memset(text, 0x61, sizeof text);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        for (size_t len = 0; len <= ways[i].most + 1; len += ways[i].most / 2) {
            AUTO(buf_done) struct buf sealed = {0};
            AUTO(buf_done) struct buf plain = {0};
            assert_ok(run(CRYPTO_ENCRYPT, ways[i].params, bytes_of(text, len), &sealed));
            assert_int_equal(sealed.len, 256);
            assert_ok(run(CRYPTO_DECRYPT, ways[i].params, buf_view(&sealed), &plain));
            assert_true(bytes_equal(buf_view(&plain), bytes_of(text, len)));
            assert_err(
                run(CRYPTO_ENCRYPT, ways[i].params, bytes_of(text, ways[i].most + 1), &sealed),
                ERR_LIMIT);
        }
}

static void raw(void **state)
{
    (void)state;
    struct crypto_params params = {.padding = PADDING_NONE};
    uint8_t block[256] = {0};
    block[255] = 2;
    AUTO(buf_done) struct buf sealed = {0};
    AUTO(buf_done) struct buf plain = {0};
    assert_ok(run(CRYPTO_ENCRYPT, params, BYTES(block), &sealed));
    assert_ok(run(CRYPTO_DECRYPT, params, buf_view(&sealed), &plain));
    assert_true(bytes_equal(buf_view(&plain), BYTES(block)));
    assert_err(run(CRYPTO_ENCRYPT, params, bytes_of(block, 255), &sealed), ERR_ARGUMENT);
    memset(block, 0xff, sizeof block);
    assert_err(run(CRYPTO_ENCRYPT, params, BYTES(block), &sealed), ERR_ARGUMENT);
    assert_err(run(CRYPTO_DECRYPT, params, BYTES(block), &plain), ERR_DECRYPT);
}

/* A block that is no PKCS#1 v1.5 encryption gives a text all the same, one and the same each time,
 * of another length for another block. */
static void wrong_padding_is_not_told(void **state)
{
    (void)state;
    struct crypto_params none = {.padding = PADDING_NONE};
    size_t lengths[256] = {0};
    size_t different = 0;
    for (int i = 0; i < 40; i++) {
        uint8_t block[256];
        AUTO(buf_done) struct buf sealed = {0};
        AUTO(buf_done) struct buf first = {0};
        AUTO(buf_done) struct buf second = {0};
        assert_ok(random_bytes(block, sizeof block));
        /* By turns: a wrong first byte, a wrong kind, a zero too early, no zero at all. */
        memset(block, 0x55, 200);
        block[0] = i % 4 == 0 ? 1 : 0;
        block[1] = i % 4 == 1 ? 1 : 2;
        block[i % 4 == 2 ? 9 : 100] = 0;
        if (i % 4 == 3)
            for (size_t k = 2; k < sizeof block; k++)
                block[k] |= 1;
        assert_ok(run(CRYPTO_ENCRYPT, none, BYTES(block), &sealed));
        enum err err = run(CRYPTO_DECRYPT, (struct crypto_params){0}, buf_view(&sealed), &first);
        if (err != ERR_OK)
            continue; /* a block with 1 in front may be above the modulus */
        assert_ok(run(CRYPTO_DECRYPT, (struct crypto_params){0}, buf_view(&sealed), &second));
        assert_true(bytes_equal(buf_view(&first), buf_view(&second)));
        assert_true(first.len <= 245);
        assert_false(first.len == 155 && memcmp(first.data, block + 101, 155) == 0);
        different += lengths[first.len]++ == 0;
    }
    assert_true(different > 20);
}

static void refusals(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf to = {0};
    AUTO(buf_done) struct buf sealed = {0};
    struct crypto_params oaep = {.padding = PADDING_OAEP};
    assert_ok(run(CRYPTO_ENCRYPT, oaep, bytes_str("text"), &sealed));
    sealed.data[17] ^= 1;
    assert_err(run(CRYPTO_DECRYPT, oaep, buf_view(&sealed), &to), ERR_DECRYPT);
    sealed.data[17] ^= 1;
    struct crypto_params labelled = {.padding = PADDING_OAEP, .p_source = BYTES("label")};
    assert_err(run(CRYPTO_DECRYPT, labelled, buf_view(&sealed), &to), ERR_DECRYPT);
    oaep.hash = HASH_SHA_256;
    assert_err(run(CRYPTO_DECRYPT, oaep, buf_view(&sealed), &to), ERR_DECRYPT);
    for (size_t len = 0; len < 256; len += 51) {
        assert_err(run(CRYPTO_DECRYPT, oaep, bytes_of(sealed.data, len), &to), ERR_DECRYPT);
        assert_err(run(CRYPTO_DECRYPT, (struct crypto_params){0}, bytes_of(sealed.data, len), &to),
                   ERR_DECRYPT);
    }
    oaep.hash = HASH_TIGER;
    assert_err(run(CRYPTO_ENCRYPT, oaep, bytes_str("text"), &to), ERR_UNSUPPORTED);
    assert_err(
        run(CRYPTO_ENCRYPT, (struct crypto_params){.padding = PADDING_PSS}, bytes_str("text"), &to),
        ERR_UNSUPPORTED);
    assert_err(
        run(CRYPTO_ENCRYPT, (struct crypto_params){.mode = MODE_CBC}, bytes_str("text"), &to),
        ERR_ARGUMENT);
    assert_int_equal(to.len, 0);
    struct crypto_key key = {CRYPTO_PRIVATE, ALG_RSA, secret_view(private)};
    struct crypto_params none = {0};
    assert_err(crypto_can(&key, CRYPTO_ENCRYPT, &none, NULL), ERR_ARGUMENT);
    key.alg = ALG_EC;
    assert_err(crypto_can(&key, CRYPTO_DECRYPT, &none, NULL), ERR_UNSUPPORTED);
    key = (struct crypto_key){CRYPTO_PUBLIC, ALG_RSA, buf_view(&public)};
    assert_err(crypto_can(&key, CRYPTO_DECRYPT, &none, NULL), ERR_ARGUMENT);
    struct crypto_input input = {.op = CRYPTO_ENCRYPT};
    struct crypto_output output = {.data = &to};
    struct crypto_stream *stream = NULL;
    assert_err(crypto_stream_begin(&key, &input, &output, &stream, NULL), ERR_UNSUPPORTED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(raw),
                                       cmocka_unit_test(wrong_padding_is_not_told),
                                       cmocka_unit_test(refusals)};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_pair, drop_pair);
}

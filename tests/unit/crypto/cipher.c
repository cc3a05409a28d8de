#include "crypto/random.h"
#include "crypto/use.h"

#include "tools.h"

#define TEXT                                                                                       \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"                             \
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
#define KEY16 "2b7e151628aed2a6abf7158809cf4f3c"
#define IV16  "000102030405060708090a0b0c0d0e0f"

static const struct vector {
    uint32_t alg, mode, padding;
    const char *key, *iv, *aad, *plain, *sealed, *tag;
} vectors[] = {
    /* SP 800-38A, F.1.1, F.2.1, F.3.13, F.4.1, F.5.1. */
    {ALG_AES, MODE_ECB, 0, KEY16, "", "", TEXT,
     "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
     "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
     ""},
    {ALG_AES, MODE_CBC, PADDING_NONE, KEY16, IV16, "", TEXT,
     "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
     "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
     ""},
    {ALG_AES, MODE_CFB, 0, KEY16, IV16, "", TEXT,
     "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
     "26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
     ""},
    {ALG_AES, MODE_OFB, 0, KEY16, IV16, "", TEXT,
     "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"
     "9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e",
     ""},
    {ALG_AES, MODE_CTR, 0, KEY16, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "", TEXT,
     "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
     "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
     ""},
    /* The GCM specification (McGrew, Viega), test cases 4 and 5, and 1. */
    {ALG_AES, MODE_GCM, 0, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {ALG_AES, MODE_GCM, 0, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbad",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423"
     "73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
     "3612d2e79e3b0785561be14aaca2fccb"},
    {ALG_AES, MODE_GCM, 0, "00000000000000000000000000000000", "000000000000000000000000", "", "",
     "", "58e2fccefa7e3061367f1d57a4e7455a"},
    /* SP 800-38C, C.3. */
    {ALG_AES, MODE_CCM, 0, "404142434445464748494a4b4c4d4e4f", "101112131415161718191a1b",
     "000102030405060708090a0b0c0d0e0f10111213", "202122232425262728292a2b2c2d2e2f3031323334353637",
     "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5", "484392fbc1b09951"},
    /* IEEE 1619, vector 2. */
    {ALG_AES, MODE_XTS, 0, "1111111111111111111111111111111122222222222222222222222222222222",
     "33333333330000000000000000000000", "",
     "4444444444444444444444444444444444444444444444444444444444444444",
     "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0", ""},
    /* RFC 3713, A; RFC 5794, A.1; FIPS 46's known answer (DES is EDE3 with one key). */
    {ALG_CAMELLIA, MODE_ECB, 0, "0123456789abcdeffedcba9876543210", "", "",
     "0123456789abcdeffedcba9876543210", "67673138549669730857065648eabe43", ""},
    {ALG_ARIA, MODE_ECB, 0, "000102030405060708090a0b0c0d0e0f", "", "",
     "00112233445566778899aabbccddeeff", "d718fbd6ab644c739da95f3be6451778", ""},
    {ALG_DES, MODE_ECB, 0, "133457799bbcdff1", "", "", "0123456789abcdef", "85e813540f0ab405", ""},
    {ALG_DES3, MODE_ECB, 0, "133457799bbcdff1133457799bbcdff1", "", "", "0123456789abcdef",
     "85e813540f0ab405", ""},
    /* ChaCha20 as first published (key and nonce zero), RFC 8439, 2.4.2 (counter 1) and 2.8.2. */
    {ALG_CHACHA20, 0, 0, "0000000000000000000000000000000000000000000000000000000000000000",
     "0000000000000000", "", "00000000000000000000000000000000", "76b8e0ada0f13d90405d6ae55386bd28",
     ""},
    {ALG_CHACHA20, 0, 0, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "01000000000000000000004a00000000", "", "4c616469657320616e642047656e746c",
     "6e2e359a2568f98041ba0728dd0d6981", ""},
    {ALG_CHACHA20POLY1305, MODE_AEAD, 0,
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
     "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
     "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
     "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
     "637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
     "3ff4def08e4b7a9de576d26586cec64b6116",
     "1ae10b594f09e26a7e902ecbd0600691"},
};

static void known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct crypto_key key = {CRYPTO_SYMMETRIC, v->alg, unhex(v->key)};
        AUTO(buf_done) struct buf to = {0};
        struct crypto_output output = {.data = &to};
        struct bytes tag = unhex(v->tag);
        struct bytes sealed = unhex(v->sealed);
        struct crypto_input input = {
            .op = CRYPTO_ENCRYPT,
            .params = {.mode = v->mode, .padding = v->padding, .tag_len = (int32_t)tag.len},
            .data = unhex(v->plain),
            .iv = unhex(v->iv),
            .aad = unhex(v->aad),
        };
        struct bytes plain = input.data;
        assert_ok(crypto_can(&key, CRYPTO_ENCRYPT, &input.params, NULL));
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_true(bytes_equal(buf_view(&to), sealed));
        assert_true(bytes_equal(bytes_of(output.tag, output.tag_len), tag));
        to.len = 0;
        input.op = CRYPTO_DECRYPT;
        input.data = sealed;
        input.tag = tag;
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_true(bytes_equal(buf_view(&to), plain));
    }
}

static void wrong_tags_give_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const struct vector *v = &vectors[i];
        if (v->tag[0] == '\0')
            continue;
        struct crypto_key key = {CRYPTO_SYMMETRIC, v->alg, unhex(v->key)};
        uint8_t tag[16];
        struct bytes good = unhex(v->tag);
        AUTO(buf_done) struct buf to = {0};
        assert_ok(buf_append(&to, bytes_str("before")));
        struct crypto_output output = {.data = &to};
        struct crypto_input input = {.op = CRYPTO_DECRYPT,
                                     .params = {.mode = v->mode},
                                     .data = unhex(v->sealed),
                                     .iv = unhex(v->iv),
                                     .aad = unhex(v->aad)};
        for (size_t bit = 0; bit < good.len * 8; bit++) {
            memcpy(tag, good.data, good.len);
            tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
            input.tag = bytes_of(tag, good.len);
            assert_err(crypto_use(&key, &input, &output, NULL), ERR_DECRYPT);
            assert_int_equal(to.len, 6);
        }
        input.tag = good;
        input.aad = bytes_str("other");
        assert_err(crypto_use(&key, &input, &output, NULL), ERR_DECRYPT);
    }
}

static const struct combination {
    uint32_t alg, mode, padding;
    size_t key, iv;
} combinations[] = {
    {ALG_AES, MODE_CBC, 0, 16, 16},
    {ALG_AES, MODE_CBC, PADDING_PKCS5, 32, 16},
    {ALG_AES, MODE_CBC, PADDING_ANSI_X9_23, 24, 16},
    {ALG_AES, MODE_CBC, PADDING_ISO_10126, 16, 16},
    {ALG_AES, MODE_CBC, PADDING_SSL3, 16, 16},
    {ALG_AES, MODE_CBC, PADDING_ZEROS, 16, 16},
    {ALG_AES, MODE_ECB, PADDING_PKCS5, 16, 0},
    {ALG_AES, MODE_CFB, 0, 16, 16},
    {ALG_AES, MODE_OFB, 0, 16, 16},
    {ALG_AES, MODE_CTR, 0, 16, 16},
    {ALG_AES, MODE_GCM, 0, 32, 12},
    {ALG_AES, MODE_CCM, 0, 32, 12},
    {ALG_AES, MODE_XTS, 0, 64, 16},
    {ALG_CAMELLIA, MODE_CBC, PADDING_PKCS5, 24, 16},
    {ALG_CAMELLIA, MODE_CTR, 0, 32, 16},
    {ALG_ARIA, MODE_GCM, 0, 16, 12},
    {ALG_ARIA, MODE_CFB, 0, 24, 16},
    {ALG_DES3, MODE_CBC, PADDING_PKCS5, 24, 8},
    {ALG_DES3, MODE_CBC, PADDING_ISO_10126, 16, 8},
    {ALG_DES3, MODE_OFB, 0, 24, 8},
    {ALG_DES, MODE_CFB, 0, 8, 8},
    {ALG_DES, MODE_CBC, PADDING_PKCS5, 8, 8},
    {ALG_CHACHA20, 0, 0, 32, 8},
    {ALG_CHACHA20, 0, 0, 32, 12},
    {ALG_CHACHA20POLY1305, 0, 0, 32, 12},
    {ALG_CHACHA20, MODE_AEAD, 0, 32, 12},
};

static bool whole_blocks(const struct combination *c)
{
    return c->padding == 0 && (c->mode == MODE_CBC || c->mode == MODE_ECB);
}

static bool no_pieces(const struct combination *c)
{
    return c->mode == MODE_CCM || c->mode == MODE_XTS;
}

static void in_pieces(const struct crypto_key *key, struct crypto_input input, struct bytes data,
                      size_t step, struct bytes tag, struct crypto_output *output, enum err want)
{
    AUTO(crypto_stream_freep) struct crypto_stream *stream = NULL;
    input.data = (struct bytes){0};
    assert_ok(crypto_stream_begin(key, &input, output, &stream, NULL));
    for (size_t at = 0; at < data.len; at += step) {
        size_t now = data.len - at < step ? data.len - at : step;
        assert_ok(crypto_stream_update(stream, bytes_of(data.data + at, now), output->data, NULL));
    }
    assert_err(crypto_stream_end(stream, tag, output, NULL), want);
    assert_err(crypto_stream_update(stream, BYTES("x"), output->data, NULL), ERR_STATE);
    assert_err(crypto_stream_end(stream, tag, output, NULL), ERR_STATE);
}

static void there_and_back(const struct combination *c, size_t len)
{
    uint8_t material[64];
    uint8_t iv[16];
    uint8_t text[100];
    for (size_t i = 0; i < sizeof material; i++)
        material[i] = (uint8_t)(7 * i + 1);
    memset(iv, 0xfe, sizeof iv);
    memset(text, 0x61, sizeof text);
    struct crypto_key key = {CRYPTO_SYMMETRIC, c->alg, bytes_of(material, c->key)};
    struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                 .params = {.mode = c->mode, .padding = c->padding},
                                 .data = bytes_of(text, len),
                                 .iv = bytes_of(iv, c->iv)};
    AUTO(buf_done) struct buf sealed = {0};
    AUTO(buf_done) struct buf plain = {0};
    struct crypto_output out = {.data = &sealed};
    struct crypto_output back = {.data = &plain};
    assert_ok(crypto_use(&key, &input, &out, NULL));
    for (size_t step = 1; step < 40 && !no_pieces(c); step += 6) {
        AUTO(buf_done) struct buf again = {0};
        struct crypto_output pieces = {.data = &again};
        in_pieces(&key, input, input.data, step, (struct bytes){0}, &pieces, ERR_OK);
        assert_int_equal(again.len, sealed.len);
        if (c->padding != PADDING_ISO_10126)
            assert_memory_equal(again.data, sealed.data, sealed.len);
        assert_int_equal(pieces.tag_len, out.tag_len);
        assert_memory_equal(pieces.tag, out.tag, out.tag_len);
    }
    input.op = CRYPTO_DECRYPT;
    input.data = buf_view(&sealed);
    input.tag = bytes_of(out.tag, out.tag_len);
    assert_ok(crypto_use(&key, &input, &back, NULL));
    assert_int_equal(plain.len, len);
    assert_memory_equal(plain.data, text, len);
    for (size_t step = 1; step < 40 && !no_pieces(c); step += 6) {
        plain.len = 0;
        in_pieces(&key, input, buf_view(&sealed), step, input.tag, &back, ERR_OK);
        assert_int_equal(plain.len, len);
        assert_memory_equal(plain.data, text, len);
        uint8_t wrong[16] = {0};
        if (out.tag_len != 0)
            in_pieces(&key, input, buf_view(&sealed), step, BYTES(wrong), &back, ERR_DECRYPT);
    }
}

static void pieces_are_as_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(combinations); i++)
        for (size_t len = 0; len <= 48; len++) {
            if (whole_blocks(&combinations[i]) && len % 16 != 0)
                continue;
            if (combinations[i].mode == MODE_XTS && len < 16)
                continue;
            there_and_back(&combinations[i], len);
        }
}

/* SP 800-38A, B.1: a counter of 8 bits begins anew without a carry into the rest. */
static void narrow_counters(void **state)
{
    (void)state;
    uint8_t material[16] = {9};
    uint8_t zeros[16 * 4] = {0};
    struct crypto_key key = {CRYPTO_SYMMETRIC, ALG_AES, BYTES(material)};
    AUTO(buf_done) struct buf got = {0};
    struct crypto_output output = {.data = &got};
    struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                 .params = {.mode = MODE_CTR, .counter_len = 8},
                                 .data = BYTES(zeros),
                                 .iv = unhex("aabbccddaabbccddaabbccddaabbccfe")};
    assert_ok(crypto_use(&key, &input, &output, NULL));
    const char *counters = "aabbccddaabbccddaabbccddaabbccfeaabbccddaabbccddaabbccddaabbccff"
                           "aabbccddaabbccddaabbccddaabbcc00aabbccddaabbccddaabbccddaabbcc01";
    AUTO(buf_done) struct buf want = {0};
    struct crypto_output blocks = {.data = &want};
    struct crypto_input ecb = {
        .op = CRYPTO_ENCRYPT, .params = {.mode = MODE_ECB}, .data = unhex(counters)};
    assert_ok(crypto_use(&key, &ecb, &blocks, NULL));
    assert_true(bytes_equal(buf_view(&got), buf_view(&want)));
    for (size_t step = 1; step < 40; step += 3) {
        got.len = 0;
        in_pieces(&key, input, BYTES(zeros), step, (struct bytes){0}, &output, ERR_OK);
        assert_true(bytes_equal(buf_view(&got), buf_view(&want)));
    }
    static uint8_t many[257 * 16];
    input.data = bytes_of(many, 256 * 16);
    assert_ok(crypto_use(&key, &input, &output, NULL));
    input.data = BYTES(many);
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_LIMIT);
}

static void random_ivs(void **state)
{
    (void)state;
    uint8_t material[32] = {3};
    for (size_t i = 0; i < ARRAY_LEN(combinations); i++) {
        const struct combination *c = &combinations[i];
        if (c->mode == MODE_ECB || c->key > 32)
            continue;
        struct crypto_key key = {CRYPTO_SYMMETRIC, c->alg, bytes_of(material, c->key)};
        AUTO(buf_done) struct buf to = {0};
        AUTO(buf_done) struct buf back = {0};
        struct crypto_output output = {.data = &to};
        struct crypto_input input = {
            .op = CRYPTO_ENCRYPT,
            .params = {.mode = c->mode, .padding = c->padding, .random_iv = true},
            .data = bytes_str("sixteen bytes...")};
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_true(output.iv_len >= 8);
        struct crypto_output other = {.data = &back};
        input.op = CRYPTO_DECRYPT;
        input.data = buf_view(&to);
        input.tag = bytes_of(output.tag, output.tag_len);
        assert_err(crypto_use(&key, &input, &other, NULL), ERR_IV_MISSING);
        input.iv = bytes_of(output.iv, output.iv_len);
        assert_ok(crypto_use(&key, &input, &other, NULL));
        assert_true(bytes_equal(buf_view(&back), bytes_str("sixteen bytes...")));
    }
}

static enum err try(uint32_t alg, size_t key_len, size_t iv_len, size_t len,
                    struct crypto_params params)
{
    static const uint8_t material[128] = {1, 2, 3};
    static const uint8_t data[64];
    struct crypto_key key = {CRYPTO_SYMMETRIC, alg, bytes_of(material, key_len)};
    AUTO(buf_done) struct buf to = {0};
    struct crypto_output output = {.data = &to};
    struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                 .params = params,
                                 .data = bytes_of(data, len),
                                 .iv = bytes_of(data, iv_len)};
    enum err err = crypto_use(&key, &input, &output, NULL);
    if (err != ERR_OK)
        assert_int_equal(to.len, 0);
    return err;
}

static void refusals(void **state)
{
    (void)state;
    struct crypto_params none = {0};
    struct crypto_params gcm = {.mode = MODE_GCM};
    struct crypto_params pkcs5 = {.padding = PADDING_PKCS5};
    assert_ok(try(ALG_AES, 16, 16, 16, none));
    assert_err(try(ALG_AES, 16, 16, 15, none), ERR_ARGUMENT);
    assert_err(try(ALG_AES, 16, 0, 16, none), ERR_IV_MISSING);
    assert_err(try(ALG_AES, 16, 12, 16, none), ERR_ARGUMENT);
    assert_err(try(ALG_AES, 15, 16, 16, none), ERR_KEY_FORM);
    assert_err(try(ALG_AES, 0, 16, 16, none), ERR_KEY_FORM);
    assert_err(try(ALG_DES3, 20, 8, 16, none), ERR_KEY_FORM);
    assert_err(try(ALG_RSA, 16, 16, 16, none), ERR_UNSUPPORTED);
    assert_err(try(0, 16, 16, 16, none), ERR_UNSUPPORTED);
    assert_err(try(ALG_AES, 16, 16, 16, (struct crypto_params){.mode = MODE_PCBC}),
               ERR_UNSUPPORTED);
    assert_err(try(ALG_AES, 16, 16, 16, (struct crypto_params){.mode = MODE_NISTKEYWRAP}),
               ERR_UNSUPPORTED);
    assert_err(try(ALG_AES, 16, 16, 16, (struct crypto_params){.padding = PADDING_OAEP}),
               ERR_UNSUPPORTED);
    assert_err(try(ALG_AES, 16, 12, 16,
                   (struct crypto_params){.mode = MODE_GCM, .padding = PADDING_PKCS5}),
               ERR_ARGUMENT);
    static const int32_t tags[] = {1, 11, 17, 32, -1};
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        gcm.tag_len = tags[i];
        assert_err(try(ALG_AES, 16, 12, 16, gcm), ERR_LIMIT);
    }
    assert_err(try(ALG_AES, 64, 16, 8, (struct crypto_params){.mode = MODE_XTS}), ERR_ARGUMENT);
    assert_err(try(ALG_CHACHA20, 32, 11, 8, none), ERR_ARGUMENT);
    assert_err(try(ALG_CHACHA20, 31, 12, 8, none), ERR_KEY_FORM);
    assert_err(try(ALG_CHACHA20, 32, 12, 8, pkcs5), ERR_ARGUMENT);
    assert_err(try(ALG_DES3, 24, 8, 8, (struct crypto_params){.mode = MODE_GCM}), ERR_UNSUPPORTED);
    struct crypto_key secret = {CRYPTO_SECRET, ALG_AES, BYTES("0123456789abcdef")};
    assert_err(crypto_can(&secret, CRYPTO_ENCRYPT, &none, NULL), ERR_ARGUMENT);
    secret.class = CRYPTO_SYMMETRIC;
    assert_err(crypto_can(&secret, CRYPTO_SIGN, &none, NULL), ERR_ARGUMENT);
}

/* All wrong paddings get one answer. */
static void wrong_paddings(void **state)
{
    (void)state;
    struct crypto_key key = {CRYPTO_SYMMETRIC, ALG_AES, unhex(KEY16)};
    static const struct {
        uint32_t padding;
        const char *block;
    } wrong[] = {
        {PADDING_PKCS5, "00000000000000000000000000000000"},
        {PADDING_PKCS5, "11111111111111111111111111111111"},
        {PADDING_PKCS5, "00000000000000000000000000020303"},
        {PADDING_PKCS5, "000000000000000000000000000000ff"},
        {PADDING_ANSI_X9_23, "00000000000000000000000000000103"},
        {PADDING_ANSI_X9_23, "00000000000000000000000000000000"},
        {PADDING_ISO_10126, "00000000000000000000000000000011"},
        {PADDING_SSL3, "00000000000000000000000000000010"},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        AUTO(buf_done) struct buf sealed = {0};
        AUTO(buf_done) struct buf plain = {0};
        struct crypto_output output = {.data = &sealed};
        struct crypto_input input = {
            .op = CRYPTO_ENCRYPT, .params = {.mode = MODE_ECB}, .data = unhex(wrong[i].block)};
        struct err_detail detail = {0};
        assert_ok(crypto_use(&key, &input, &output, NULL));
        input.op = CRYPTO_DECRYPT;
        input.params.padding = wrong[i].padding;
        input.data = buf_view(&sealed);
        output.data = &plain;
        assert_err(crypto_use(&key, &input, &output, &detail), ERR_DECRYPT);
        assert_string_equal(detail.text, err_text(ERR_DECRYPT));
        assert_int_equal(plain.len, 0);
        input.data.len = 15;
        assert_err(crypto_use(&key, &input, &output, &detail), ERR_ARGUMENT);
        input.data.len = 0;
        assert_err(crypto_use(&key, &input, &output, &detail), ERR_ARGUMENT);
    }
}

static void openssl_agrees(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    static const struct {
        uint32_t alg, mode;
        size_t key, iv;
        const char *name;
    } peers[] = {
        {ALG_DES3, MODE_CBC, 24, 8, "des-ede3-cbc"},
        {ALG_DES3, MODE_CBC, 16, 8, "des-ede-cbc"},
        {ALG_AES, MODE_CBC, 24, 16, "aes-192-cbc"},
        {ALG_CAMELLIA, MODE_CBC, 32, 16, "camellia-256-cbc"},
        {ALG_ARIA, MODE_CBC, 24, 16, "aria-192-cbc"},
    };
    char *dir = test_tempdir();
    put_file(dir, "plain", bytes_str("a text that is no multiple of the block"));
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        uint8_t material[32];
        uint8_t iv[16];
        char key_text[65];
        char iv_text[33];
        assert_ok(random_bytes(material, sizeof material));
        assert_ok(random_bytes(iv, sizeof iv));
        hex_encode(bytes_of(material, peers[i].key), key_text);
        hex_encode(bytes_of(iv, peers[i].iv), iv_text);
        assert_int_equal(shell("openssl enc -e -%s -K %s -iv %s -in %s/plain -out %s/sealed",
                               peers[i].name, key_text, iv_text, dir, dir),
                         0);
        AUTO(buf_done) struct buf sealed = {0};
        AUTO(buf_done) struct buf plain = {0};
        get_file(dir, "sealed", &sealed);
        struct crypto_key key = {CRYPTO_SYMMETRIC, peers[i].alg, bytes_of(material, peers[i].key)};
        struct crypto_output output = {.data = &plain};
        struct crypto_input input = {.op = CRYPTO_DECRYPT,
                                     .params = {.mode = peers[i].mode, .padding = PADDING_PKCS5},
                                     .data = buf_view(&sealed),
                                     .iv = bytes_of(iv, peers[i].iv)};
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_true(
            bytes_equal(buf_view(&plain), bytes_str("a text that is no multiple of the block")));
    }
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(known_answers), cmocka_unit_test(wrong_tags_give_nothing),
          cmocka_unit_test(pieces_are_as_the_whole), cmocka_unit_test(narrow_counters),
          cmocka_unit_test(random_ivs), cmocka_unit_test(refusals),
          cmocka_unit_test(wrong_paddings), cmocka_unit_test(openssl_agrees))

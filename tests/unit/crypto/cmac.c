#include "crypto/cmac.h"

#include "crypto/random.h"
#include "tools.h"

#define MESSAGE                                                                                    \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a" \
    "5"                                                                                            \
    "2eff69f2445df4f9b17ad2b417be66c3710"

static const struct vector {
    const char *key;
    size_t len;
    const char *mac;
} vectors[] = {
    /* RFC 4493, 4. */
    {"2b7e151628aed2a6abf7158809cf4f3c", 0, "bb1d6929e95937287fa37d129b756746"},
    {"2b7e151628aed2a6abf7158809cf4f3c", 16, "070a16b46b4d4144f79bdd9dd04a287c"},
    {"2b7e151628aed2a6abf7158809cf4f3c", 40, "dfa66747de9ae63030ca32611497c827"},
    {"2b7e151628aed2a6abf7158809cf4f3c", 64, "51f0bebf7e3b9d92fc49741779363cfe"},
    /* SP 800-38B, D.3. */
    {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 0,
     "028962f61b7bf89efc6b551f4667d983"},
    {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 16,
     "28a7023f452e8f82bd4bf28d8c37c35c"},
    {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 40,
     "aaf3d8f1de5640c232f5b169b9c911e6"},
    {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 64,
     "e1992190549f6ed5696a2c056c315410"},
};

static void published_vectors(void **state)
{
    (void)state;
    uint8_t message[64];
    memcpy(message, unhex(MESSAGE).data, sizeof message);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct cmac *cmac = NULL;
        uint8_t mac[CMAC_SIZE];
        struct bytes part = bytes_of(message, vectors[i].len);
        assert_ok(cmac_new(unhex(vectors[i].key), &cmac));
        for (int again = 0; again < 2; again++) {
            assert_ok(cmac_parts(cmac, &part, 1, mac));
            assert_hex(mac, vectors[i].mac);
            for (size_t step = 1; step <= part.len; step++) {
                cmac_begin(cmac);
                for (size_t at = 0; at < part.len; at += step)
                    assert_ok(
                        cmac_update(cmac, bytes_of(part.data + at,
                                                   part.len - at < step ? part.len - at : step)));
                assert_ok(cmac_end(cmac, mac));
                assert_hex(mac, vectors[i].mac);
            }
        }
        cmac_free(cmac);
    }
}

static void key_of_another_length_is_refused(void **state)
{
    (void)state;
    static const uint8_t key[33];
    struct cmac *cmac = NULL;
    for (size_t len = 0; len <= sizeof key; len++)
        if (len != 16 && len != 32)
            assert_err(cmac_new(bytes_of(key, len), &cmac), ERR_ARGUMENT);
    assert_null(cmac);
}

/* The gathered and the incremental way meet at 240 bytes; an unfinished message leaves no trace. */
static void long_and_short_ways_agree(void **state)
{
    (void)state;
    static uint8_t text[5000];
    static const uint8_t key[16] = {7};
    struct cmac *cmac = NULL;
    assert_ok(random_bytes(text, sizeof text));
    assert_ok(cmac_new(BYTES(key), &cmac));
    for (size_t len = 0; len <= sizeof text; len += len < 300 ? 1 : 97) {
        uint8_t a[CMAC_SIZE];
        uint8_t b[CMAC_SIZE];
        const struct bytes parts[] = {bytes_of(text, len / 3), bytes_of(NULL, 0),
                                      bytes_of(text + len / 3, len - len / 3)};
        assert_ok(cmac_parts(cmac, parts, 3, a));
        cmac_begin(cmac);
        assert_ok(cmac_update(cmac, bytes_of(text, len / 2)));
        cmac_begin(cmac);
        assert_ok(cmac_update(cmac, bytes_of(text, len)));
        assert_ok(cmac_end(cmac, b));
        assert_memory_equal(a, b, sizeof a);
    }
    cmac_free(cmac);
}

static void openssl_mac_agrees(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    static uint8_t text[100001];
    static const uint8_t key[32] = {0x42};
    struct cmac *cmac = NULL;
    uint8_t mac[CMAC_SIZE];
    struct bytes whole = BYTES(text);
    assert_ok(random_bytes(text, sizeof text));
    assert_ok(cmac_new(BYTES(key), &cmac));
    assert_ok(cmac_parts(cmac, &whole, 1, mac));
    cmac_free(cmac);
    char hex[65];
    hex_encode(BYTES(key), hex);
    put_file(dir, "text", whole);
    assert_int_equal(shell("openssl mac -cipher AES-256-CBC -macopt hexkey:%s -in %s/text -binary "
                           "-out %s/mac CMAC",
                           hex, dir, dir),
                     0);
    struct buf got = {0};
    get_file(dir, "mac", &got);
    assert_int_equal(got.len, sizeof mac);
    assert_memory_equal(got.data, mac, sizeof mac);
    buf_done(&got);
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(published_vectors), cmocka_unit_test(key_of_another_length_is_refused),
          cmocka_unit_test(long_and_short_ways_agree), cmocka_unit_test(openssl_mac_agrees))

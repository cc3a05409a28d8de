#include "crypto/kdf.h"

#include "tools.h"

/* Every length of output, against `openssl kdf ... KBKDF` (SP 800-108r1, 4.1). */
static void openssl_kdf_agrees(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    static const char *const keys[] = {
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};
    static const size_t lens[] = {1, 16, 17, 32, 100};
    struct bytes label = bytes_str("claviger node key");
    struct bytes context = unhex("6d6574726f000000000000010200"
                                 "00000001");
    char context_hex[128];
    hex_encode(context, context_hex);
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        struct kdf *kdf = NULL;
        assert_ok(kdf_new(unhex(keys[k]), &kdf));
        for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
            uint8_t out[100];
            assert_ok(kdf_derive(kdf, label, context, out, lens[i]));
            assert_int_equal(
                shell("openssl kdf -keylen %zu -kdfopt mac:CMAC -kdfopt cipher:AES-%s-CBC -kdfopt "
                      "hexkey:%s -kdfopt 'salt:claviger node key' -kdfopt hexinfo:%s -binary -out "
                      "%s/key KBKDF",
                      lens[i], k == 0 ? "128" : "256", keys[k], context_hex, dir),
                0);
            struct buf got = {0};
            get_file(dir, "key", &got);
            assert_int_equal(got.len, lens[i]);
            assert_memory_equal(got.data, out, lens[i]);
            buf_done(&got);
        }
        kdf_free(kdf);
    }
    test_tempdir_remove(dir);
}

static void limits(void **state)
{
    (void)state;
    static const uint8_t key[16];
    uint8_t out[1];
    struct kdf *kdf = NULL;
    assert_err(kdf_new(bytes_of(key, 15), &kdf), ERR_ARGUMENT);
    assert_ok(kdf_new(BYTES(key), &kdf));
    assert_err(kdf_derive(kdf, bytes_str("l"), bytes_str("c"), out, 0), ERR_LIMIT);
    assert_err(kdf_derive(kdf, bytes_str("l"), bytes_str("c"), out, KDF_OUT_MAX + 1), ERR_LIMIT);
    kdf_free(kdf);
    assert_err(kdf_hkdf_sha256(BYTES(key), bytes_str(""), bytes_str(""), out, 0), ERR_LIMIT);
    assert_err(kdf_hkdf_sha256(BYTES(key), bytes_str(""), bytes_str(""), out, 255 * 32 + 1),
               ERR_LIMIT);
}

static void hkdf_vectors(void **state)
{
    (void)state;
    /* RFC 5869, A.1 and A.3. */
    uint8_t out[42];
    struct bytes key = unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
    assert_ok(kdf_hkdf_sha256(key, unhex("000102030405060708090a0b0c"),
                              unhex("f0f1f2f3f4f5f6f7f8f9"), out, sizeof out));
    assert_hex(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                    "34007208d5b887185865");
    assert_ok(kdf_hkdf_sha256(key, bytes_str(""), bytes_str(""), out, sizeof out));
    assert_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                    "9d201395faa4b61a96c8");
}

TEST_MAIN(cmocka_unit_test(openssl_kdf_agrees), cmocka_unit_test(limits),
          cmocka_unit_test(hkdf_vectors))

#include "crypto/check_value.h"

#include "base/hex.h"
#include "support/test.h"

/* printf %s 'claviger kcv 1' | openssl mac -cipher AES-128-CBC -macopt hexkey:KEY CMAC
 * printf %s 'claviger kcv 1' | openssl mac -digest SHA256 -macopt hexkey:KEY HMAC */
static const struct {
    const char *key, *value;
} cases[] = {
    {"000102030405060708090a0b0c0d0e0f", "b0d975380beb63e8"},
    {"000102030405060708090a0b0c0d0e0f1011121314151617", "d35a6784879b32fb"},
};

static void first_bytes_of_a_mac(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t key[32], value[CHECK_VALUE_SIZE];
        char text[2 * CHECK_VALUE_SIZE + 1];
        size_t len = 0;
        assert_ok(hex_decode(bytes_str(cases[i].key), key, sizeof key, &len));
        assert_ok(check_value_of(bytes_of(key, len), value));
        hex_encode(BYTES(value), text);
        assert_string_equal(text, cases[i].value);
    }
}

static void other_lengths_have_none(void **state)
{
    (void)state;
    static const uint8_t key[33];
    uint8_t value[CHECK_VALUE_SIZE] = {1, 2, 3};
    for (size_t len = 0; len <= sizeof key; len++) {
        if (len != 16 && len != 24)
            assert_err(check_value_of(bytes_of(key, len), value), ERR_ARGUMENT);
    }
    assert_int_equal(value[0], 1);
}

TEST_MAIN(cmocka_unit_test(first_bytes_of_a_mac), cmocka_unit_test(other_lengths_have_none))

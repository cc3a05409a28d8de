#include "crypto/kcv.h"

#include "base/hex.h"
#include "support/test.h"

/* `head -c 16 /dev/zero | openssl enc -CIPHER -K KEY -nopad` */
static const struct {
    const char *key, *kcv;
} cases[] = {
    {"000102030405060708090a0b0c0d0e0f", "c6a13b"},
    {"0123456789abcdef23456789abcdef01456789abcdef0123", "4eba73"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "f29000"},
};

static void first_bytes_of_a_block_of_zeros(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t key[32], kcv[KCV_SIZE];
        char text[2 * KCV_SIZE + 1];
        size_t len = 0;
        assert_ok(hex_decode(bytes_str(cases[i].key), key, sizeof key, &len));
        assert_ok(kcv_of(bytes_of(key, len), kcv));
        hex_encode(BYTES(kcv), text);
        assert_string_equal(text, cases[i].kcv);
    }
}

static void other_lengths_have_none(void **state)
{
    (void)state;
    static const uint8_t key[33];
    uint8_t kcv[KCV_SIZE] = {1, 2, 3};
    for (size_t len = 0; len <= sizeof key; len++) {
        if (len != 16 && len != 24 && len != 32)
            assert_err(kcv_of(bytes_of(key, len), kcv), ERR_ARGUMENT);
    }
    assert_int_equal(kcv[0], 1);
}

TEST_MAIN(cmocka_unit_test(first_bytes_of_a_block_of_zeros),
          cmocka_unit_test(other_lengths_have_none))

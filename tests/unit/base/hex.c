#include "base/hex.h"

#include "support/test.h"

static void all_bytes_round_trip(void **state)
{
    (void)state;
    uint8_t all[256], back[256];
    char text[513];
    size_t len = 0;
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    hex_encode(BYTES(all), text);
    assert_memory_equal(text, "000102", 6);
    assert_memory_equal(text + 506, "fdfeff", 6);
    assert_ok(hex_decode(bytes_str(text), back, sizeof back, &len));
    assert_int_equal(len, 256);
    assert_memory_equal(all, back, 256);
    assert_ok(hex_decode(bytes_str("aBcDEf"), back, sizeof back, &len));
    assert_memory_equal(back, "\xab\xcd\xef", 3);
}

static void everything_else_is_refused(void **state)
{
    (void)state;
    uint8_t to[8];
    size_t len = 77;
    for (int c = 0; c < 256; c++) {
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        uint8_t pair[2] = {(uint8_t)c, '0'}, other[2] = {'0', (uint8_t)c};
        assert_err(hex_decode(BYTES(pair), to, sizeof to, &len), digit ? ERR_OK : ERR_SYNTAX);
        assert_err(hex_decode(BYTES(other), to, sizeof to, &len), digit ? ERR_OK : ERR_SYNTAX);
    }
    len = 77;
    assert_err(hex_decode(bytes_str("abc"), to, sizeof to, &len), ERR_SYNTAX);
    assert_err(hex_decode(bytes_str("0102"), to, 1, &len), ERR_LIMIT);
    assert_int_equal(len, 77);
}

TEST_MAIN(cmocka_unit_test(all_bytes_round_trip), cmocka_unit_test(everything_else_is_refused))

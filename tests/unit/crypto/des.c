#include "crypto/des.h"

#include "tools.h"

static void parity(void **state)
{
    (void)state;
    uint8_t all[256];
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    assert_false(des_parity_ok(BYTES(all)));
    des_parity_set(all, sizeof all);
    assert_true(des_parity_ok(BYTES(all)));
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(all[i] & 0xfe, i & 0xfe);
        assert_int_equal(__builtin_popcount(all[i]) % 2, 1);
    }
}

static void keys(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        enum err want;
    } rows[] = {
        {"0123456789abcdef23456789abcdef01456789abcdef0123", ERR_OK},
        {"0023456789abcdef23456789abcdef01456789abcdef0123", ERR_ARGUMENT}, /* parity */
        {"0123456789abcdef0123456789abcdef456789abcdef0123", ERR_ARGUMENT}, /* 1 = 2 */
        {"0123456789abcdef456789abcdef0123456789abcdef0123", ERR_ARGUMENT}, /* 2 = 3 */
        {"0123456789abcdef23456789abcdef010123456789abcdef", ERR_ARGUMENT}, /* 1 = 3 */
        {"010101010101010123456789abcdef01456789abcdef0123", ERR_ARGUMENT}, /* weak */
        {"0123456789abcdef01e001e001f101f1456789abcdef0123", ERR_ARGUMENT}, /* semi-weak */
        {"0123456789abcdef23456789abcdef01fee0fee0fef1fef1", ERR_ARGUMENT}, /* semi-weak */
        {"0123456789abcdef23456789abcdef01456789abcdef01", ERR_ARGUMENT},   /* short */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_err(des3_check(unhex(rows[i].key), NULL), rows[i].want);
}

static void generated_keys_are_good(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct secret *key = NULL;
        assert_ok(des3_generate(&key));
        assert_int_equal(secret_len(key), DES3_KEY_SIZE);
        assert_ok(des3_check(secret_view(key), NULL));
        secret_free(key);
    }
}

TEST_MAIN(cmocka_unit_test(parity), cmocka_unit_test(keys),
          cmocka_unit_test(generated_keys_are_good))

#include "crypto/x931.h"

#include "tools.h"

/* Three blocks computed with `openssl enc -aes-256-ecb`, step by step. */
static void blocks_are_those_of_the_definition(void **state)
{
    (void)state;
    struct x931 x931;
    assert_ok(x931_init(
        &x931, unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").data,
        unhex("80000000000000000000000000000000").data,
        unhex("e6b3be782a23fa62d71d4afbb0e922fb").data));
    uint8_t got[48];
    assert_ok(x931_bytes(&x931, got, sizeof got));
    assert_memory_equal(got,
                        unhex("3f5c0b5f8433e0f6339ac313bbb5416f34d1cc0f3df9d80be8995bd6de984e0e"
                              "d71274d55dea5d8fb3e361123fe23beb")
                            .data,
                        sizeof got);
    x931_done(&x931);
}

static void time_carries_over(void **state)
{
    (void)state;
    struct x931 x931;
    uint8_t key[X931_KEY] = {1};
    uint8_t seed[X931_BLOCK] = {2};
    uint8_t time[X931_BLOCK];
    memset(time, 0xff, sizeof time);
    assert_ok(x931_init(&x931, key, seed, time));
    uint8_t got[X931_BLOCK];
    assert_ok(x931_bytes(&x931, got, sizeof got));
    static const uint8_t zero[X931_BLOCK];
    assert_memory_equal(x931.time, zero, sizeof zero);
    x931_done(&x931);
}

static void keys_are_of_any_length_and_differ(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 16, 17, 32, 4096};
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        AUTO(secret_freep) struct secret *first = NULL;
        AUTO(secret_freep) struct secret *second = NULL;
        assert_ok(x931_secret(lens[i], &first));
        assert_ok(x931_secret(lens[i], &second));
        assert_int_equal(secret_len(first), lens[i]);
        if (lens[i] >= 16)
            assert_false(secret_equal(secret_view(first), secret_view(second)));
    }
}

TEST_MAIN(cmocka_unit_test(blocks_are_those_of_the_definition), cmocka_unit_test(time_carries_over),
          cmocka_unit_test(keys_are_of_any_length_and_differ))

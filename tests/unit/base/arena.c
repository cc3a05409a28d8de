#include "base/arena.h"

#include "support/test.h"

static void memory_is_zeroed_and_bounded(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = NULL;
    assert_ok(arena_new(64 * 1024, &arena));
    uint8_t *first = arena_take(arena, 100);
    assert_non_null(first);
    for (int i = 0; i < 100; i++)
        assert_int_equal(first[i], 0);
    assert_non_null(arena_take(arena, 40000));
    assert_null(arena_take(arena, 40000));
    assert_null(arena_take(arena, SIZE_MAX));
}

static void reset_wipes_what_was_taken(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = NULL;
    assert_ok(arena_new(4096, &arena));
    char *secret = arena_strndup(arena, "secret", 6);
    arena_reset(arena);
    assert_int_equal(secret[0], 0);
    assert_int_equal(secret[5], 0);
    assert_ptr_equal(arena_take(arena, 16), secret);
}

static void bytes_are_copied(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = NULL;
    assert_ok(arena_new(4096, &arena));
    struct bytes value = bytes_of("a\0b", 3), copy = {0};
    assert_ok(arena_copy(arena, value, &copy));
    assert_ptr_not_equal(copy.data, value.data);
    assert_true(bytes_equal(copy, value));
    assert_int_equal(copy.data[3], 0);
    assert_ok(arena_copy(arena, copy, &copy));
    assert_true(bytes_equal(copy, value));
    struct bytes none = {0};
    assert_ok(arena_copy(arena, none, &none));
    assert_int_equal(none.len, 0);
    assert_non_null(none.data);
    static const uint8_t big[4096];
    assert_err(arena_copy(arena, BYTES(big), &copy), ERR_NO_MEMORY);
    assert_true(bytes_equal(copy, value));
}

TEST_MAIN(cmocka_unit_test(memory_is_zeroed_and_bounded),
          cmocka_unit_test(reset_wipes_what_was_taken), cmocka_unit_test(bytes_are_copied))

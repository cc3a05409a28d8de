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

TEST_MAIN(cmocka_unit_test(memory_is_zeroed_and_bounded),
          cmocka_unit_test(reset_wipes_what_was_taken))

#include "base/secret.h"

#include <stdio.h>

#include "support/test.h"

static void secrets_hold_and_compare(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *a = NULL;
    AUTO(secret_freep) struct secret *b = NULL;
    assert_ok(secret_dup(bytes_str("0123456789abcdef"), &a));
    assert_ok(secret_dup(secret_view(a), &b));
    assert_true(secret_equal(secret_view(a), secret_view(b)));
    secret_data(b)[15] ^= 1;
    assert_false(secret_equal(secret_view(a), secret_view(b)));
    secret_shrink(b, 15);
    assert_int_equal(secret_len(b), 15);
    assert_false(secret_equal(secret_view(a), secret_view(b)));
}

static void freed_slots_come_back_wiped(void **state)
{
    (void)state;
    struct secret *a = NULL;
    assert_ok(secret_dup(bytes_str("to be forgotten, all of it"), &a));
    const uint8_t *at = secret_data(a);
    secret_free(a);
    AUTO(secret_freep) struct secret *b = NULL;
    assert_ok(secret_new(26, &b));
    assert_ptr_equal(secret_data(b), at);
    for (int i = 0; i < 26; i++)
        assert_int_equal(at[i], 0);
}

static void all_sizes_up_to_the_limit(void **state)
{
    (void)state;
    for (size_t len = 0; len <= SECRET_MAX; len = len * 3 + 1) {
        AUTO(secret_freep) struct secret *s = NULL;
        assert_ok(secret_new(len, &s));
        memset(secret_data(s), 0xa5, len);
        assert_int_equal(secret_len(s), len);
    }
    struct secret *s = NULL;
    assert_err(secret_new(SECRET_MAX + 1, &s), ERR_LIMIT);
    assert_null(s);
    secret_free(NULL);
}

static void pages_are_locked(void **state)
{
    (void)state;
    if (TEST_SANITIZED)
        skip();
    AUTO(secret_freep) struct secret *s = NULL;
    assert_ok(secret_new(32, &s));
    FILE *f = fopen("/proc/self/status", "re");
    assert_non_null(f);
    char line[256];
    long locked = -1;
    while (fgets(line, sizeof line, f) != NULL)
        (void)sscanf(line, "VmLck: %ld kB", &locked);
    (void)fclose(f);
    assert_true(locked >= 64);
}

TEST_MAIN(cmocka_unit_test(secrets_hold_and_compare), cmocka_unit_test(freed_slots_come_back_wiped),
          cmocka_unit_test(all_sizes_up_to_the_limit), cmocka_unit_test(pages_are_locked))

#include "api/lockout.h"

#include <stdio.h>

#include "support/test.h"

static struct lockout *lockout;

static int begin(void **state)
{
    (void)state;
    assert_ok(lockout_new(&lockout));
    return 0;
}

static int end(void **state)
{
    (void)state;
    lockout_free(lockout);
    return 0;
}

/* One wrong password, where it may be tried. */
static enum err try(const char *name, const char *source, bool device, int64_t now)
{
    int64_t wait = 0;
    enum err err = lockout_try(lockout, name, source, device, now, &wait);
    assert_int_equal(err == ERR_OK, wait == 0);
    return err;
}

/* The same by somebody patient: as soon as it may be tried; gives the time. */
static int64_t guess(const char *name, const char *source, int64_t now)
{
    int64_t wait = 0;
    if (lockout_try(lockout, name, source, false, now, &wait) == ERR_OK)
        return now;
    assert_in_range(wait, 1, LOCKOUT_WAIT_MAX_S);
    assert_ok(try(name, source, false, now + wait));
    return now + wait;
}

static void the_first_ones_cost_nothing_then_each_waits_longer(void **state)
{
    (void)state;
    int64_t now = 1000, wait = 0;
    for (int i = 0; i < LOCKOUT_FREE; i++)
        assert_ok(try("admin", "192.0.2.7", false, now));
    for (int64_t expected = 1; expected < 512; expected *= 2) {
        assert_err(lockout_try(lockout, "admin", "192.0.2.7", false, now, &wait), ERR_RATE);
        assert_int_equal(wait, expected);
        /* to try while waiting makes it no longer */
        assert_err(try("admin", "192.0.2.7", false, now + expected - 1), ERR_RATE);
        now += expected;
        assert_ok(try("admin", "192.0.2.7", false, now));
    }
}

static void the_wait_has_an_end(void **state)
{
    (void)state;
    int64_t now = 0, wait = 0;
    for (int i = 0; i < 60; i++)
        now = guess("admin", "192.0.2.7", now);
    assert_err(lockout_try(lockout, "admin", "192.0.2.7", false, now, &wait), ERR_RATE);
    assert_ok(try("admin", "192.0.2.7", false, now + LOCKOUT_WAIT_MAX_S));
}

static void an_outsider_locks_nobody_out(void **state)
{
    (void)state;
    int64_t now = 0;
    for (int i = 0; i < 100; i++)
        now = guess("admin", "198.51.100.66", now);
    assert_err(try("admin", "198.51.100.66", false, now), ERR_RATE);
    /* the administrator, from where he is */
    assert_ok(try("admin", "192.0.2.7", false, now));
    lockout_right(lockout, "admin", "192.0.2.7", false);
    /* and from the outsider's own network, with a browser that he has logged in with before */
    assert_ok(try("admin", "device 00112233", true, now));
    lockout_right(lockout, "admin", "device 00112233", true);
    assert_err(try("admin", "198.51.100.66", false, now), ERR_RATE);
}

static void a_stolen_browser_may_guess_no_more_than_others(void **state)
{
    (void)state;
    for (int i = 0; i < LOCKOUT_FREE; i++)
        assert_ok(try("admin", "device 00112233", true, 0));
    assert_err(try("admin", "device 00112233", true, 0), ERR_RATE);
    assert_ok(try("admin", "device 44556677", true, 0));
}

static void many_names_from_one_address_wait_too(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < LOCKOUT_SOURCE_FREE; i++) {
        (void)snprintf(name, sizeof name, "user%d", i);
        assert_ok(try(name, "198.51.100.66", false, 0));
    }
    assert_err(try("another", "198.51.100.66", false, 0), ERR_RATE);
    assert_ok(try("another", "192.0.2.7", false, 0));
    assert_ok(try("another", "198.51.100.66", false, 1));
}

static void a_right_one_forgets_the_pair_not_the_address(void **state)
{
    (void)state;
    for (int i = 0; i < LOCKOUT_FREE; i++)
        assert_ok(try("admin", "192.0.2.7", false, 0));
    assert_ok(try("admin", "192.0.2.7", false, 1));
    lockout_right(lockout, "admin", "192.0.2.7", false);
    for (int i = 0; i < LOCKOUT_FREE; i++)
        assert_ok(try("admin", "192.0.2.7", false, 1));
    assert_err(try("admin", "192.0.2.7", false, 1), ERR_RATE);
    /* who has an account of his own can't wash away what he guesses at others' */
    char name[16];
    for (int i = 0; i < LOCKOUT_SOURCE_FREE; i++) {
        (void)snprintf(name, sizeof name, "user%d", i);
        if (try(name, "198.51.100.66", false, 0) == ERR_OK &&
            try("mine", "198.51.100.66", false, 0) == ERR_OK)
            lockout_right(lockout, "mine", "198.51.100.66", false);
    }
    assert_err(try("mine", "198.51.100.66", false, 0), ERR_RATE);
}

static void it_is_forgotten_after_a_day(void **state)
{
    (void)state;
    unsigned failed = 0;
    for (int i = 0; i < LOCKOUT_FREE; i++)
        assert_ok(try("admin", "192.0.2.7", false, 0));
    assert_int_equal(lockout_until(lockout, "admin", 0, &failed), 1);
    assert_int_equal(failed, LOCKOUT_FREE);
    assert_int_equal(lockout_until(lockout, "admin", LOCKOUT_FORGET_S, &failed), 0);
    assert_int_equal(failed, 0);
    for (int i = 0; i < LOCKOUT_FREE; i++)
        assert_ok(try("admin", "192.0.2.7", false, LOCKOUT_FORGET_S));
    assert_err(try("admin", "192.0.2.7", false, LOCKOUT_FORGET_S), ERR_RATE);
}

static void what_was_not_looked_at_does_not_count(void **state)
{
    (void)state;
    for (int i = 0; i < 10 * LOCKOUT_FREE; i++) {
        assert_ok(try("admin", "192.0.2.7", false, 0));
        lockout_undo(lockout, "admin", "192.0.2.7", false);
    }
}

static void a_full_table_forgets_the_oldest(void **state)
{
    (void)state;
    char source[32];
    for (int i = 0; i < LOCKOUT_FREE; i++)
        assert_ok(try("admin", "192.0.2.7", false, 0));
    for (int i = 0; i < LOCKOUT_ENTRIES; i++) {
        (void)snprintf(source, sizeof source, "10.0.%d.%d", i / 256, i % 256);
        assert_ok(try("admin", source, false, 1 + i));
    }
    assert_ok(try("admin", "192.0.2.7", false, 1));
}

static void addresses_lose_their_port_and_half_of_version_6(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"192.0.2.7:40312", "192.0.2.7"},
        {"[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2::/64"},
        {"[::1]:443", "::/64"},
        {"2001:db8::1", "2001:db8::/64"},
        {"[::ffff:192.0.2.7]:80", "::ffff:192.0.2.7"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char source[LOCKOUT_SOURCE_MAX];
        lockout_address(cases[i][0], source);
        assert_string_equal(source, cases[i][1]);
    }
}

TEST_MAIN(
    cmocka_unit_test_setup_teardown(the_first_ones_cost_nothing_then_each_waits_longer, begin, end),
    cmocka_unit_test_setup_teardown(the_wait_has_an_end, begin, end),
    cmocka_unit_test_setup_teardown(an_outsider_locks_nobody_out, begin, end),
    cmocka_unit_test_setup_teardown(a_stolen_browser_may_guess_no_more_than_others, begin, end),
    cmocka_unit_test_setup_teardown(many_names_from_one_address_wait_too, begin, end),
    cmocka_unit_test_setup_teardown(a_right_one_forgets_the_pair_not_the_address, begin, end),
    cmocka_unit_test_setup_teardown(it_is_forgotten_after_a_day, begin, end),
    cmocka_unit_test_setup_teardown(what_was_not_looked_at_does_not_count, begin, end),
    cmocka_unit_test_setup_teardown(a_full_table_forgets_the_oldest, begin, end),
    cmocka_unit_test_setup_teardown(addresses_lose_their_port_and_half_of_version_6, begin, end))

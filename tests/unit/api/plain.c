#include "api/plain.h"

#include "support/test.h"

static bool allowed(const char *network, const char *address)
{
    const char *items[] = {network};
    const struct settings_list list = {1, items};
    assert_ok(api_plain_check(&list, NULL));
    return api_plain_allowed(&list, address);
}

static void addresses_and_networks_are_known(void **state)
{
    (void)state;
    assert_true(allowed("127.0.0.1", "127.0.0.1:40312"));
    assert_false(allowed("127.0.0.1", "127.0.0.2:40312"));
    assert_true(allowed("10.1.2.0/24", "10.1.2.255:1"));
    assert_false(allowed("10.1.2.0/24", "10.1.3.0:1"));
    assert_true(allowed("10.1.2.4/31", "10.1.2.5:1"));
    assert_false(allowed("10.1.2.4/31", "10.1.2.6:1"));
    assert_true(allowed("0.0.0.0/0", "192.0.2.7:1"));
    assert_false(allowed("0.0.0.0/0", "[2001:db8::1]:1"));
    assert_true(allowed("fd00::/8", "[fd12::9]:1"));
    assert_false(allowed("fd00::/8", "[fe80::9]:1"));
    assert_true(allowed("::1", "[::1]:9"));
    assert_false(allowed("::/0", "unix"));
    assert_false(api_plain_allowed(&(struct settings_list){0}, "127.0.0.1:1"));
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "localhost",   "10.1.2",      "10.1.2.3/33",
                                      "10.1.2.3/", "10.1.2.3/-1", "10.1.2.3/8x", "fd00::/129",
                                      "/8",        "10.1.2.3 ",   "10.1.2.3/ 8"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *items[] = {bad[i]};
        const struct settings_list list = {1, items};
        assert_err(api_plain_check(&list, NULL), ERR_CONFIG);
        assert_false(api_plain_allowed(&list, "10.1.2.3:1"));
    }
}

static void a_caller_is_named_by_its_address(void **state)
{
    (void)state;
    char name[64];
    api_plain_name("192.0.2.7:40312", name, sizeof name);
    assert_string_equal(name, "192.0.2.7");
    api_plain_name("[2001:db8::1]:40312", name, sizeof name);
    assert_string_equal(name, "2001:db8::1");
    api_plain_name("2001:db8::1", name, sizeof name);
    assert_string_equal(name, "2001:db8::1");
}

TEST_MAIN(cmocka_unit_test(addresses_and_networks_are_known),
          cmocka_unit_test(what_is_no_network_is_refused),
          cmocka_unit_test(a_caller_is_named_by_its_address))

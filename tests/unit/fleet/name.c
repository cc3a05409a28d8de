#include "fleet/name.h"

#include "support/test.h"

static void names(void **state)
{
    (void)state;
    char longest[FLEET_NAME_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    assert_ok(fleet_name_check(bytes_str("metro-east"), NULL));
    assert_ok(fleet_name_check(bytes_str("7"), NULL));
    assert_ok(fleet_name_check(bytes_of(longest, FLEET_NAME_MAX), NULL));
    static const char *const bad[] = {"",   "Metro", "metro_east", "-a",
                                      "a-", "a b",   "a/b",        "\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(fleet_name_check(bytes_str(bad[i]), NULL), ERR_ARGUMENT);
    assert_err(fleet_name_check(bytes_of(longest, FLEET_NAME_MAX + 1), NULL), ERR_ARGUMENT);
    assert_err(fleet_name_check(bytes_of("a\0b", 3), NULL), ERR_ARGUMENT);
}

static void realms(void **state)
{
    (void)state;
    char to[FLEET_REALM_MAX + 1] = "untouched";
    static const char *const bad[] = {"", ".", "a..b", ".a", "a.", "-a.b", "a-.b", "a b", "a@b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(fleet_realm_parse(bytes_str(bad[i]), to, NULL), ERR_ARGUMENT);
    assert_string_equal(to, "untouched");
    assert_ok(fleet_realm_parse(bytes_str("Metro-East.Example"), to, NULL));
    assert_string_equal(to, "metro-east.example");
    char label[65];
    memset(label, 'a', sizeof(label));
    assert_ok(fleet_realm_parse(bytes_of(label, 63), to, NULL));
    assert_err(fleet_realm_parse(bytes_of(label, 64), to, NULL), ERR_ARGUMENT);
}

static void node_ids(void **state)
{
    (void)state;
    uint64_t id = 7;
    char text[FLEET_NODE_ID_TEXT];
    assert_ok(fleet_node_id_parse(bytes_str("0x00010200"), 32, &id));
    assert_int_equal(id, 0x10200);
    assert_ok(fleet_node_id_parse(bytes_str("0XFFFFffff"), 32, &id));
    assert_int_equal(id, UINT32_MAX);
    assert_ok(fleet_node_id_parse(bytes_str("1"), 32, &id));
    assert_ok(fleet_node_id_parse(bytes_str("ffffffffffffffff"), 64, &id));
    assert_int_equal(id, UINT64_MAX);
    assert_err(fleet_node_id_parse(bytes_str("0x000010200"), 32, &id), ERR_LIMIT);
    assert_err(fleet_node_id_parse(bytes_str(""), 32, &id), ERR_SYNTAX);
    assert_err(fleet_node_id_parse(bytes_str("0x"), 32, &id), ERR_SYNTAX);
    assert_err(fleet_node_id_parse(bytes_str("12g"), 32, &id), ERR_SYNTAX);
    assert_int_equal(fleet_node_id_format(0x10200, 32, text), 10);
    assert_string_equal(text, "0x00010200");
    assert_int_equal(fleet_node_id_format(UINT64_MAX, 64, text), 18);
    assert_string_equal(text, "0xffffffffffffffff");
}

static void ranges(void **state)
{
    (void)state;
    struct fleet_range range = {1, 1};
    assert_ok(fleet_range_parse(bytes_str("0x00010200-0x000105e7"), 32, &range, NULL));
    assert_int_equal(fleet_range_count(range), 1000);
    assert_ok(fleet_range_parse(bytes_str("10200"), 32, &range, NULL));
    assert_int_equal(fleet_range_count(range), 1);
    assert_err(fleet_range_parse(bytes_str("2-1"), 32, &range, NULL), ERR_ARGUMENT);
    assert_err(fleet_range_parse(bytes_str("1-"), 32, &range, NULL), ERR_SYNTAX);
    assert_err(fleet_range_parse(bytes_str("-1"), 32, &range, NULL), ERR_SYNTAX);
    assert_err(fleet_range_parse(bytes_str("0-ffffffff"), 32, &range, NULL), ERR_LIMIT);
    assert_err(fleet_range_parse(bytes_str("0-ffffffffffffffff"), 64, &range, NULL), ERR_LIMIT);
    assert_err(fleet_range_parse(bytes_str("1-100000000"), 32, &range, NULL), ERR_LIMIT);
    assert_int_equal(range.first, 0x10200);
}

TEST_MAIN(cmocka_unit_test(names), cmocka_unit_test(realms), cmocka_unit_test(node_ids),
          cmocka_unit_test(ranges))

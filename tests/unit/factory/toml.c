#include "factory/toml.h"

#include <stdio.h>

#include "support/test.h"

static int setup(void **state)
{
    struct arena *arena = NULL;
    assert_ok(arena_new((size_t)4 * 1024 * 1024, &arena));
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static struct toml read_ok(struct arena *arena, const char *text)
{
    struct toml toml = {0};
    struct err_detail detail = {.code = ERR_OK};
    if (toml_read(bytes_str(text), arena, &toml, &detail) != ERR_OK)
        fail_msg("%s\n%s", detail.text, text);
    return toml;
}

static void refused(struct arena *arena, struct bytes text, enum err want, const char *words)
{
    struct toml toml;
    struct err_detail detail = {.code = ERR_OK};
    enum err err = toml_read(text, arena, &toml, &detail);
    if (err != want || strstr(detail.text, words) == NULL)
        fail_msg("%s: '%s', wanted '%s' for\n%.*s", err_text(err), detail.text, words,
                 (int)text.len, (const char *)text.data);
}

static void values_of_every_kind(void **state)
{
    struct toml toml =
        read_ok(*state, "# a comment, \xc3\xa4\n"
                        "text = \"a \\\"b\\\" \\\\ \\t\\n \\u00e4 \\U0001F511\" # more\r\n"
                        "literal = 'C:\\path'\n"
                        "\n"
                        "decimal = 1_000\n"
                        "plus = +7\n"
                        "zero = 0\n"
                        "hex = 0xDEAD_beef\n"
                        "octal = 0o17\n"
                        "binary = 0b1010\n"
                        "large = 18446744073709551615\n"
                        "  yes = true\n"
                        "no=false\n"
                        "\"quoted key\" = 1\n"
                        "list = [ \"a\", # one\n"
                        "   'b',\r\n"
                        "]\n"
                        "none = []");
    struct toml_table *root = toml_table(&toml, "");
    assert_int_equal(toml.tables_len, 1);
    assert_string_equal(toml_get(root, "text")->text, "a \"b\" \\ \t\n \xc3\xa4 \xf0\x9f\x94\x91");
    assert_string_equal(toml_get(root, "literal")->text, "C:\\path");
    static const struct {
        const char *key;
        uint64_t number;
    } numbers[] = {{"decimal", 1000}, {"plus", 7},    {"zero", 0},           {"hex", 0xdeadbeef},
                   {"octal", 017},    {"binary", 10}, {"large", UINT64_MAX}, {"quoted key", 1}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct toml_value *value = toml_get(root, numbers[i].key);
        assert_non_null(value);
        assert_int_equal(value->type, TOML_INTEGER);
        assert_true(value->number == numbers[i].number);
    }
    assert_true(toml_get(root, "yes")->truth);
    assert_int_equal(toml_get(root, "no")->type, TOML_BOOLEAN);
    assert_false(toml_get(root, "no")->truth);
    struct toml_value *list = toml_get(root, "list");
    assert_int_equal(list->type, TOML_STRINGS);
    assert_int_equal(list->items_len, 2);
    assert_string_equal(list->items[1], "b");
    assert_int_equal(toml_get(root, "none")->items_len, 0);
    assert_int_equal(toml_get(root, "none")->line, 18);
    assert_null(toml_get(root, "absent"));
}

static void tables_and_arrays_of_tables(void **state)
{
    struct toml toml = read_ok(*state, "a = 1\n[one]\na = 2\n[ two . \"three\" ]\nb = 3\n"
                                       "[[many]]\nc = 4\n[[many]]\nc = 5\n[empty]\n");
    assert_int_equal(toml.tables_len, 6);
    assert_int_equal(toml_get(toml_table(&toml, "one"), "a")->number, 2);
    assert_int_equal(toml_get(toml_table(&toml, "two.three"), "b")->number, 3);
    assert_true(toml.tables[3].array && toml.tables[4].array && !toml.tables[1].array);
    assert_int_equal(toml_get(&toml.tables[4], "c")->number, 5);
    assert_int_equal(toml.tables[4].line, 8);
    assert_null(toml_table(&toml, "none"));
    assert_int_equal(read_ok(*state, "").tables_len, 1);
    assert_int_equal(read_ok(*state, "\n # only this").tables_len, 1);
}

static void what_nobody_asked_for_is_named(void **state)
{
    struct err_detail detail;
    struct toml toml = read_ok(*state, "a = 1\nb = 2\n[t]\nc = 3\n[u]\n");
    struct toml_table *root = toml_table(&toml, "");
    (void)toml_get(root, "a");
    assert_err(toml_unseen(&toml, &detail), ERR_SYNTAX);
    assert_string_equal(detail.text, "line 2: 'b' is not known here");
    (void)toml_get(root, "b");
    assert_err(toml_unseen(&toml, &detail), ERR_SYNTAX);
    assert_string_equal(detail.text, "line 3: table 't' is not known");
    (void)toml_get(toml_table(&toml, "t"), "c");
    assert_err(toml_unseen(&toml, &detail), ERR_SYNTAX);
    assert_string_equal(detail.text, "line 5: table 'u' is not known");
    (void)toml_table(&toml, "u");
    assert_ok(toml_unseen(&toml, &detail));
}

static void what_is_not_read(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"a", "= is wanted"},
        {"a =", "a value is wanted"},
        {"= 1", "a key is wanted"},
        {"a = 1 b = 2", "nothing more"},
        {"a = 1\nb = 1.5", "line 2: a value that is none"},
        {"a = 2026-11-21", "dates"},
        {"a = 1e5", "fractions"},
        {"a = 012", "leading zero"},
        {"a = 0x", "a number that is none"},
        {"a = 0xg", "a value that is none"},
        {"a = 0b2", "a value that is none"},
        {"a = 1__0", "underscore"},
        {"a = _1", "a value is wanted"},
        {"a = 1_", "a number that is none"},
        {"a = +", "a number that is none"},
        {"a = -1", "below zero"},
        {"a = inf", "a value is wanted"},
        {"a = truely", "a value is wanted"},
        {"a = TRUE", "a value is wanted"},
        {"a = {b = 1}", "inline tables"},
        {"a.b = 1", "dotted keys"},
        {"a = \"x", "without end"},
        {"a = \"x\\", "an unknown escape"},
        {"a = 'x\n'", "without end"},
        {"a = \"\"\"x\"\"\"", "several lines"},
        {"a = '''x'''", "several lines"},
        {"a = \"\\q\"", "unknown escape"},
        {"a = \"\\u12\"", "4 or 8"},
        {"a = \"\\u0000\"", "no character"},
        {"a = \"\\ud800\"", "no character"},
        {"a = \"\\U00110000\"", "no character"},
        {"a = \"\xff\"", "not UTF-8"},
        {"a = \"\xc0\x80\"", "not UTF-8"},
        {"a = \"\xed\xa0\x80\"", "not UTF-8"},
        {"a = \"\xe2\x82\"", "not UTF-8"},
        {"a = \"\x01\"", "control character"},
        {"# \x01", "control character"},
        {"a = [1]", "only strings"},
        {"a = [[\"x\"]]", "only strings"},
        {"a = [\"x\" \"y\"]", "a comma"},
        {"a = [\"x\"", "a comma"},
        {"a = [,]", "only strings"},
        {"[a", "] is wanted"},
        {"[[a]", "] is wanted"},
        {"[a]]", "nothing more"},
        {"[]", "a key is wanted"},
        {"[a.]", "a key is wanted"},
        {"\"\" = 1", "1 to 64"},
        {"a = 1\rb = 2", "nothing more"},
        {"a = 1\na = 2", "line 2: 'a' is there already, in line 1"},
        {"[a]\n[a]", "line 2: table 'a' is there already"},
        {"[[a]]\n[a]", "is there already"},
        {"[a]\n[[a]]", "is there already"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refused(*state, bytes_str(bad[i].text), ERR_SYNTAX, bad[i].words);
    refused(*state, bytes_of("a = \"x\0y\"", 9), ERR_SYNTAX, "control character");
    refused(*state, bytes_of("a\0 = 1", 6), ERR_SYNTAX, "= is wanted");
}

static void limits(void **state)
{
    static char text[TOML_SIZE_MAX + 1];
    memset(text, '\n', sizeof text);
    refused(*state, bytes_of(text, sizeof text), ERR_LIMIT, "more than 262144 bytes");
    (void)read_ok(*state, "a = 18446744073709551615");
    refused(*state, bytes_str("a = 18446744073709551616"), ERR_LIMIT, "64 bits");
    refused(*state, bytes_str("a = 0x10000000000000000"), ERR_LIMIT, "64 bits");
    size_t len = 0;
    for (unsigned i = 0; i <= TOML_VALUES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "k%u = 1\n", i);
    refused(*state, bytes_of(text, len), ERR_LIMIT, "line 2001: more than 2000 values");
    len = 0;
    for (unsigned i = 0; i < TOML_TABLES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "[[t]]\n");
    refused(*state, bytes_of(text, len), ERR_LIMIT, "more than 200 tables");
    len = (size_t)snprintf(text, sizeof text, "a = [");
    for (unsigned i = 0; i <= TOML_ITEMS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "'x',\n");
    refused(*state, bytes_of(text, len), ERR_LIMIT, "200 strings");
    memset(text, 'k', TOML_KEY_MAX + 1);
    memcpy(text + TOML_KEY_MAX + 1, " = 1", 5);
    refused(*state, bytes_str(text), ERR_SYNTAX, "1 to 64");
    struct arena *small = NULL;
    struct toml toml;
    assert_ok(arena_new(512, &small));
    while (arena_take(small, 16) != NULL) {}
    assert_err(toml_read(bytes_str("a = 'x'\nb = 'y'\n[c]\nd = ['e']"), small, &toml, NULL),
               ERR_LIMIT);
    arena_free(small);
}

#define ARENA_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
TEST_MAIN(ARENA_TEST(values_of_every_kind), ARENA_TEST(tables_and_arrays_of_tables),
          ARENA_TEST(what_nobody_asked_for_is_named), ARENA_TEST(what_is_not_read),
          ARENA_TEST(limits))

#include "factory/package_manifest.h"

#include "base/buf.h"
#include "support/test.h"
#include "unit/factory/parcel.h"

static int setup(void **state)
{
    struct arena *arena = NULL;
    assert_ok(arena_new(PACKAGE_MEMORY, &arena));
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static void what_it_says(void **state)
{
    struct package_manifest m;
    assert_ok(package_manifest_read(bytes_str(parcel_manifest), *state, &m, NULL));
    assert_int_equal(m.package.config_id, 0x12345678abc);
    assert_int_equal(m.package.version, 3);
    assert_int_equal(m.package.created, 1795228740);
    assert_string_equal(m.package.packager, "acme");
    assert_int_equal(m.package.aliases_len, 2);
    assert_string_equal(m.package.node.type, "UNODE");
    assert_int_equal(m.package.applications_len, 2);
    /* field.cfg is used twice, and is one file */
    assert_int_equal(m.package.files_len, 8);
    assert_string_equal(m.package.applications[0].files.field_configuration, "field.cfg");
    for (size_t i = 0; i < m.package.files_len; i++)
        assert_string_equal(m.paths[i], m.package.files[i].name);
}

/* The sample with the first `from` made `to`. */
static enum err edited(struct arena *arena, const char *from, const char *to,
                       struct package_manifest *ret_manifest, struct err_detail *detail)
{
    AUTO(buf_done) struct buf text = {0};
    const char *at = strstr(parcel_manifest, from);
    assert_non_null(at);
    assert_ok(buf_append(&text, bytes_of(parcel_manifest, (size_t)(at - parcel_manifest))));
    assert_ok(buf_append(&text, bytes_str(to)));
    assert_ok(buf_append(&text, bytes_str(at + strlen(from))));
    return package_manifest_read(buf_view(&text), arena, ret_manifest, detail);
}

static void other_ways_to_say_it(void **state)
{
    struct package_manifest m;
    static const char *const ids[] = {"\"0x12345678abc\"", "1250999896764", "\"1250999896764\"",
                                      "0x1234_5678_abc"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_ok(edited(*state, "0x12345678abc", ids[i], &m, NULL));
        assert_int_equal(m.package.config_id, 0x12345678abc);
    }
    assert_ok(edited(*state, "created = \"2026-11-21T02:39:00Z\"\n", "", &m, NULL));
    assert_int_equal(m.package.created, 0);
    assert_ok(edited(*state, "\"node.bin\"", "\"../firmware/node.bin\"", &m, NULL));
    assert_string_equal(m.package.node.files.firmware, "node.bin");
    assert_string_equal(m.paths[3], "../firmware/node.bin");
    assert_ok(edited(*state, "hardware = \"u2\"\n", "", &m, NULL));
    assert_string_equal(m.package.node.hardware, "");
    assert_ok(edited(*state, "comment = \"first \\\"line\\\"\\nsecond\"\n", "", &m, NULL));
    assert_string_equal(m.package.comment, "");
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *from, *to, *words;
    } bad[] = {
        {"config_id = 0x12345678abc\n", "", "'config_id' is missing"},
        {"0x12345678abc", "0", "line 1: config_id is a number from 1"},
        {"0x12345678abc", "\"0x\"", "line 1: config_id is a number from 1"},
        {"0x12345678abc", "true", "line 1: config_id is a number from 1"},
        {"version = 3\n", "", "'version' is missing"},
        {"version = 3\n", "vresion = 3\n", "'version' is missing; hint: line 2 has 'vresion'"},
        {"version = 3", "version = 0", "line 2: version is a number"},
        {"version = 3", "version = 4294967296", "line 2: version is a number"},
        {"version = 3", "version = \"3\"", "line 2: version is a number"},
        {"2026-11-21T02:39:00Z", "2026-11-21", "line 3: created is a time"},
        {"2026-11-21T02:39:00Z", "2026-02-30T02:39:00Z", "line 3: created is a time"},
        {"label = \"kite", "label = 7 #\"kite", "line 4: label is a text"},
        {"packager = \"acme\"\n", "", "'packager' is missing"},
        {"aliases = [", "aliases = \"\" # [", "line 7: aliases is an array"},
        {"[keys]", "[[keys]]", "line 8: [keys] has single brackets"},
        {"[keys]", "[locks]", "table [keys] is missing"},
        {"signature = \"gw_keys.csv.aes.sig\"\n", "", "'signature' is missing in [keys]"},
        {"[[application]]", "[application]", "line 25: table 'application' is there already"},
        {"name = \"emcm\"\n", "", "line 19: 'name' is missing in [application]"},
        {"\"node.bin\"", "\"node bin\"", "line 16: firmware is the path of a file"},
        {"\"node.bin\"", "\"dir/\"", "line 16: firmware is the path of a file"},
        {"\"node.bin\"", "\"dir/..\"", "line 16: firmware is the path of a file"},
        {"\"node.bin\"", "\"\"", "line 16: firmware is the path of a file"},
        {"\"node.bin\"", "\"x/host.bin\"", "host.bin and x/host.bin would have one name"},
        {"\"node.bin\"", "\"kms_key.pub.pem\"", "line 16: firmware is a file that has another"},
        {"firmware = \"node.bin\"\n", "", "'firmware' is missing in [node]"},
        {"type = ", "colour = \"red\"\ntype = ", "line 13: 'colour' is not known"},
        {"[node]", "[more]\n[node]", "table 'more' is not known"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct package_manifest m;
        struct err_detail detail = {.code = ERR_OK};
        enum err err = edited(*state, bad[i].from, bad[i].to, &m, &detail);
        if (err != ERR_SYNTAX || strstr(detail.text, bad[i].words) == NULL)
            fail_msg("%s: %s, wanted '%s'", bad[i].to, detail.text, bad[i].words);
    }
}

static void one_application_in_single_brackets(void **state)
{
    struct package_manifest m;
    struct err_detail detail = {.code = ERR_OK};
    char text[2048];
    const char *second = strstr(strstr(parcel_manifest, "[[app") + 1, "[[app");
    size_t len = (size_t)(second - parcel_manifest);
    memcpy(text, parcel_manifest, len);
    text[len] = 0;
    char *at = strstr(text, "[[application]]");
    memcpy(at, " [application] ", 15);
    assert_err(package_manifest_read(bytes_str(text), *state, &m, &detail), ERR_SYNTAX);
    assert_string_equal(detail.text, "line 19: each application is [[application]]");
}

static void too_many_applications(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    struct package_manifest m;
    struct err_detail detail = {.code = ERR_OK};
    assert_ok(buf_append(&text, bytes_str(parcel_manifest)));
    for (unsigned i = 2; i < PACKAGE_APPLICATIONS_MAX; i++)
        assert_ok(buf_printf(&text, "[[application]]\nname = \"a%u\"\nversion = \"1\"\n", i));
    assert_ok(package_manifest_read(buf_view(&text), *state, &m, NULL));
    assert_int_equal(m.package.applications_len, PACKAGE_APPLICATIONS_MAX);
    assert_ok(buf_append(&text, bytes_str("[[application]]\nname = \"x\"\nversion = \"1\"\n")));
    assert_err(package_manifest_read(buf_view(&text), *state, &m, &detail), ERR_LIMIT);
}

#define ARENA_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
TEST_MAIN(ARENA_TEST(what_it_says), ARENA_TEST(other_ways_to_say_it), ARENA_TEST(what_is_refused),
          ARENA_TEST(one_application_in_single_brackets), ARENA_TEST(too_many_applications))

#include "line/package.h"

#include <stdio.h>

#include "sample.h"
#include "support/test.h"

static enum err parse(const char *edit, const char *with, struct line_package *package)
{
    char *json = sample_config("https", edit, with);
    struct err_detail detail = {0};
    enum err err = line_package_parse(bytes_str(json), package, &detail);
    free(json);
    return err;
}

static void a_configuration_is_read(void **state)
{
    (void)state;
    struct line_package package = {0};
    assert_ok(parse(NULL, NULL, &package));
    assert_int_equal(package.config_id, 0x45);
    assert_int_equal(package.revision, 3);
    assert_string_equal(package.label, "kite_170");
    assert_string_equal(package.network, "metro-east");
    assert_non_null(package.kms_key);
    assert_string_equal(package.node.type, "UNODE");
    assert_string_equal(package.node.version, "2.1.0");
    assert_string_equal(package.node.hardware, "7");
    assert_string_equal(package.node.files.firmware.name, "node.bin");
    assert_int_equal(package.node.files.firmware.size, strlen(sample_firmware));
    assert_true(package.node.files.firmware.has_md5);
    assert_true(line_file_is(&package.node.files.factory_config));
    assert_int_equal(package.apps_len, 1);
    assert_string_equal(package.apps[0].name, "meter");
    assert_non_null(package.apps[0].key);
    assert_false(line_file_is(&package.apps[0].files.field_config));
    assert_int_equal(package.transfer, LINE_HTTPS);
    line_package_done(&package);
}

static void an_application_may_lack_a_key(void **state)
{
    (void)state;
    struct line_package package = {0};
    assert_ok(
        parse("\"version\":\"5.6\",\"public_key\":", "\"public_key\":null,\"else\":", &package));
    assert_null(package.apps[0].key);
    line_package_done(&package);
    assert_ok(parse("\"config_id\":\"0x0000000000000045\"", "\"config_id\":69", &package));
    assert_int_equal(package.config_id, 69);
    line_package_done(&package);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *edit, *with;
    } cases[] = {
        {"\"config_id\":\"0x0000000000000045\"", "\"config_id\":\"kite\""},
        {"\"config_id\":\"0x0000000000000045\"", "\"config_id\":\"0x10000000000000000\""},
        {"\"config_id\":\"0x0000000000000045\",", ""},
        {"\"revision\":3", "\"revision\":-3"},
        {"\"revision\":3", "\"revision\":4294967296"},
        {"\"revision\":3", "\"revision\":3,\"revision\":4"},
        {"\"kms_key\":\"-----BEGIN", "\"kms_key\":\"-----BEGUN"},
        {"\"kms_key\":", "\"kms_kex\":"},
        {"\"node\":{", "\"knot\":{"},
        {"\"type\":\"UNODE\",", ""},
        {"\"type\":\"UNODE\"", "\"type\":\"UNO\\u001bDE\""},
        {"\"type\":\"UNODE\"", "\"type\":\"UNO\\u0000DE\""},
        {"node.bin", "../node.bin"},
        {"node.bin", ".node.bin"},
        {"\"sha256\":\"", "\"sha256\":\"00"},
        {"\"sha256\":\"", "\"sha256\":\"xx"},
        {"\"size\":25", "\"size\":99999999999"},
        {"\"files\":\"https\"", "\"files\":\"ftp\""},
        {",\"files\":\"https\"", ""},
        {"\"applications\":[", "\"applications\":7,\"other\":["},
        {"{\"name\":\"meter\"", "7,{\"name\":\"meter\""},
        {"\"files\":\"https\"}", "\"files\":\"https\"}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct line_package package = {.revision = 99};
        if (parse(cases[i].edit, cases[i].with, &package) == ERR_OK)
            fail_msg("accepted: %s", cases[i].with);
        assert_int_equal(package.revision, 99);
    }
}

static void there_is_an_end_to_applications(void **state)
{
    (void)state;
    char many[2048] = "\"applications\":[";
    struct line_package package = {0};
    for (int i = 0; i < LINE_APPS_MAX; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "{\"name\":\"a%d\"},", i);
    assert_err(parse("\"applications\":[", many, &package), ERR_LIMIT);
}

TEST_MAIN(cmocka_unit_test(a_configuration_is_read),
          cmocka_unit_test(an_application_may_lack_a_key),
          cmocka_unit_test(what_makes_no_sense_is_refused),
          cmocka_unit_test(there_is_an_end_to_applications))

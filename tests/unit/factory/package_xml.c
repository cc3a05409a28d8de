#include "factory/package_xml.h"

#include <stdio.h>

#include "support/test.h"

/* A package without an archive: what the description says. */

struct world {
    struct arena *arena;
    struct package_file files[PACKAGE_FILES_MAX + 1];
    struct package_application applications[PACKAGE_APPLICATIONS_MAX + 1];
    const char *aliases[PACKAGE_ALIASES_MAX + 1];
    struct package package;
    struct buf xml;
};

static const uint8_t spki[] = {0x30, 0x03, 0x02, 0x01, 0x05};

static void add(struct world *w, const char *name, enum package_role role)
{
    struct package_file *file = &w->files[w->package.files_len++];
    *file = (struct package_file){.name = name, .role = role, .size = 10 * w->package.files_len};
    memset(file->sha256, (int)w->package.files_len, sizeof file->sha256);
    memset(file->md5, 0x80 | (int)w->package.files_len, sizeof file->md5);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_ok(arena_new(PACKAGE_MEMORY, &w->arena));
    w->applications[0] = (struct package_application){
        .name = "emcm", .version = "5.6", .files.firmware = "host.bin", .public_key = "b.pem"};
    w->aliases[0] = "kite_170";
    w->package = (struct package){
        .config_id = UINT64_MAX,
        .version = 1,
        .created = 1795228740,
        .label = "a \"label\" <of> & '\xc3\xa4'",
        .comment = "one\ntwo & <three>",
        .packager = "acme",
        .packager_key = BYTES(spki),
        .kms_key = "kms.pem",
        .gateway_keys = "gw.aes",
        .gateway_keys_signature = "gw.aes.sig",
        .node = {.type = "UNODE",
                 .version = "1.2",
                 .hardware = "",
                 .files = {.firmware = "node.bin", .field_configuration = "field.cfg"}},
        .applications = w->applications,
        .applications_len = 1,
        .aliases = w->aliases,
        .aliases_len = 1,
        .files = w->files};
    add(w, "kms.pem", PACKAGE_KMS_KEY);
    add(w, "gw.aes", PACKAGE_GATEWAY_KEYS);
    add(w, "gw.aes.sig", PACKAGE_GATEWAY_KEYS_SIGNATURE);
    add(w, "node.bin", PACKAGE_FIRMWARE);
    add(w, "field.cfg", PACKAGE_FIELD_CONFIGURATION);
    add(w, "host.bin", PACKAGE_FIRMWARE);
    add(w, "b.pem", PACKAGE_BACKEND_KEY);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    arena_free(w->arena);
    buf_done(&w->xml);
    free(w);
    return 0;
}

static void same_text(const char *one, const char *two)
{
    assert_int_equal(one == NULL, two == NULL);
    if (one != NULL)
        assert_string_equal(one, two);
}

static void what_is_written_is_read(void **state)
{
    struct world *w = *state;
    struct package got;
    AUTO(buf_done) struct buf again = {0};
    assert_ok(package_xml_write(&w->package, &w->xml, NULL));
    assert_ok(package_xml_read(buf_view(&w->xml), w->arena, &got, NULL));
    assert_true(got.config_id == UINT64_MAX);
    assert_int_equal(got.created, 1795228740);
    assert_string_equal(got.label, w->package.label);
    assert_string_equal(got.comment, w->package.comment);
    assert_true(bytes_equal(got.packager_key, BYTES(spki)));
    assert_string_equal(got.node.hardware, "");
    assert_null(got.node.files.factory_configuration);
    assert_string_equal(got.applications[0].public_key, "b.pem");
    for (size_t i = 0; i < w->package.files_len; i++) {
        same_text(got.files[i].name, w->files[i].name);
        assert_int_equal(got.files[i].role, w->files[i].role);
        assert_int_equal(got.files[i].size, w->files[i].size);
        assert_memory_equal(got.files[i].sha256, w->files[i].sha256, 32);
        assert_memory_equal(got.files[i].md5, w->files[i].md5, 16);
    }
    assert_int_equal(package_size(&got), 10 + 20 + 30 + 40 + 50 + 60 + 70);
    assert_ok(package_xml_write(&got, &again, NULL));
    assert_true(bytes_equal(buf_view(&w->xml), buf_view(&again)));
}

/* The document with the first `from` made `to`. */
static void refused(struct world *w, const char *from, const char *to, enum err want,
                    const char *words)
{
    AUTO(buf_done) struct buf xml = {0};
    struct package got;
    struct err_detail detail = {.code = ERR_OK};
    w->xml.len = 0;
    assert_ok(package_xml_write(&w->package, &w->xml, NULL));
    const uint8_t *at = memmem(w->xml.data, w->xml.len, from, strlen(from));
    if (at == NULL)
        fail_msg("no %s in the document", from);
    assert_ok(buf_append(&xml, bytes_of(w->xml.data, (size_t)(at - w->xml.data))));
    assert_ok(buf_append(&xml, bytes_str(to)));
    at += strlen(from);
    assert_ok(buf_append(&xml, bytes_of(at, w->xml.len - (size_t)(at - w->xml.data))));
    enum err err = package_xml_read(buf_view(&xml), w->arena, &got, &detail);
    if (err != want || strstr(detail.text, words) == NULL)
        fail_msg("%s -> %s: %s (%s), wanted '%s'", from, to, err_text(err), detail.text, words);
}

static void documents_that_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *words;
    } bad[] = {
        {"<package ", "<!DOCTYPE package [<!ENTITY x \"y\">]><package ", "document type"},
        {"<package ", "<?go?><package ", "processing instruction"},
        {"</comment>", "&e;</comment>", "undefined entity"},
        {"urn:claviger:package:1", "urn:claviger:package:2", "not of urn:claviger:package:1"},
        {" xmlns=\"urn:claviger:package:1\"", "", "not of urn:claviger:package:1"},
        {"configId=\"0xf", "configId=\"0xg", "configId has"},
        {"configId=\"0x", "configId=\"0x0", "configId has"},
        {"configId=\"0xffffffffffffffff", "configId=\"0x0000000000000000", "configId has"},
        {"configId", "configid", "unknown attribute"},
        {" version=\"1\"", "", "attribute is missing"},
        {" version=\"1\"", " version=\"0\"", "begin with 1"},
        {" version=\"1\"", " version=\"01\"", "number"},
        {" version=\"1\"", " version=\"-1\"", "number"},
        {" version=\"1\"", " version=\"4294967296\"", "number"},
        {" version=\"1\"", " version=\"1\" version=\"1\"", "duplicate attribute"},
        {"created=\"2026-", "created=\"26-", "a time as"},
        {"created=\"2026-11-21", "created=\"2026-13-21", "a time as"},
        {"created=\"2026-11-21", "created=\"2026-02-30", "a time as"},
        {"created=\"2026-11-21", "created=\"1926-11-21", "a time as"},
        {"<packager name=\"acme\"", "<packager name=\"\"", "packager: 1 to 64"},
        {"key=\"3003020105\"", "key=\"300302010\"", "not hexadecimal"},
        {"key=\"3003020105\"", "key=\"\"", "not hexadecimal"},
        {"key=\"3003020105\"", "key=\"zz\"", "not hexadecimal"},
        {"<keys ", "<secrets ", "does not belong"},
        {"kms=\"kms.pem\"", "kms=\"none.pem\"", "none.pem: named as kms-key"},
        {"kms=\"kms.pem\"", "kms=\"gw.aes\"", "gw.aes: its role is gateway-keys"},
        {"publicKey=\"b.pem\"", "", "b.pem: listed, and used for nothing"},
        {"type=\"UNODE\"", "type=\"&#9;\"", "type of the node"},
        {"type=\"UNODE\"", "type=\"\xc2\x85\"", "type of the node"},
        {"<alias name=\"kite_170\"", "<alias name=\"kite 170\"", "can't be an alias"},
        {"<alias name=\"kite_170\"", "<alias name=\"../kite\"", "can't be an alias"},
        {"<alias ", "<alias name=\"kite_170\"/><alias ", "alias 'kite_170' is there twice"},
        {"<alias ", "<application name=\"emcm\" version=\"1\"/><alias ",
         "application 'emcm' is there twice"},
        {"<node ", "<alias name=\"a\"/><node ", "not in their order"},
        {"<alias ", "<alias name=\"x\"><alias name=\"y\"/></alias><alias ", "does not belong"},
        {"<alias ", "text<alias ", "text between"},
        {"<alias ", "<![CDATA[x]]><alias ", "text between"},
        {"<file name=\"node.bin\"", "<file name=\"../node.bin\"", "can't be the name"},
        {"<file name=\"node.bin\"", "<file name=\"package.xml\"", "can't be the name"},
        {"<file name=\"node.bin\"", "<file name=\"package.xml.sig\"", "can't be the name"},
        {"<file name=\"node.bin\"", "<file name=\"host.bin\"", "host.bin: listed twice"},
        {"role=\"firmware\"", "role=\"malware\"", "a role that is none"},
        {"size=\"40\"", "size=\"0x28\"", "number"},
        {"size=\"40\"", "size=\" 40\"", "number"},
        {"size=\"40\"", "size=\"9223372036854775808\"", "number"},
        {"sha256=\"04", "sha256=\"4", "a hash has"},
        {"md5=\"84", "md5=\"8484", "a hash has"},
        {"</package>", "", "no element found"},
        {"</package>", "</package><package/>", "junk after"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refused(*state, bad[i].from, bad[i].to, ERR_SYNTAX, bad[i].words);
    refused(*state, "size=\"40\"", "size=\"67108865\"", ERR_LIMIT, "node.bin: 67108865 bytes");
    refused(*state, "size=\"10\"", "size=\"65537\"", ERR_LIMIT, "kms.pem: 65537 bytes");
}

static void elements_that_are_missing(void **state)
{
    static const char *const names[] = {"packager", "keys", "node", "file"};
    struct world *w = *state;
    assert_ok(package_xml_write(&w->package, &w->xml, NULL));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(buf_done) struct buf less = {0};
        struct package got;
        struct err_detail detail = {.code = ERR_OK};
        const char *at = (const char *)w->xml.data, *end = at + w->xml.len;
        char begin[32];
        snprintf(begin, sizeof begin, "  <%s ", names[i]);
        while (at < end) { /* line by line */
            const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
            if (strncmp(at, begin, strlen(begin)) != 0)
                assert_ok(buf_append(&less, bytes_of(at, (size_t)(next - at))));
            at = next;
        }
        assert_err(package_xml_read(buf_view(&less), w->arena, &got, &detail), ERR_SYNTAX);
        char words[64];
        snprintf(words, sizeof words, "no element %s", names[i]);
        assert_non_null(strstr(detail.text, words));
    }
}

static void limits(void **state)
{
    struct world *w = *state;
    struct package got;
    char comment[PACKAGE_COMMENT_MAX + 2], names[PACKAGE_ALIASES_MAX + 1][16];
    memset(comment, 'x', sizeof comment);
    comment[PACKAGE_COMMENT_MAX] = 0;
    w->package.comment = comment;
    for (size_t i = 0; i <= PACKAGE_ALIASES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "alias-%zu", i);
        w->aliases[i] = names[i];
    }
    w->package.aliases_len = PACKAGE_ALIASES_MAX;
    assert_ok(package_xml_write(&w->package, &w->xml, NULL));
    assert_ok(package_xml_read(buf_view(&w->xml), w->arena, &got, NULL));
    assert_int_equal(got.aliases_len, PACKAGE_ALIASES_MAX);
    assert_string_equal(got.comment, comment);
    refused(w, "<comment>", "<comment>y", ERR_LIMIT, "comment is too long");
    refused(w, "<alias ", "<alias name=\"more\"/><alias ", ERR_LIMIT, "too many");
    w->package.aliases_len++;
    assert_err(package_xml_write(&w->package, &w->xml, NULL), ERR_LIMIT);
    w->package.aliases_len--;
    comment[PACKAGE_COMMENT_MAX] = 'x';
    comment[PACKAGE_COMMENT_MAX + 1] = 0;
    assert_err(package_xml_write(&w->package, &w->xml, NULL), ERR_SYNTAX);

    static char large[PACKAGE_XML_MAX + 1];
    memset(large, ' ', sizeof large);
    assert_err(package_xml_read(BYTES(large), w->arena, &got, NULL), ERR_LIMIT);
    assert_err(package_xml_read(bytes_of("", 0), w->arena, &got, NULL), ERR_SYNTAX);
    char deep[4000];
    for (size_t i = 0; i + 8 < sizeof deep; i += 3)
        memcpy(deep + i, "<a>", 4);
    assert_err(package_xml_read(bytes_str(deep), w->arena, &got, NULL), ERR_SYNTAX);
}

static void texts(void **state)
{
    (void)state;
    assert_true(package_text_ok("\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91", 64));
    assert_false(package_text_ok("", 64));
    assert_true(package_text_ok("1234", 4));
    assert_false(package_text_ok("12345", 4));
    static const char *const bad[] = {"a\nb",
                                      "\x7f",
                                      "\x1b[31m",
                                      "\xff",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xef\xbf\xbf",
                                      "\xc2\x9b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(package_text_ok(bad[i], 64));
        assert_int_equal(package_comment_ok(bad[i]), i == 0);
    }
    assert_true(package_name_ok("a-B_9.x"));
    static const char *const names[] = {"",    ".",    "..",       ".x", "a/b",
                                        "a b", "a\\b", "\xc3\xa4", "a\n"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_false(package_name_ok(names[i]));
    char name[PACKAGE_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[PACKAGE_NAME_MAX + 1] = 0;
    assert_false(package_name_ok(name));
    name[PACKAGE_NAME_MAX] = 0;
    assert_true(package_name_ok(name));
}

static void configuration_ids(void **state)
{
    static const struct {
        const char *text;
        uint64_t id;
    } ids[] = {{"69", 69},
               {"0x12345678abc", 0x12345678abc},
               {"0XABC", 0xabc},
               {"010", 10},
               {"18446744073709551615", UINT64_MAX},
               {"0xffffffffffffffff", UINT64_MAX},
               {"0x0000000000000001", 1}};
    static const char *const bad[] = {"",
                                      "0",
                                      "0x",
                                      "0x0",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "0xg",
                                      "x1",
                                      "1e5",
                                      "18446744073709551616",
                                      "0x10000000000000000",
                                      "000000000000000000001"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        uint64_t id = 0;
        assert_true(package_id_parse(ids[i].text, &id));
        assert_true(id == ids[i].id);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t id = 7;
        assert_false(package_id_parse(bad[i], &id));
        assert_int_equal(id, 7);
    }
}

#define XML_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
TEST_MAIN(XML_TEST(what_is_written_is_read), XML_TEST(documents_that_are_refused),
          XML_TEST(elements_that_are_missing), XML_TEST(limits), cmocka_unit_test(texts),
          cmocka_unit_test(configuration_ids))

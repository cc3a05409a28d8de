#include "vectors.h"

#include <stdio.h>
#include <string.h>

#include "kmip/codec/table.h"

/* XML -> tree -> TTLV -> tree -> JSON -> tree -> XML -> tree: always the same tree. */
static void all_formats(const char *where, struct bytes message, enum kmip_format from)
{
    static const enum kmip_format way[] = {KMIP_TTLV, KMIP_JSON, KMIP_XML, KMIP_JSON, KMIP_TTLV};
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct buf bufs[ARRAY_LEN(way)] = {0};
    struct kmip_node *first = decode_ok(from, message, arena, where);
    struct kmip_node *root = first;
    for (size_t i = 0; i < ARRAY_LEN(way); i++) {
        assert_ok(kmip_encode(way[i], root, &bufs[i]));
        root = decode_ok(way[i], buf_view(&bufs[i]), arena, where);
        assert_true(kmip_equal(first, root));
    }
    assert_true(bytes_equal(buf_view(&bufs[0]), buf_view(&bufs[4])));
    assert_true(bytes_equal(buf_view(&bufs[1]), buf_view(&bufs[3])));
    for (size_t i = 0; i < ARRAY_LEN(way); i++)
        buf_done(&bufs[i]);
}

static void from_xml(const char *where, struct bytes message)
{
    all_formats(where, message, KMIP_XML);
}

static void from_json(const char *where, struct bytes message)
{
    all_formats(where, message, KMIP_JSON);
}

static void from_ttlv(const char *where, struct bytes message)
{
    all_formats(where, message, KMIP_TTLV);
}

static void test_oasis(void **state)
{
    (void)state;
    assert_true(vectors_xml("oasis-1.4", from_xml) > 500);
    assert_true(vectors_xml("oasis-2.1", from_xml) > 200);
}

static void test_vendors(void **state)
{
    (void)state;
    assert_true(vectors_vendor(from_json) > 30);
}

static void test_hex(void **state)
{
    (void)state;
    assert_int_equal(vectors_hex("oasis-1.1-test-cases", from_ttlv), 489);
}

static enum err decode(enum kmip_format format, const char *text, struct kmip_node **ret_root)
{
    static struct arena *arena;
    static char *copy; /* exact on the heap, for the sanitizer */
    struct err_detail detail = {0};
    arena_freep(&arena);
    free(copy);
    arena = arena_for_test();
    size_t len = strlen(text);
    copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    enum err err = kmip_decode(format, bytes_of(copy, len), NULL, arena, ret_root, &detail);
    assert_true(err == ERR_OK || detail.text[0] != 0);
    return err;
}

static void refuse(enum kmip_format format, const char *text)
{
    struct kmip_node *root = NULL;
    if (decode(format, text, &root) != ERR_SYNTAX)
        fail_msg("taken: %s", text);
}

/* One value in both formats; JSON as it stands behind "value":. */
static void value_is(const char *tag, const char *type, const char *json, const char *xml,
                     int64_t want)
{
    char text[300];
    struct kmip_node *root = NULL;
    if (json != NULL) {
        snprintf(text, sizeof text, "{\"tag\":\"%s\",\"type\":\"%s\",\"value\":%s}", tag, type,
                 json);
        assert_ok(decode(KMIP_JSON, text, &root));
        assert_true(root->num == want);
    }
    if (xml != NULL) {
        snprintf(text, sizeof text, "<%s type=\"%s\" value=\"%s\"/>", tag, type, xml);
        assert_ok(decode(KMIP_XML, text, &root));
        assert_true(root->num == want);
    }
}

static void value_refused(const char *tag, const char *type, const char *json, const char *xml)
{
    char text[300];
    snprintf(text, sizeof text, "{\"tag\":\"%s\",\"type\":\"%s\",\"value\":%s}", tag, type, json);
    refuse(KMIP_JSON, text);
    if (xml == NULL)
        return;
    snprintf(text, sizeof text, "<%s type=\"%s\" value=\"%s\"/>", tag, type, xml);
    refuse(KMIP_XML, text);
}

/* Additional Message Encodings, 4.1.6 and 6.1.6. */
static void test_numbers(void **state)
{
    (void)state;
    value_is("BatchCount", "Integer", "10", "10", 10);
    value_is("0x540001", "Integer", "\"0xffffffff\"", NULL, -1);
    value_is("x540001", "Integer", "\"0x0000000A\"", "10", 10);
    value_is("BatchCount", "Integer", "-2147483648", "-2147483648", INT32_MIN);
    value_is("UsageLimitsCount", "LongInteger", "\"0x1000000000000000\"", "1152921504606846976",
             INT64_C(1) << 60);
    value_is("UsageLimitsCount", "LongInteger", "\"0xfffffffffffffffe\"", "-2", -2);
    value_is("UsageLimitsCount", "LongInteger", "-2", NULL, -2);
    value_is("UsageLimitsCount", "LongInteger", "-9223372036854775808", "-9223372036854775808",
             INT64_MIN);
    value_is("Offset", "Interval", "27", "27", 27);
    value_is("Offset", "Interval", "\"0xffffffff\"", "4294967295", UINT32_MAX);
    value_is("ObjectType", "Enumeration", "2", "0x00000002", 2);
    value_is("ObjectType", "Enumeration", "\"SymmetricKey\"", "SymmetricKey", 2);
    value_is("BatchOrderOption", "Boolean", "true", "true", 1);
    value_is("BatchOrderOption", "Boolean", "\"0x0000000000000000\"", "false", 0);
    value_refused("BatchCount", "Integer", "2147483648", "2147483648");
    value_refused("BatchCount", "Integer", "\"0x100000000\"", "0x100000000");
    value_refused("BatchCount", "Integer", "1.0", "1.0");
    value_refused("BatchCount", "Integer", "1e3", "1e3");
    value_refused("BatchCount", "Integer", "99999999999999999999", "99999999999999999999");
    value_refused("BatchCount", "Integer", "\"\"", "");
    value_refused("BatchCount", "Integer", "\"-\"", "-");
    value_refused("BatchCount", "Integer", "\" 1\"", " 1");
    value_refused("BatchCount", "Integer", "null", "0x");
    value_refused("BatchCount", "Integer", "true", "true");
    value_refused("BatchCount", "Integer", "[]", "0xg");
    value_refused("UsageLimitsCount", "LongInteger", "9223372036854775808", "9223372036854775808");
    value_refused("Offset", "Interval", "-1", "-1");
    value_refused("Offset", "Interval", "4294967296", "4294967296");
    value_refused("ObjectType", "Enumeration", "\"symmetricKey\"", "Symmetric Key");
    value_refused("ObjectType", "Enumeration", "-1", "-1");
    value_refused("BatchOrderOption", "Boolean", "1", "2");
    value_refused("BatchOrderOption", "Boolean", "\"yes\"", "yes");
}

static void test_masks(void **state)
{
    (void)state;
    value_is("CryptographicUsageMask", "Integer", "\"0x0000100c\"", "0x0000100c", 0x100c);
    value_is("CryptographicUsageMask", "Integer", "\"Encrypt|Decrypt|CertificateSign\"",
             "Encrypt Decrypt CertificateSign", 0x100c);
    value_is("CryptographicUsageMask", "Integer", "\"CertificateSign|0x00000004|0x0000008\"",
             "CertificateSign|Decrypt  Encrypt", 0x100c);
    value_is("CryptographicUsageMask", "Integer", "12", "12", 12);
    value_is("StorageStatusMask", "Integer", "\"OnLineStorage|ArchivalStorage\"",
             "ArchivalStorage OnLineStorage", 3);
    value_refused("CryptographicUsageMask", "Integer", "\"Encrypt,Decrypt\"", "Enc");
    value_refused("CryptographicUsageMask", "Integer", "\"\"", "");
    value_refused("CryptographicUsageMask", "Integer", "\"|\"", "  ");
    value_refused("BatchCount", "Integer", "\"Encrypt\"", "Encrypt");
}

static void test_dates(void **state)
{
    (void)state;
    value_is("ArchiveDate", "DateTime", "\"0x000000003a505520\"", "0x000000003a505520", 0x3a505520);
    value_is("ArchiveDate", "DateTime", "\"2001-01-01T10:00:00+10:00\"",
             "2001-01-01T10:00:00+10:00", 0x3a4fc880);
    value_is("ArchiveDate", "DateTime", "\"2001-01-01T10:00:00Z\"", "2001-01-01T10:00:00",
             0x3a505520);
    value_is("ArchiveDate", "DateTime", "\"1970-01-01T00:00:00.999Z\"", "1970-01-01T00:00:00Z", 0);
    value_is("ArchiveDate", "DateTime", "\"1969-12-31T23:59:59Z\"", "1969-12-31T20:59:59-03:00",
             -1);
    value_is("ArchiveDate", "DateTime", "\"2000-02-29T00:00:00Z\"", "2000-02-29T00:00:00Z",
             951782400);
    value_is("ArchiveDate", "DateTimeExtended", "\"1970-01-01T00:00:01.5Z\"",
             "1970-01-01T00:00:01.500000Z", 1500000);
    value_is("ArchiveDate", "DateTimeExtended", "\"1969-12-31T23:59:59.5Z\"", NULL, -500000);
    value_refused("ArchiveDate", "DateTime", "\"2001-02-29T00:00:00Z\"", "2001-13-01T00:00:00Z");
    value_refused("ArchiveDate", "DateTime", "\"2001-00-10T00:00:00Z\"", "2001-01-00T00:00:00Z");
    value_refused("ArchiveDate", "DateTime", "\"2001-01-01\"", "2001-01-01 00:00:00");
    value_refused("ArchiveDate", "DateTime", "\"2001-01-01T24:00:00Z\"", "2001-01-01T00:60:00Z");
    value_refused("ArchiveDate", "DateTime", "\"2001-01-01T00:00:00.Z\"",
                  "2001-01-01T00:00:00+15:00");
    value_refused("ArchiveDate", "DateTime", "\"2001-01-01T00:00:00Zx\"", "01-01-01T00:00:00Z");
    value_refused("ArchiveDate", "DateTimeExtended", "\"999999999-01-01T00:00:00Z\"", "");
}

static void bytes_are(const char *tag, const char *type, const char *json, const char *xml,
                      struct bytes want)
{
    char text[300];
    struct kmip_node *root = NULL;
    snprintf(text, sizeof text, "{\"value\":%s,\"type\":\"%s\",\"name\":\"n\",\"tag\":\"%s\"}",
             json, type, tag);
    assert_ok(decode(KMIP_JSON, text, &root));
    assert_true(root->bytes.data != NULL && bytes_equal(root->bytes, want));
    snprintf(text, sizeof text, "<TTLV tag='%s' name='n' type='%s' value='%s'/>", tag, type, xml);
    assert_ok(decode(KMIP_XML, text, &root));
    assert_true(root->bytes.data != NULL && bytes_equal(root->bytes, want));
}

static void test_bytes(void **state)
{
    (void)state;
    const uint8_t number[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
    bytes_are("MACSignature", "ByteString", "\"C50F77\"", "c50f77", bytes_of("\xc5\x0f\x77", 3));
    bytes_are("MACSignature", "ByteString", "\"\"", "", bytes_of("", 0));
    bytes_are("X", "BigInteger", "\"0xfffffffffffffffe\"", "fffffffffffffffe", BYTES(number));
    bytes_are("X", "BigInteger", "-2", "FFFFFFFFFFFFFFFE", BYTES(number));
}

static void test_text(void **state)
{
    (void)state;
    struct kmip_node *root = NULL;
    assert_ok(
        decode(KMIP_XML, "<Username type='TextString' value='a&lt;&#10;&quot;&amp;x'/>", &root));
    assert_true(bytes_equal(root->bytes, bytes_str("a<\n\"&x")));
    assert_ok(decode(KMIP_JSON,
                     "{\"tag\":\"Username\",\"type\":\"TextString\",\"value\":\"\\u00e4\\n\"}",
                     &root));
    assert_true(bytes_equal(root->bytes, bytes_str("\xc3\xa4\n")));
    value_refused("Username", "TextString", "\"a\\u0000b\"", "&#0;");
    value_refused("Username", "TextString", "\"\\ud800\"", "&#xd800;");
    value_refused("Username", "TextString", "\"\xff\"", "\xff");
    value_refused("Username", "TextString", "1", NULL);
    value_refused("MACSignature", "ByteString", "\"C50F7\"", "C50F7");
    value_refused("MACSignature", "ByteString", "\"0xC50F\"", "C5 0F");
    value_refused("X", "BigInteger", "\"0x01\"", "01");
    value_refused("X", "BigInteger", "\"0x\"", "");
}

/* What XML can't hold becomes U+FFFD, the rest comes back. */
static void test_control_characters(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct kmip_node *node =
        kmip_put_text(&b, NULL, KMIP_TAG_USERNAME, "\x01\t\r\n<>&\"'\xef\xbf\xbf");
    struct buf out = {0};
    assert_ok(kmip_encode(KMIP_XML, node, &out));
    struct kmip_node *back = decode_ok(KMIP_XML, buf_view(&out), arena, "own");
    assert_true(bytes_equal(back->bytes, bytes_str("\xef\xbf\xbd\t\r\n<>&\"'\xef\xbf\xbd")));
    out.len = 0;
    assert_ok(kmip_encode(KMIP_JSON, node, &out));
    back = decode_ok(KMIP_JSON, buf_view(&out), arena, "own");
    assert_true(bytes_equal(back->bytes, node->bytes));
    buf_done(&out);
}

static void test_json_refusals(void **state)
{
    (void)state;
    refuse(KMIP_JSON, "[]");
    refuse(KMIP_JSON, "1");
    refuse(KMIP_JSON, "{");
    refuse(KMIP_JSON, "{}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\"} x");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\",\"tag\":\"BatchItem\"}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\",\"value\":[],\"value\":[]}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\",\"other\":1}");
    refuse(KMIP_JSON, "{\"tag\":\"Batch Item\"}");
    refuse(KMIP_JSON, "{\"tag\":4325391}");
    refuse(KMIP_JSON, "{\"tag\":\"0x42000\"}");
    refuse(KMIP_JSON, "{\"tag\":\"0x430001\"}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\",\"type\":\"Structured\"}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\",\"type\":1}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\",\"value\":{}}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\",\"value\":\"x\"}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchItem\",\"value\":[1]}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchCount\",\"type\":\"Integer\"}");
    refuse(KMIP_JSON, "{\"tag\":\"BatchCount\",\"type\":\"Integer\",\"value\":1e999}");
    struct kmip_node *root = NULL;
    assert_ok(decode(KMIP_JSON, "{\"tag\":\"BatchItem\"}", &root));
    assert_ok(decode(KMIP_JSON, "{\"tag\":\"BatchItem\",\"value\":null}", &root));
    assert_int_equal(root->count, 0);
}

static void test_xml_refusals(void **state)
{
    (void)state;
    refuse(KMIP_XML, "x");
    refuse(KMIP_XML, "<BatchItem>");
    refuse(KMIP_XML, "<BatchItem></BatchCount>");
    refuse(KMIP_XML, "<BatchItem/><BatchItem/>");
    refuse(KMIP_XML, "<Batch_Item/>");
    refuse(KMIP_XML, "<BatchItem>x</BatchItem>");
    refuse(KMIP_XML, "<BatchItem value='1'/>");
    refuse(KMIP_XML, "<BatchItem other='1'/>");
    refuse(KMIP_XML, "<BatchItem tag='0x42000f'/>");
    refuse(KMIP_XML, "<BatchItem type='Structure' type='Structure'/>");
    refuse(KMIP_XML, "<TTLV type='Integer' value='1'/>");
    refuse(KMIP_XML, "<BatchCount type='Integer'/>");
    refuse(KMIP_XML, "<BatchCount type='Int' value='1'/>");
    refuse(KMIP_XML, "<BatchCount type='Integer' value='1'><BatchItem/></BatchCount>");
    refuse(KMIP_XML, "<!DOCTYPE x><BatchItem/>");
    refuse(KMIP_XML, "<!DOCTYPE x [<!ENTITY a 'b'>]><Username type='TextString' value='&a;'/>");
    refuse(KMIP_XML, "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><BatchItem/>");
    refuse(KMIP_XML, "<Username type='TextString' value='&a;'/>");
    refuse(KMIP_XML, "<?php x?><BatchItem/>");
    refuse(KMIP_XML, "<BatchItem xmlns='urn:other'/>");
    struct kmip_node *root = NULL;
    assert_ok(
        decode(KMIP_XML, "<?xml version='1.0'?><!-- c -->\n<BatchItem> </BatchItem>\n", &root));
    assert_ok(decode(KMIP_XML, "<BatchItem xmlns='urn:oasis:tc:kmip:xmlns'/>", &root));
    assert_ok(decode(KMIP_XML, "<k:BatchItem xmlns:k='urn:oasis:tc:kmip:xmlns'/>", &root));
    assert_int_equal(root->tag, KMIP_TAG_BATCH_ITEM);
}

static void nested(enum kmip_format format, size_t depth, struct buf *out)
{
    out->len = 0;
    for (size_t i = 0; i < depth; i++)
        assert_ok(buf_append(
            out,
            bytes_str(format == KMIP_XML ? "<BatchItem>" : "{\"tag\":\"BatchItem\",\"value\":[")));
    for (size_t i = 0; i < depth; i++)
        assert_ok(buf_append(out, bytes_str(format == KMIP_XML ? "</BatchItem>" : "]}")));
}

static void test_limits(void **state)
{
    (void)state;
    static const enum kmip_format formats[] = {KMIP_JSON, KMIP_XML};
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_node *root = NULL;
    struct buf text = {0};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        nested(formats[i], KMIP_DEPTH_MAX, &text);
        assert_ok(kmip_decode(formats[i], buf_view(&text), NULL, arena, &root, NULL));
        nested(formats[i], KMIP_DEPTH_MAX + 1, &text);
        assert_err(kmip_decode(formats[i], buf_view(&text), NULL, arena, &root, NULL), ERR_LIMIT);
        nested(formats[i], 10000, &text);
        assert_err(kmip_decode(formats[i], buf_view(&text), NULL, arena, &root, NULL), ERR_LIMIT);
    }
    text.len = 0; /* no item of ours, and far too many values */
    assert_ok(buf_append(&text, bytes_str("[0")));
    for (size_t i = 0; i < 500000; i++)
        assert_ok(buf_append(&text, bytes_str(",0")));
    assert_err(kmip_decode(KMIP_JSON, buf_view(&text), NULL, arena, &root, NULL), ERR_LIMIT);
    buf_done(&text);
}

/* Each format, cut at every byte: refused. */
static void test_truncation(void **state)
{
    (void)state;
    static const char *const texts[] = {
        [KMIP_JSON] = "{\"tag\":\"BatchItem\",\"value\":[{\"tag\":\"Operation\",\"type\":"
                      "\"Enumeration\",\"value\":\"Get\"}]}",
        [KMIP_XML] = "<BatchItem><Operation type=\"Enumeration\" value=\"Get\"/></BatchItem>",
    };
    struct kmip_node *root = NULL;
    for (int format = KMIP_JSON; format <= KMIP_XML; format++) {
        char cut[200];
        for (size_t len = 1; len < strlen(texts[format]); len++) {
            memcpy(cut, texts[format], len);
            cut[len] = 0;
            assert_err(decode((enum kmip_format)format, cut, &root), ERR_SYNTAX);
        }
        assert_ok(decode((enum kmip_format)format, texts[format], &root));
    }
}

static void test_written(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct buf out = {0};
    struct kmip_node *attribute = kmip_put_struct(&b, NULL, KMIP_TAG_ATTRIBUTE);
    kmip_put_text(&b, attribute, KMIP_TAG_ATTRIBUTE_NAME, "Cryptographic Usage Mask");
    kmip_put_int(&b, attribute, KMIP_TAG_ATTRIBUTE_VALUE, 0x4000000c);
    kmip_put_num(&b, attribute, 0x540001, KMIP_LONG_INTEGER, -2);
    kmip_put_date(&b, attribute, KMIP_TAG_ARCHIVE_DATE, 951782400);
    kmip_put_date(&b, attribute, KMIP_TAG_ARCHIVE_DATE, INT64_MAX);
    kmip_put_enum(&b, attribute, KMIP_TAG_OBJECT_TYPE, 0x80000001);
    assert_ok(b.err);
    assert_ok(kmip_encode(KMIP_JSON, attribute, &out));
    static const char json[] =
        "{\"tag\":\"Attribute\", \"value\":[{\"tag\":\"AttributeName\", \"type\":\"TextString\", "
        "\"value\":\"Cryptographic Usage Mask\"}, {\"tag\":\"AttributeValue\", "
        "\"type\":\"Integer\", "
        "\"value\":\"Encrypt|Decrypt|0x40000000\"}, {\"tag\":\"0x540001\", "
        "\"type\":\"LongInteger\", "
        "\"value\":\"0xfffffffffffffffe\"}, {\"tag\":\"ArchiveDate\", \"type\":\"DateTime\", "
        "\"value\":\"2000-02-29T00:00:00+00:00\"}, {\"tag\":\"ArchiveDate\", "
        "\"type\":\"DateTime\", "
        "\"value\":\"0x7fffffffffffffff\"}, {\"tag\":\"ObjectType\", \"type\":\"Enumeration\", "
        "\"value\":\"0x80000001\"}]}";
    assert_int_equal(out.len, strlen(json));
    assert_memory_equal(out.data, json, out.len);
    out.len = 0;
    assert_ok(kmip_encode(KMIP_XML, attribute->first->next->next, &out));
    assert_true(bytes_equal(
        buf_view(&out), bytes_str("<TTLV tag=\"0x540001\" type=\"LongInteger\" value=\"-2\"/>\n")));
    buf_done(&out);
}

TEST_MAIN(cmocka_unit_test(test_oasis), cmocka_unit_test(test_vendors), cmocka_unit_test(test_hex),
          cmocka_unit_test(test_numbers), cmocka_unit_test(test_masks),
          cmocka_unit_test(test_dates), cmocka_unit_test(test_bytes), cmocka_unit_test(test_text),
          cmocka_unit_test(test_control_characters), cmocka_unit_test(test_json_refusals),
          cmocka_unit_test(test_xml_refusals), cmocka_unit_test(test_limits),
          cmocka_unit_test(test_truncation), cmocka_unit_test(test_written))

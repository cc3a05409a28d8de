#include "kmip/codec/print.h"

#include "kmip/codec/table.h"
#include "vectors.h"

static struct kmip_node *sample(struct kmip_build *b)
{
    struct kmip_node *item = kmip_put_struct(b, NULL, KMIP_TAG_BATCH_ITEM);
    kmip_put_enum(b, item, KMIP_TAG_OPERATION, KMIP_OP_GET);
    kmip_put_text(b, item, KMIP_TAG_USERNAME, "a\n\"b");
    kmip_put_text(b, item, KMIP_TAG_PASSWORD, "secret1");
    struct kmip_node *material = kmip_put_struct(b, item, KMIP_TAG_KEY_MATERIAL);
    kmip_put_bytes(b, material, KMIP_TAG_MODULUS, KMIP_BIG_INTEGER, bytes_str("SECRET22"));
    kmip_put_num(b, material, 0x540001, KMIP_INTEGER, 424242);
    kmip_put_date(b, item, KMIP_TAG_ARCHIVE_DATE, 951782400);
    assert_ok(b->err);
    return item;
}

static void test_masked(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct buf out = {0};
    assert_ok(kmip_print(sample(&b), (struct kmip_print_how){.offsets = true}, &out));
    assert_ok(buf_append(&out, bytes_of("", 1)));
    assert_string_equal((char *)out.data,
                        "000000  42000f 01  BatchItem Structure\n"
                        "000008  42005c 05    Operation Enumeration Get (0x0000000a)\n"
                        "000018  420099 07    Username TextString \"a\\x0a\\x22b\"\n"
                        "000028  4200a1 07    Password TextString *** (7 bytes)\n"
                        "000038  420043 01    KeyMaterial Structure\n"
                        "000040  420052 04      Modulus BigInteger *** (8 bytes)\n"
                        "000050  540001 02      0x540001 Integer ***\n"
                        "000060  420005 09    ArchiveDate DateTime 2000-02-29T00:00:00+00:00\n");
    buf_done(&out);
}

static void test_clear(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct buf out = {0};
    assert_ok(kmip_print(sample(&b), (struct kmip_print_how){.clear = true}, &out));
    assert_ok(buf_append(&out, bytes_of("", 1)));
    assert_string_equal((char *)out.data, "BatchItem Structure\n"
                                          "  Operation Enumeration Get (0x0000000a)\n"
                                          "  Username TextString \"a\\x0a\\x22b\"\n"
                                          "  Password TextString \"secret1\"\n"
                                          "  KeyMaterial Structure\n"
                                          "    Modulus BigInteger 5345435245543232 (8 bytes)\n"
                                          "    0x540001 Integer 424242\n"
                                          "  ArchiveDate DateTime 2000-02-29T00:00:00+00:00\n");
    buf_done(&out);
}

static void test_cut(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct buf out = {0};
    assert_ok(kmip_print(kmip_put_text(&b, NULL, KMIP_TAG_USERNAME, "12345"),
                         (struct kmip_print_how){.value_max = 4}, &out));
    assert_ok(kmip_print(
        kmip_put_bytes(&b, NULL, KMIP_TAG_MAC_DATA, KMIP_BYTE_STRING, bytes_str("12345")),
        (struct kmip_print_how){.value_max = 4}, &out));
    assert_ok(buf_append(&out, bytes_of("", 1)));
    assert_string_equal((char *)out.data, "Username TextString \"1234\"...\n"
                                          "MACData ByteString 31323334... (5 bytes)\n");
    buf_done(&out);
}

static void test_masked_tree(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct kmip_node *item = sample(&b);
    struct kmip_node *masked = kmip_masked(&b, item);
    assert_ok(b.err);
    static const enum kmip_format formats[] = {KMIP_TTLV, KMIP_JSON, KMIP_XML};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct buf out = {0};
        assert_ok(kmip_encode(formats[i], masked, &out));
        assert_null(memmem(out.data, out.len, "secret1", 7));
        assert_null(memmem(out.data, out.len, "SECRET22", 8));
        assert_null(memmem(out.data, out.len, "5345435245543232", 16));
        assert_null(memmem(out.data, out.len, "424242", 6));
        assert_true(kmip_equal(decode_ok(formats[i], buf_view(&out), arena, "own"), masked));
        buf_done(&out);
    }
    assert_true(bytes_equal(kmip_bytes(item, KMIP_TAG_PASSWORD), bytes_str("secret1")));
}

/* One value on one line: secrets masked, long ones cut, not within a character. */
static void test_values(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct buf out = {0};
    struct kmip_node *digest = kmip_put_struct(&b, NULL, KMIP_TAG_DIGEST);
    kmip_put_enum(&b, digest, KMIP_TAG_HASHING_ALGORITHM, KMIP_HASHING_ALGORITHM_SHA_256);
    kmip_put_bytes(&b, digest, KMIP_TAG_DIGEST_VALUE, KMIP_BYTE_STRING, bytes_str("0123456789"))
        ->secret = true;
    struct kmip_node *text = kmip_put_text(&b, NULL, KMIP_TAG_COMMENT, "ab\xc3\xa9, c=d");
    struct kmip_node *outer = kmip_put_struct(&b, NULL, KMIP_TAG_ATTRIBUTES);
    kmip_put_copy(&b, outer, 0, text);
    assert_ok(b.err);
    const struct {
        const struct kmip_node *node;
        struct kmip_print_how how;
        const char *shown;
    } cases[] = {
        {digest, {0}, "HashingAlgorithm=SHA_256, DigestValue=***"},
        {digest, {.clear = true}, "HashingAlgorithm=SHA_256, DigestValue=30313233343536373839"},
        {digest, {.clear = true, .value_max = 2}, "HashingAlgorithm=SHA_256, DigestValue=3031..."},
        {text, {0}, "ab\xc3\xa9, c=d"},
        {text, {.value_max = 4}, "ab\xc3\xa9..."},
        {text, {.value_max = 3}, "ab..."},
        {outer, {0}, "Comment=\"ab\xc3\xa9, c=d\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        out.len = 0;
        assert_ok(kmip_print_value(NULL, cases[i].node, cases[i].how, &out));
        assert_ok(buf_append(&out, bytes_of("", 1)));
        assert_string_equal((char *)out.data, cases[i].shown);
    }
    buf_done(&out);
}

TEST_MAIN(cmocka_unit_test(test_values), cmocka_unit_test(test_masked),
          cmocka_unit_test(test_clear), cmocka_unit_test(test_cut),
          cmocka_unit_test(test_masked_tree))

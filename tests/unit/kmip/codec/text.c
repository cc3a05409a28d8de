#include "vectors.h"

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

TEST_MAIN(cmocka_unit_test(test_oasis), cmocka_unit_test(test_vendors), cmocka_unit_test(test_hex))

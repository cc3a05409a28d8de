#include "vectors.h"

#include "base/hex.h"
#include "kmip/codec/table.h"

/* Decoding then encoding is the identity. */
static void round_trip(const char *where, struct bytes message)
{
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct buf out = {0};
    struct kmip_node *root = decode_ok(KMIP_TTLV, message, arena, where);
    assert_ok(kmip_encode(KMIP_TTLV, root, &out));
    assert_int_equal(out.len, message.len);
    assert_memory_equal(out.data, message.data, out.len);
    assert_int_equal(kmip_ttlv_len(root), message.len);
    buf_done(&out);
}

/* Cut at every byte: always refused, and the framing sees it where it has eight bytes. */
static void truncated(const char *where, struct bytes message)
{
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    (void)where;
    for (size_t len = 0; len < message.len; len++) {
        uint8_t *exact = malloc(len + 1); /* on the heap, for the sanitizer */
        struct kmip_node *root = NULL;
        struct err_detail detail = {0};
        size_t frame = 0;
        assert_non_null(exact);
        memcpy(exact, message.data, len);
        assert_err(kmip_decode(KMIP_TTLV, bytes_of(exact, len), NULL, arena, &root, &detail),
                   ERR_TRUNCATED);
        assert_null(root);
        if (message.data[3] == KMIP_STRUCTURE) {
            assert_err(kmip_frame_len(bytes_of(exact, len), 1 << 20, &frame),
                       len < 8 ? ERR_TRUNCATED : ERR_OK);
            assert_true(len < 8 || frame == message.len);
        }
        free(exact);
        arena_reset(arena);
    }
}

static void test_vectors_round_trip(void **state)
{
    (void)state;
    assert_int_equal(vectors_hex("oasis-1.1-test-cases", round_trip), 489);
    assert_int_equal(vectors_hex("libkmip", round_trip), 85);
}

static void test_vectors_truncated(void **state)
{
    (void)state;
    assert_int_equal(vectors_hex("libkmip", truncated), 85);
    assert_int_equal(vectors_hex("oasis-1.1-test-cases", truncated), 489);
}

static enum err decode_hex(const char *hex, struct kmip_node **ret_root)
{
    static uint8_t bytes[512];
    static struct arena *arena;
    size_t len = 0;
    struct err_detail detail = {0};
    arena_freep(&arena);
    arena = arena_for_test();
    assert_ok(hex_decode(bytes_str(hex), bytes, sizeof bytes, &len));
    enum err err = kmip_decode(KMIP_TTLV, bytes_of(bytes, len), NULL, arena, ret_root, &detail);
    assert_true(err == ERR_OK || detail.text[0] != 0);
    return err;
}

static void refuse(const char *hex, enum err want)
{
    struct kmip_node *root = NULL;
    assert_err(decode_hex(hex, &root), want);
}

static void test_values(void **state)
{
    (void)state;
    struct kmip_node *n = NULL;
    assert_ok(decode_hex("42002002000000040000000800000000", &n)); /* KMIP 1.4, 9.1.2 */
    assert_true(n->tag == 0x420020 && n->type == KMIP_INTEGER && n->num == 8);
    assert_ok(decode_hex("4200200200000004ffffffff00000000", &n));
    assert_int_equal(n->num, -1);
    assert_ok(decode_hex("420020030000000801b69b4ba5749200", &n));
    assert_true(n->num == INT64_C(123456789000000000));
    assert_ok(decode_hex("42002004000000100000000003fd35eb6bc2df4618080000", &n));
    assert_int_equal(n->bytes.len, 16);
    assert_ok(decode_hex("4200200500000004000000ff00000000", &n));
    assert_int_equal(n->num, 255);
    assert_ok(decode_hex("42002006000000080000000000000001", &n));
    assert_int_equal(n->num, 1);
    assert_ok(decode_hex("420020070000000b48656c6c6f20576f726c640000000000", &n));
    assert_true(bytes_equal(n->bytes, bytes_str("Hello World")));
    assert_ok(decode_hex("42002008000000030102030000000000", &n));
    assert_int_equal(n->bytes.len, 3);
    assert_ok(decode_hex("42002009000000080000000047da67f8", &n));
    assert_int_equal(n->num, 1205495800);
    assert_ok(decode_hex("4200200a00000004000d2f0000000000", &n));
    assert_int_equal(n->num, 864000);
    assert_ok(decode_hex("4200200b000000080005c8a2cd2a6f00", &n));
    assert_int_equal(n->type, KMIP_DATE_TIME_EXTENDED);
    assert_ok(decode_hex("42002001000000204200040500000004000000fe000000004200050200000004000000ff"
                         "00000000",
                         &n));
    assert_int_equal(n->count, 2);
    assert_int_equal(kmip_enum(n, 0x420004, 0), 254);
    assert_int_equal(kmip_num(n, 0x420005, 0), 255);
    assert_ok(decode_hex("4200200100000000", &n));
    assert_int_equal(n->count, 0);
    assert_ok(decode_hex("5400200700000000", &n));
    assert_int_equal(n->bytes.len, 0);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("43002002000000040000000800000000", ERR_SYNTAX);     /* tag */
    refuse("42002000000000040000000800000000", ERR_SYNTAX);     /* type 0 */
    refuse("4200200c000000040000000800000000", ERR_SYNTAX);     /* type 12 */
    refuse("42002002000000080000000000000008", ERR_SYNTAX);     /* integer of 8 */
    refuse("42002003000000040000000800000000", ERR_SYNTAX);     /* long integer of 4 */
    refuse("42002004000000040000000800000000", ERR_SYNTAX);     /* big integer of 4 */
    refuse("4200200400000000", ERR_SYNTAX);                     /* of none */
    refuse("42002006000000080000000000000002", ERR_SYNTAX);     /* truth value 2 */
    refuse("42002002000000040000000800000001", ERR_SYNTAX);     /* padding */
    refuse("42002008000000030102030000000001", ERR_SYNTAX);     /* padding */
    refuse("4200200700000003610062000000000000", ERR_SYNTAX);   /* NUL */
    refuse("4200200700000002c080000000000000", ERR_SYNTAX);     /* overlong */
    refuse("4200200700000003eda08000000000000000", ERR_SYNTAX); /* surrogate */
    refuse("420020020000000400000008000000004200", ERR_SYNTAX); /* more behind */
    refuse("420020010000000442000405", ERR_SYNTAX);             /* structure of 4 */
    refuse("42002008ffffffff", ERR_TRUNCATED);                  /* 4 GiB */
    refuse("42002001fffffff8", ERR_TRUNCATED);                  /* 4 GiB */
    refuse("42002001000000084200040500000004000000fe00000000", ERR_TRUNCATED); /* past parent */
}

static void nested(size_t depth, struct buf *out)
{
    for (size_t i = 0; i < depth; i++) {
        uint8_t header[8];
        be32_store(header, 0x42002001);
        be32_store(header + 4, (uint32_t)(8 * (depth - i - 1)));
        assert_ok(buf_append(out, BYTES(header)));
    }
}

static void test_limits(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_node *root = NULL;
    struct buf deep = {0};
    nested(KMIP_DEPTH_MAX, &deep);
    assert_ok(kmip_decode(KMIP_TTLV, buf_view(&deep), NULL, arena, &root, NULL));
    deep.len = 0;
    nested(KMIP_DEPTH_MAX + 1, &deep);
    assert_err(kmip_decode(KMIP_TTLV, buf_view(&deep), NULL, arena, &root, NULL), ERR_LIMIT);
    deep.len = 0;
    nested(100000, &deep);
    assert_err(kmip_decode(KMIP_TTLV, buf_view(&deep), NULL, arena, &root, NULL), ERR_LIMIT);
    deep.len = 8; /* many small ones */
    be32_store(deep.data, KMIP_TAG_REQUEST_MESSAGE << 8 | KMIP_STRUCTURE);
    for (size_t i = 0; i < KMIP_BATCH_MAX + 1; i++) {
        uint8_t header[8] = {0x42, 0x00, 0x0f, 0x01};
        assert_ok(buf_append(&deep, BYTES(header)));
    }
    be32_store(deep.data + 4, (uint32_t)deep.len - 8);
    assert_err(kmip_decode(KMIP_TTLV, buf_view(&deep), NULL, arena, &root, NULL), ERR_LIMIT);
    struct kmip_limits limits = kmip_limits_default;
    limits.batch = KMIP_BATCH_MAX + 1;
    assert_ok(kmip_decode(KMIP_TTLV, buf_view(&deep), &limits, arena, &root, NULL));
    limits.items = KMIP_BATCH_MAX;
    assert_err(kmip_decode(KMIP_TTLV, buf_view(&deep), &limits, arena, &root, NULL), ERR_LIMIT);
    limits.items = KMIP_ITEMS_MAX;
    limits.message = deep.len - 1;
    assert_err(kmip_decode(KMIP_TTLV, buf_view(&deep), &limits, arena, &root, NULL), ERR_LIMIT);
    buf_done(&deep);
}

static void test_frames(void **state)
{
    (void)state;
    size_t len = 0;
    const uint8_t good[] = {0x42, 0, 0x78, 1, 0, 0, 1, 0};
    const uint8_t odd[] = {0x42, 0, 0x78, 1, 0, 0, 1, 1};
    const uint8_t http[] = "GET / HT";
    const uint8_t huge[] = {0x42, 0, 0x78, 1, 0xff, 0xff, 0xff, 0xf8};
    assert_ok(kmip_frame_len(BYTES(good), 1 << 20, &len));
    assert_int_equal(len, 264);
    assert_err(kmip_frame_len(BYTES(good), 263, &len), ERR_LIMIT);
    assert_err(kmip_frame_len(BYTES(odd), 1 << 20, &len), ERR_SYNTAX);
    assert_err(kmip_frame_len(bytes_of(http, 8), 1 << 20, &len), ERR_SYNTAX);
    assert_err(kmip_frame_len(BYTES(huge), 1 << 20, &len), ERR_LIMIT);
    assert_err(kmip_frame_len(bytes_of(good, 7), 1 << 20, &len), ERR_TRUNCATED);
}

static void test_secrets(void **state)
{
    (void)state;
    AUTO(arena_freep) struct arena *arena = arena_for_test();
    struct kmip_build b = {.arena = arena};
    struct buf out = {0};
    struct kmip_node *block = kmip_put_struct(&b, NULL, KMIP_TAG_KEY_BLOCK);
    struct kmip_node *value = kmip_put_struct(&b, block, KMIP_TAG_KEY_VALUE);
    struct kmip_node *material = kmip_put_struct(&b, value, KMIP_TAG_KEY_MATERIAL);
    struct kmip_node *modulus =
        kmip_put_bytes(&b, material, KMIP_TAG_MODULUS, KMIP_BIG_INTEGER, bytes_str("12345678"));
    assert_ok(b.err);
    assert_true(!value->secret && material->secret && modulus->secret);
    assert_ok(kmip_encode(KMIP_TTLV, block, &out));
    block = decode_ok(KMIP_TTLV, buf_view(&out), arena, "own");
    assert_false(block->first->secret);
    assert_true(block->first->first->secret && block->first->first->first->secret);
    buf_done(&out);
}

TEST_MAIN(cmocka_unit_test(test_vectors_round_trip), cmocka_unit_test(test_vectors_truncated),
          cmocka_unit_test(test_values), cmocka_unit_test(test_refusals),
          cmocka_unit_test(test_limits), cmocka_unit_test(test_frames),
          cmocka_unit_test(test_secrets))

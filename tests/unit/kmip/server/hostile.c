#include "../op/world.h"

#include <stdio.h>

#include "../codec/vectors.h"
#include "kmip/codec/check.h"

/* Messages of others, cut at every byte and bent at every item, through the whole of kmip_process:
 * an answer that is one or an error, and nothing stored. */

static struct world world;
static size_t answered, closed;

static int begin(void **state)
{
    (void)state;
    world_begin(&world);
    answered = 0;
    closed = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_end(&world);
    return 0;
}

/* An answer has a served version, counts its items, and where it fails it says why. */
static void check_answer(const char *where, struct bytes out, bool fails)
{
    struct kmip_node *root = NULL;
    struct err_detail detail = {0};
    struct kmip_fault fault = {0};
    arena_reset(world.kept);
    if (kmip_decode(KMIP_TTLV, out, NULL, world.kept, &root, &detail) != ERR_OK)
        fail_msg("%s: the answer can't be read: %s", where, detail.text);
    const uint16_t version = kmip_message_version(root);
    if (version < KMIP_1_0 || version > KMIP_2_1 || (version < KMIP_2_0 && version > KMIP_1_4))
        fail_msg("%s: answered in version %#x", where, version);
    if (!kmip_check_response(root, version, &fault))
        fail_msg("%s: the answer is wrong: %s", where, fault.message);
    const uint32_t status = kmip_enum(root->last, KMIP_TAG_RESULT_STATUS, 99);
    if (fails && status != KMIP_STATUS_OPERATION_FAILED)
        fail_msg("%s: status %u", where, status);
    if (status == KMIP_STATUS_OPERATION_FAILED)
        assert_true(kmip_enum(root->last, KMIP_TAG_RESULT_REASON, 0) != 0);
}

static void send(const char *where, struct bytes in, bool fails)
{
    AUTO(buf_done) struct buf out = {0};
    if (world_raw(&world, KMIP_TTLV, in, &out) == ERR_OK) {
        check_answer(where, buf_view(&out), fails);
        answered++;
    } else {
        assert_int_equal(out.len, 0);
        closed++;
    }
}

/* The first `len` bytes as they are, then in a frame that says no more than is there. */
static void cut(const char *where, struct bytes whole, size_t len)
{
    AUTO(buf_done) struct buf in = {0};
    assert_ok(buf_append(&in, bytes_of(whole.data, len)));
    send(where, buf_view(&in), true);
    if (len < 8)
        return;
    /* zeros could make it whole: the length of an item that has one less */
    assert_ok(buf_append(&in, bytes_of("\xff\xff\xff\xff\xff\xff\xff", (8 - len % 8) % 8)));
    be32_store(in.data + 4, (uint32_t)(in.len - 8));
    send(where, buf_view(&in), true);
}

static bool is_request(struct bytes message)
{
    return message.len > 8 && be32_load(message.data) == (KMIP_TAG_REQUEST_MESSAGE << 8 | 1);
}

static void cut_everywhere(const char *where, struct bytes message)
{
    if (!is_request(message))
        return;
    /* the last bytes may be padding, with which a cut message is whole again */
    for (size_t len = 0; len + 8 < message.len; len++)
        cut(where, message, len);
}

static struct bytes as_ttlv(const char *where, struct bytes xml, struct buf *out)
{
    struct arena *arena = arena_for_test();
    const struct kmip_node *root = decode_ok(KMIP_XML, xml, arena, where);
    assert_ok(kmip_encode(KMIP_TTLV, root, out));
    arena_free(arena);
    return buf_view(out);
}

static void cut_xml(const char *where, struct bytes message)
{
    AUTO(buf_done) struct buf ttlv = {0};
    cut_everywhere(where, as_ttlv(where, message, &ttlv));
}

static void nothing_is_stored(void)
{
    world.version = KMIP_1_4;
    for (world.who = 0; world.who < 2; world.who++) {
        const struct kmip_node *out = world_must(&world, "Locate", "");
        const struct bytes uid = kmip_bytes(out, KMIP_TAG_UNIQUE_IDENTIFIER);
        if (uid.len != 0)
            fail_msg("%.*s is stored", (int)uid.len, (const char *)uid.data);
    }
}

static void bytes_cut_everywhere(void **state)
{
    (void)state;
    assert_true(vectors_hex("oasis-1.1-test-cases", cut_everywhere) > 0);
    assert_true(vectors_hex("libkmip", cut_everywhere) > 0);
    assert_true(answered > 10000);
    nothing_is_stored();
}

static void transcripts_cut_everywhere(void **state)
{
    (void)state;
    assert_true(vectors_xml("oasis-1.4", cut_xml) > 0);
    assert_true(vectors_xml("oasis-2.1", cut_xml) > 0);
    assert_true(answered > 10000);
    nothing_is_stored();
}

/* Every item of a message with another type, another tag and lengths that are too short, too long
 * and as long as they can be. Who asks is nobody: what is right by chance changes nothing. */
static void bend(const char *where, struct bytes message)
{
    static const uint32_t lengths[] = {0,          1,          4,          7,         8,
                                       0x7fffffff, 0x80000000, 0xfffffff8, UINT32_MAX};
    if (!is_request(message))
        return;
    AUTO(buf_done) struct buf in = {0};
    assert_ok(buf_append(&in, message));
    for (size_t at = 8; at + 8 <= message.len; at += 8) {
        const uint32_t head = be32_load(in.data + at), length = be32_load(in.data + at + 4);
        if (head >> 24 != 0x42)
            continue;
        for (uint32_t type = 0; type <= 12; type++) {
            in.data[at + 3] = (uint8_t)type;
            send(where, buf_view(&in), false);
        }
        be32_store(in.data + at, 0x42ffff00 | (head & 0xff));
        send(where, buf_view(&in), false);
        be32_store(in.data + at, head);
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
            be32_store(in.data + at + 4, lengths[i]);
            send(where, buf_view(&in), false);
        }
        be32_store(in.data + at + 4, length);
    }
}

static void bend_xml(const char *where, struct bytes message)
{
    AUTO(buf_done) struct buf ttlv = {0};
    bend(where, as_ttlv(where, message, &ttlv));
}

static void bent_everywhere(void **state)
{
    (void)state;
    world.who = 2;
    assert_true(vectors_hex("oasis-1.1-test-cases", bend) > 0);
    assert_true(vectors_xml("oasis-2.1", bend_xml) > 0);
    assert_true(answered > 10000);
    nothing_is_stored();
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(bytes_cut_everywhere), CASE(transcripts_cut_everywhere), CASE(bent_everywhere))

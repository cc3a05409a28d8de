#include "line/node_message.h"

#include <string.h>

#include "support/test.h"

static size_t sample(uint8_t room[NODE_MESSAGE_MAX], unsigned sequence)
{
    struct node_writer w;
    node_write_begin(&w, room, NODE_MESSAGE_MAX, NODE_KEY_WRITE, sequence, NODE_DONE);
    node_write_u8(&w, NODE_T_KIND, 3);
    node_write_u16(&w, NODE_T_REVISION, 0x1234);
    node_write_u32(&w, NODE_T_SIZE, 0x12345678);
    node_write_u64(&w, NODE_T_NODE_ID, 0x123456789abcdef0);
    node_write_text(&w, NODE_T_VERSION, "1.2.3.4");
    return node_write_end(&w);
}

static void fields_come_back_as_they_were_written(void **state)
{
    (void)state;
    uint8_t room[NODE_MESSAGE_MAX], u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    char text[NODE_TEXT_MAX + 1];
    struct node_stream stream = {0};
    struct node_message message;
    size_t len = sample(room, 9);
    assert_int_equal(node_stream_take(&stream, room, len), len);
    assert_true(node_stream_next(&stream, &message));
    assert_int_equal(message.type, NODE_KEY_WRITE);
    assert_int_equal(message.sequence, 9);
    assert_true(node_field_u8(&message, NODE_T_KIND, &u8) && u8 == 3);
    assert_true(node_field_u16(&message, NODE_T_REVISION, &u16) && u16 == 0x1234);
    assert_true(node_field_u32(&message, NODE_T_SIZE, &u32) && u32 == 0x12345678);
    assert_true(node_field_u64(&message, NODE_T_NODE_ID, &u64) && u64 == 0x123456789abcdef0);
    assert_true(node_field_text(&message, NODE_T_VERSION, text));
    assert_string_equal(text, "1.2.3.4");
    assert_false(node_field_u16(&message, NODE_T_KIND, &u16)); /* another length */
    assert_false(node_field_u8(&message, NODE_T_LINK, &u8));   /* not there */
    assert_false(node_stream_next(&stream, &message));
    assert_int_equal(stream.skipped, 0);
}

static void the_crc_is_that_of_iso_3309(void **state)
{
    (void)state;
    assert_int_equal(node_crc32(0, (const uint8_t *)"123456789", 9), 0xcbf43926);
    uint32_t part = node_crc32(0, (const uint8_t *)"12345", 5);
    assert_int_equal(node_crc32(part, (const uint8_t *)"6789", 4), 0xcbf43926);
}

static void messages_are_found_in_garbage_byte_by_byte(void **state)
{
    (void)state;
    uint8_t all[4 * NODE_MESSAGE_MAX], room[NODE_MESSAGE_MAX];
    size_t len = 0, found = 0;
    struct node_stream stream = {0};
    struct node_message message;
    static const uint8_t garbage[] = {NODE_MAGIC, NODE_MAGIC, 1, 2, 3, 4, 0, 9, 0xff, 0};
    for (unsigned i = 0; i < 3; i++) {
        memcpy(all + len, garbage, sizeof garbage);
        len += sizeof garbage;
        size_t part = sample(room, i);
        memcpy(all + len, room, part);
        len += part;
    }
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(node_stream_take(&stream, all + i, 1), 1);
        while (node_stream_next(&stream, &message))
            assert_int_equal(message.sequence, found++);
    }
    assert_int_equal(found, 3);
    assert_int_equal(stream.skipped, 3 * sizeof garbage);
}

static void a_wrong_bit_anywhere_is_noticed(void **state)
{
    (void)state;
    uint8_t room[NODE_MESSAGE_MAX];
    struct node_message message;
    size_t len = sample(room, 1);
    for (size_t bit = 0; bit < len * 8; bit++) {
        struct node_stream stream = {0};
        room[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)node_stream_take(&stream, room, len);
        assert_false(node_stream_next(&stream, &message));
        room[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_stalled_message_gives_way_to_the_next(void **state)
{
    (void)state;
    uint8_t room[NODE_MESSAGE_MAX];
    struct node_stream stream = {0};
    struct node_message message;
    static const uint8_t head[] = {NODE_MAGIC, 1, 2, 3, 0, 1, 0}; /* 256 bytes will follow */
    (void)node_stream_take(&stream, head, sizeof head);
    size_t len = sample(room, 7);
    (void)node_stream_take(&stream, room, len);
    assert_false(node_stream_next(&stream, &message));
    node_stream_stalled(&stream);
    assert_true(node_stream_next(&stream, &message));
    assert_int_equal(message.sequence, 7);
}

static void what_does_not_fit_is_not_written(void **state)
{
    (void)state;
    uint8_t room[NODE_MESSAGE_MAX], block[NODE_BLOCK_MAX] = {0};
    struct node_writer w;
    node_write_begin(&w, room, sizeof room, NODE_TRANSFER_BLOCK, 0, 0);
    node_write_bytes(&w, NODE_T_DATA, block, sizeof block);
    node_write_u32(&w, NODE_T_OFFSET, 0);
    assert_true(node_write_end(&w) != 0);
    node_write_bytes(&w, NODE_T_DATA, block, 100);
    assert_int_equal(node_write_end(&w), 0);
    node_write_begin(&w, room, 10, NODE_STATUS, 0, 0);
    assert_int_equal(node_write_end(&w), 0);
}

static void texts_are_printable_and_short(void **state)
{
    (void)state;
    char to[NODE_TEXT_MAX + 1];
    uint8_t body[64] = {NODE_T_NAME, 0, 3, 'a', 0x1b, 'b'};
    struct node_message message = {.body = body, .body_len = 6};
    assert_false(node_field_text(&message, NODE_T_NAME, to));
    body[2] = NODE_TEXT_MAX + 1;
    memset(body + 3, 'x', sizeof body - 3);
    message.body_len = 3 + NODE_TEXT_MAX + 1;
    assert_false(node_field_text(&message, NODE_T_NAME, to));
    body[2]--;
    assert_true(node_field_text(&message, NODE_T_NAME, to));
    assert_int_equal(strlen(to), NODE_TEXT_MAX);
    for (unsigned result = 0; result < 256; result++)
        assert_non_null(node_result_text(result));
}

TEST_MAIN(cmocka_unit_test(fields_come_back_as_they_were_written),
          cmocka_unit_test(the_crc_is_that_of_iso_3309),
          cmocka_unit_test(messages_are_found_in_garbage_byte_by_byte),
          cmocka_unit_test(a_wrong_bit_anywhere_is_noticed),
          cmocka_unit_test(a_stalled_message_gives_way_to_the_next),
          cmocka_unit_test(what_does_not_fit_is_not_written),
          cmocka_unit_test(texts_are_printable_and_short))

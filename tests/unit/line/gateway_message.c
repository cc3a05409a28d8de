#include "line/gateway_message.h"

#include "support/test.h"

static void encoding_then_decoding_is_the_identity(void **state)
{
    (void)state;
    static const enum gateway_type types[] = {GATEWAY_QUERY, GATEWAY_CLEAR, GATEWAY_STATUS};
    for (size_t i = 0; i < 2 * ARRAY_LEN(types); i++) {
        uint8_t room[GATEWAY_FRAME_MAX];
        struct writer w = writer_of(room, sizeof room);
        struct gateway_message got, message = {.type = types[i / 2],
                                               .one_x = i % 2 == 1,
                                               .node = 0x00a00001,
                                               .status = {LINE_GATEWAY_JOINED, 3, 17}};
        gateway_message_encode(&message, &w);
        assert_ok(writer_status(&w));
        assert_int_equal(gateway_frame_type(writer_view(&w)), types[i / 2]);
        assert_ok(gateway_message_decode(writer_view(&w), &got));
        assert_int_equal(got.type, message.type);
        assert_int_equal(got.node, message.node);
        assert_int_equal(got.one_x, message.one_x);
        if (message.type == GATEWAY_STATUS)
            assert_int_equal(got.status.joins, 3);
        for (size_t len = 0; len < w.len; len++)
            assert_err(gateway_message_decode(bytes_of(room, len), &got),
                       len < 4 ? ERR_TRUNCATED : ERR_SYNTAX);
    }
}

static void what_is_not_exactly_right_is_refused(void **state)
{
    (void)state;
    struct gateway_message got;
    static const uint8_t query[] = {0, 10, 1, 6, 0, 0, 0, 0, 0, 0, 0, 1};
    assert_ok(gateway_message_decode(BYTES(query), &got));
    static const uint8_t no_node[] = {0, 10, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_err(gateway_message_decode(BYTES(no_node), &got), ERR_SYNTAX);
    static const uint8_t version[] = {0, 10, 2, 6, 0, 0, 0, 0, 0, 0, 0, 1};
    assert_err(gateway_message_decode(BYTES(version), &got), ERR_SYNTAX);
    static const uint8_t type[] = {0, 10, 1, 9, 0, 0, 0, 0, 0, 0, 0, 1};
    assert_err(gateway_message_decode(BYTES(type), &got), ERR_SYNTAX);
    static const uint8_t join[] = {0, 19, 1, 8, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_err(gateway_message_decode(BYTES(join), &got), ERR_SYNTAX);
}

TEST_MAIN(cmocka_unit_test(encoding_then_decoding_is_the_identity),
          cmocka_unit_test(what_is_not_exactly_right_is_refused))

#include "base/bytes.h"

#include "base/buf.h"
#include "support/test.h"

static void fields_round_trip(void **state)
{
    (void)state;
    uint8_t room[64];
    struct writer w = writer_of(room, sizeof room);
    writer_u8(&w, 1);
    writer_u16(&w, 0x0203);
    writer_u32(&w, 0x04050607);
    writer_u64(&w, 0x08090a0b0c0d0e0f);
    writer_bytes16(&w, bytes_str("abc"));
    writer_bytes32(&w, bytes_str("defg"));
    assert_ok(writer_status(&w));
    struct reader r = reader_of(writer_view(&w));
    assert_int_equal(reader_u8(&r), 1);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u32(&r), 0x04050607);
    assert_true(reader_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_true(bytes_equal(reader_bytes16(&r), bytes_str("abc")));
    assert_true(bytes_equal(reader_bytes32(&r), bytes_str("defg")));
    assert_ok(reader_end(&r));
}

static void every_truncation_is_refused_and_sticks(void **state)
{
    (void)state;
    const uint8_t whole[] = {0, 3, 'a', 'b', 'c', 0, 0, 0, 9};
    for (size_t len = 0; len < sizeof whole; len++) {
        struct reader r = reader_of(bytes_of(whole, len));
        (void)reader_bytes16(&r);
        (void)reader_u32(&r);
        assert_err(reader_status(&r), ERR_TRUNCATED);
        assert_int_equal(reader_u8(&r), 0);
        assert_int_equal(reader_left(&r), 0);
    }
}

static void left_over_bytes_are_refused(void **state)
{
    (void)state;
    const uint8_t two[] = {1, 2};
    struct reader r = reader_of(BYTES(two));
    assert_int_equal(reader_u8(&r), 1);
    assert_ok(reader_status(&r));
    assert_err(reader_end(&r), ERR_SYNTAX);
}

static void overflow_writes_nothing_past_the_end(void **state)
{
    (void)state;
    uint8_t room[4] = {9, 9, 9, 9};
    struct writer w = writer_of(room, 3);
    writer_u16(&w, 0x0101);
    writer_u16(&w, 0x0202);
    writer_u8(&w, 3);
    assert_err(writer_status(&w), ERR_LIMIT);
    assert_int_equal(room[2], 9);
    assert_int_equal(room[3], 9);
}

static void buffer_grows_and_consumes(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf b = {0};
    for (int i = 0; i < 1000; i++)
        assert_ok(buf_printf(&b, "%d,", i));
    assert_memory_equal(b.data, "0,1,2,", 6);
    buf_consume(&b, 4);
    assert_memory_equal(b.data, "2,3,", 4);
    assert_err(buf_reserve(&b, (size_t)1 << 31), ERR_LIMIT);
}

TEST_MAIN(cmocka_unit_test(fields_round_trip),
          cmocka_unit_test(every_truncation_is_refused_and_sticks),
          cmocka_unit_test(left_over_bytes_are_refused),
          cmocka_unit_test(overflow_writes_nothing_past_the_end),
          cmocka_unit_test(buffer_grows_and_consumes))

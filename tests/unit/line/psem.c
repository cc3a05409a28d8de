#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "line/wrapper/crc16.h"
#include "line/wrapper/psem_link.h"
#include "support/test.h"

/* Packets of ANSI C12.18 as others made them. */

static uint8_t wire[64];
static size_t wire_len;

static void on_write(void *ctx, const uint8_t *data, size_t len)
{
    (void)ctx;
    assert_true(wire_len + len <= sizeof wire);
    memcpy(wire + wire_len, data, len);
    wire_len += len;
}

static size_t bytes_of_hex(const json_t *vector, const char *name, uint8_t *to, size_t cap)
{
    size_t len = 0;
    const char *text = json_string_value(json_object_get(vector, name));
    assert_non_null(text);
    assert_ok(hex_decode(bytes_str(text), to, cap, &len));
    return len;
}

static void check_vector(const json_t *vector)
{
    uint8_t frame[PSEM_PACKET_MAX], data[PSEM_PACKET_MAX], packet[PSEM_PACKET_MAX];
    struct psem_link link = {0};
    const struct claviger_line_io io = {.write = on_write};
    bool good = json_is_true(json_object_get(vector, "verified"));
    size_t frame_len = bytes_of_hex(vector, "frame", frame, sizeof frame);
    size_t data_len = bytes_of_hex(vector, "data", data, sizeof data);
    memcpy(packet + 6, data, data_len);
    size_t len = psem_packet_end(packet, frame[2], frame[3], data_len);
    assert_int_equal(len, frame_len);
    assert_true((memcmp(packet, frame, len) == 0) == good);
    /* And read: acknowledged and taken, or refused. */
    psem_link_init(&link, &io, 9600, 0);
    wire_len = 0;
    for (size_t i = 0; i < frame_len; i++)
        psem_link_byte(&link, frame[i], i);
    assert_int_equal(wire_len, 1);
    assert_int_equal(wire[0], good ? 0x06 : 0x15);
    assert_true(link.whole == good);
    if (good) {
        assert_int_equal(link.got_len, data_len);
        assert_memory_equal(link.got, data, data_len);
        /* The same packet again is acknowledged again, and not taken. */
        link.whole = false;
        for (size_t i = 0; i < frame_len; i++)
            psem_link_byte(&link, frame[i], i);
        assert_int_equal(wire_len, 2);
        assert_true(link.whole == (data_len == 1 && data[0] == 0x20));
    }
}

static void packets_of_others_are_read_and_written(void **state)
{
    (void)state;
    char path[1024];
    json_error_t error;
    if (test_vectors() == NULL)
        skip();
    (void)snprintf(path, sizeof path, "%s/metering/c1218_psem.json", test_vectors());
    json_t *file = json_load_file(path, 0, &error);
    if (file == NULL)
        skip();
    json_t *vectors = json_object_get(file, "vectors");
    assert_true(json_array_size(vectors) > 10);
    for (size_t i = 0; i < json_array_size(vectors); i++)
        check_vector(json_array_get(vectors, i));
    json_decref(file);
}

static void the_crc_is_x_25(void **state)
{
    (void)state;
    assert_int_equal(wrapper_crc16((const uint8_t *)"123456789", 9), 0x906e);
}

static void long_services_take_several_packets(void **state)
{
    (void)state;
    struct psem_link from = {0}, to = {0};
    const struct claviger_line_io io = {.write = on_write};
    uint8_t service[150];
    for (size_t i = 0; i < sizeof service; i++)
        service[i] = (uint8_t)i;
    psem_link_init(&from, &io, 0, 0);
    psem_link_init(&to, &io, 0, 0);
    static const uint8_t control[] = {0xc0, 0xa0, 0x80}; /* multi, first, toggle */
    wire_len = 0;
    psem_link_send(&from, service, sizeof service, 0);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t packet[64];
        size_t len = wire_len;
        memcpy(packet, wire, len);
        assert_int_equal(packet[2], control[i]);
        assert_int_equal(packet[3], 2 - i);
        wire_len = 0;
        for (size_t at = 0; at < len; at++)
            psem_link_byte(&to, packet[at], 1);
        assert_int_equal(wire[0], 0x06);
        assert_true(to.whole == (i == 2));
        wire_len = 0;
        psem_link_byte(&from, 0x06, 2);
    }
    assert_int_equal(to.got_len, sizeof service);
    assert_memory_equal(to.got, service, sizeof service);
    assert_false(psem_link_sending(&from));
}

static void a_packet_is_repeated_and_given_up(void **state)
{
    (void)state;
    struct psem_link link = {0};
    const struct claviger_line_io io = {.write = on_write};
    psem_link_init(&link, &io, 9600, 0);
    wire_len = 0;
    psem_link_send(&link, (const uint8_t *)"\x52", 1, 0);
    assert_int_equal(wire_len, 9);
    psem_link_byte(&link, 0x15, 1); /* a NAK: at once */
    assert_int_equal(wire_len, 18);
    uint64_t due = psem_link_poll(&link, 2);
    while (due != CLAVIGER_LINE_NEVER) {
        wire_len = 0;
        due = psem_link_poll(&link, due);
    }
    assert_true(link.failed);
    assert_false(psem_link_sending(&link));
}

TEST_MAIN(cmocka_unit_test(packets_of_others_are_read_and_written),
          cmocka_unit_test(the_crc_is_x_25), cmocka_unit_test(long_services_take_several_packets),
          cmocka_unit_test(a_packet_is_repeated_and_given_up))

#include "line/wrapper/wrapper.h"

#include <stdbool.h>
#include <string.h>

#include "line/wrapper/crc16.h"
#include "support/test.h"

/* Two ends of a wrapper and the line between them, with a clock that only the test moves. */

#define QUEUE_MAX    ((size_t)512 * 1024)
#define MESSAGES_MAX 256

struct faults {
    double noise, lose, doubled;
    bool cut; /* nothing passes */
};

struct end {
    const struct claviger_line_wrapper *wrapper;
    void *state;
    struct claviger_line_io io;
    uint8_t *queue; /* on its way to the other end */
    size_t queue_len;
    uint8_t *got; /* what was delivered, one behind the other */
    size_t got_len, messages;
    size_t host_len;
    uint8_t host[2048];
};

struct line {
    struct end station, device;
    uint64_t now;
    uint32_t random;
    struct faults faults;
};

static void on_write(void *ctx, const uint8_t *data, size_t len)
{
    struct end *end = ctx;
    assert_true(end->queue_len + len <= QUEUE_MAX);
    memcpy(end->queue + end->queue_len, data, len);
    end->queue_len += len;
}

static void on_read(void *ctx, const uint8_t *data, size_t len)
{
    struct end *end = ctx;
    assert_true(len != 0 && end->got_len + len <= QUEUE_MAX);
    memcpy(end->got + end->got_len, data, len);
    end->got_len += len;
    end->messages++;
}

static void on_host(void *ctx, const uint8_t *data, size_t len)
{
    struct end *end = ctx;
    assert_true(end->host_len + len <= sizeof end->host);
    memcpy(end->host + end->host_len, data, len);
    end->host_len += len;
}

static void end_init(struct end *end, const struct claviger_line_wrapper *wrapper,
                     enum claviger_line_role role, uint32_t seed)
{
    struct claviger_line_config config = {.role = role, .baud = 115200, .seed = seed};
    *end = (struct end){.wrapper = wrapper,
                        .state = calloc(1, wrapper->state_size),
                        .queue = malloc(QUEUE_MAX),
                        .got = malloc(QUEUE_MAX)};
    assert_true(end->state != NULL && end->queue != NULL && end->got != NULL);
    end->io =
        (struct claviger_line_io){.ctx = end, .write = on_write, .read = on_read, .host = on_host};
    wrapper->init(end->state, &config, &end->io, 1000);
}

static void end_done(struct end *end)
{
    free(end->state);
    free(end->queue);
    free(end->got);
}

static struct line *line_new(const struct claviger_line_wrapper *wrapper)
{
    struct line *line = calloc(1, sizeof *line);
    assert_non_null(line);
    end_init(&line->station, wrapper, CLAVIGER_LINE_STATION, 0x1234);
    end_init(&line->device, wrapper, CLAVIGER_LINE_DEVICE, 0x777);
    line->now = 1000;
    line->random = 0x2545f491;
    return line;
}

static void line_free(struct line *line)
{
    end_done(&line->station);
    end_done(&line->device);
    free(line);
}

static bool happens(struct line *line, double probability)
{
    line->random ^= line->random << 13;
    line->random ^= line->random >> 17;
    line->random ^= line->random << 5;
    return (double)line->random / 4294967296.0 < probability;
}

static void pass(struct line *line, struct end *from, struct end *to)
{
    size_t len = from->queue_len < 12 ? from->queue_len : 12; /* a millisecond at 115200 baud */
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = from->queue[i];
        if (line->faults.cut || happens(line, line->faults.lose))
            continue;
        if (happens(line, line->faults.noise))
            byte ^= (uint8_t)(1u << (line->random & 7));
        to->wrapper->ingress(to->state, &byte, 1, line->now);
        if (happens(line, line->faults.doubled))
            to->wrapper->ingress(to->state, &byte, 1, line->now);
    }
    from->queue_len -= len;
    memmove(from->queue, from->queue + len, from->queue_len);
}

static void tick(struct line *line)
{
    line->now++;
    pass(line, &line->station, &line->device);
    pass(line, &line->device, &line->station);
    (void)line->station.wrapper->poll(line->station.state, line->now);
    (void)line->device.wrapper->poll(line->device.state, line->now);
}

static void run(struct line *line, unsigned ms)
{
    while (ms-- != 0)
        tick(line);
}

static int send(struct line *line, struct end *end, const void *data, size_t len)
{
    return end->wrapper->egress(end->state, data, len, line->now);
}

/* Sent when there is room, however long that takes. */
static void send_waiting(struct line *line, struct end *end, const void *data, size_t len)
{
    for (unsigned i = 0; i < 60000; i++) {
        int status = send(line, end, data, len);
        if (status == CLAVIGER_LINE_OK)
            return;
        assert_int_equal(status, CLAVIGER_LINE_BUSY);
        tick(line);
    }
    fail_msg("%s: no room within a minute", end->wrapper->name);
}

static void message_of(uint8_t *message, size_t len, unsigned number)
{
    for (size_t i = 0; i < len; i++)
        message[i] = (uint8_t)(number * 7 + i * 13 + (i >> 8));
}

/* Requests and answers of many lengths, one after the other. */
static void converse(struct line *line, unsigned count)
{
    uint8_t message[CLAVIGER_LINE_MESSAGE_MAX];
    for (unsigned i = 0; i < count; i++) {
        size_t len = i % 3 == 0 ? CLAVIGER_LINE_MESSAGE_MAX - i : 1 + i * 17 % 700;
        message_of(message, len, i);
        line->device.got_len = line->station.got_len = 0;
        send_waiting(line, &line->station, message, len);
        for (unsigned ms = 0; ms < 60000 && line->device.got_len < len; ms++)
            tick(line);
        assert_int_equal(line->device.got_len, len);
        assert_memory_equal(line->device.got, message, len);
        message_of(message, len, i + 100);
        send_waiting(line, &line->device, message, len);
        for (unsigned ms = 0; ms < 60000 && line->station.got_len < len; ms++)
            tick(line);
        assert_int_equal(line->station.got_len, len);
        assert_memory_equal(line->station.got, message, len);
    }
}

static void every_wrapper_carries_messages_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; line_wrappers[i] != NULL; i++) {
        struct line *line = line_new(line_wrappers[i]);
        converse(line, 20);
        run(line, 1000);
        assert_int_equal(line_wrappers[i]->status(line->station.state), CLAVIGER_LINE_OK);
        assert_int_equal(line->station.host_len, 0);
        line_free(line);
    }
}

static void wrong_sizes_are_refused(void **state)
{
    (void)state;
    static const uint8_t message[CLAVIGER_LINE_MESSAGE_MAX + 1];
    for (size_t i = 0; line_wrappers[i] != NULL; i++) {
        struct line *line = line_new(line_wrappers[i]);
        assert_int_equal(send(line, &line->station, message, 0), CLAVIGER_LINE_SIZE);
        assert_int_equal(send(line, &line->station, message, sizeof message), CLAVIGER_LINE_SIZE);
        assert_int_equal(line->station.queue_len, 0);
        line_free(line);
    }
}

static void bad_lines_lose_nothing(void **state)
{
    (void)state;
    static const struct claviger_line_wrapper *const wrappers[] = {
        &line_wrapper_reliable, &line_wrapper_rht_v2, &line_wrapper_opt_psem};
    for (size_t i = 0; i < ARRAY_LEN(wrappers); i++) {
        struct line *line = line_new(wrappers[i]);
        line->faults = (struct faults){.noise = 2e-4, .lose = 2e-4, .doubled = 1e-4};
        converse(line, 30);
        line_free(line);
    }
}

static void messages_come_once_and_in_order(void **state)
{
    (void)state;
    static const struct claviger_line_wrapper *const wrappers[] = {&line_wrapper_reliable,
                                                                   &line_wrapper_rht_v2};
    for (size_t i = 0; i < ARRAY_LEN(wrappers); i++) {
        struct line *line = line_new(wrappers[i]);
        uint8_t message[900], *all = malloc(100 * sizeof message);
        assert_non_null(all);
        size_t total = 0;
        line->faults = (struct faults){.noise = 3e-4, .lose = 3e-4, .doubled = 3e-4};
        for (unsigned number = 0; number < 100; number++) {
            size_t len = 1 + number * 31 % sizeof message;
            message_of(message, len, number);
            memcpy(all + total, message, len);
            total += len;
            send_waiting(line, &line->station, message, len);
        }
        for (unsigned ms = 0; ms < 100000 && line->device.messages < 100; ms++)
            tick(line);
        assert_int_equal(line->device.messages, 100);
        assert_int_equal(line->device.got_len, total);
        assert_memory_equal(line->device.got, all, total);
        run(line, 5000);
        assert_int_equal(line->device.messages, 100);
        free(all);
        line_free(line);
    }
}

static void a_dead_line_is_told_and_can_come_back(void **state)
{
    (void)state;
    static const struct claviger_line_wrapper *const wrappers[] = {
        &line_wrapper_reliable, &line_wrapper_rht_v2, &line_wrapper_opt_psem};
    for (size_t i = 0; i < ARRAY_LEN(wrappers); i++) {
        struct line *line = line_new(wrappers[i]);
        converse(line, 2);
        line->faults.cut = true;
        send_waiting(line, &line->station, "lost", 4);
        unsigned ms = 0;
        while (wrappers[i]->status(line->station.state) != CLAVIGER_LINE_LOST && ms++ < 60000)
            tick(line);
        assert_int_equal(wrappers[i]->status(line->station.state), CLAVIGER_LINE_LOST);
        line->faults.cut = false;
        converse(line, 3);
        line_free(line);
    }
}

static void a_device_that_starts_anew_is_found_again(void **state)
{
    (void)state;
    for (size_t i = 0; line_wrappers[i] != NULL; i++) {
        struct line *line = line_new(line_wrappers[i]);
        converse(line, 2);
        run(line, 300);
        end_done(&line->station); /* another station on the same port */
        end_init(&line->station, line_wrappers[i], CLAVIGER_LINE_STATION, 0x99);
        converse(line, 2);
        line_free(line);
    }
}

static void reset_of_a_device_ends_the_session(void **state)
{
    (void)state;
    struct line *line = line_new(&line_wrapper_rht_v2);
    converse(line, 2);
    end_done(&line->device);
    end_init(&line->device, &line_wrapper_rht_v2, CLAVIGER_LINE_DEVICE, 0x55);
    send_waiting(line, &line->station, "gone", 4);
    run(line, 200);
    assert_int_equal(line_wrapper_rht_v2.status(line->station.state), CLAVIGER_LINE_LOST);
    converse(line, 2);
    line_free(line);
}

/* ---------------------------------------------------------------- simple: appendix B */

static void simple_is_appendix_b_byte_for_byte(void **state)
{
    (void)state;
    struct line *line = line_new(&line_wrapper_simple);
    static const uint8_t want[] = {0x07, 0x00, 0x47, 0x01, 0xff, 0x80, 0xce};
    assert_int_equal(send(line, &line->station, "\x01\xff\x80", 3), CLAVIGER_LINE_OK);
    assert_int_equal(line->station.queue_len, sizeof want);
    assert_memory_equal(line->station.queue, want, sizeof want);
    uint8_t long_message[300] = {0};
    line->station.queue_len = 0;
    assert_int_equal(send(line, &line->station, long_message, sizeof long_message),
                     CLAVIGER_LINE_OK);
    assert_int_equal(line->station.queue[0], 304 & 0xff);
    assert_int_equal(line->station.queue[1], 304 >> 8);
    assert_int_equal(line->station.queue[303], (0x30 + 0x01 + 0x47) & 0xff);
    line_free(line);
}

static void simple_gives_the_host_what_is_its_own(void **state)
{
    (void)state;
    struct line *line = line_new(&line_wrapper_simple);
    static const uint8_t stream[] = {0x06, 0x00, 0x00, 'h',  'i', 0xd7, /* the host's */
                                     0x05, 0x00, 0x47, 0x42, 0x8e};     /* the node's */
    line_wrapper_simple.ingress(line->station.state, stream, sizeof stream, line->now);
    assert_int_equal(line->station.host_len, 6);
    assert_memory_equal(line->station.host, stream, 6);
    assert_int_equal(line->station.got_len, 1);
    assert_int_equal(line->station.got[0], 0x42);
    line_free(line);
}

static void simple_finds_the_next_frame_behind_garbage(void **state)
{
    (void)state;
    struct line *line = line_new(&line_wrapper_simple);
    static const uint8_t good[] = {0x05, 0x00, 0x47, 0x42, 0x8e};
    static const uint8_t bad_sum[] = {0x05, 0x00, 0x47, 0x42, 0x8f};
    static const uint8_t claims_much[] = {0x00, 0x04, 0x47, 0x01};
    line_wrapper_simple.ingress(line->station.state, (const uint8_t *)"\xff\xff\xff\x01", 4,
                                line->now);
    line_wrapper_simple.ingress(line->station.state, bad_sum, sizeof bad_sum, line->now);
    line_wrapper_simple.ingress(line->station.state, good, sizeof good, line->now);
    run(line, 150);
    assert_int_equal(line->station.messages, 1);
    line_wrapper_simple.ingress(line->station.state, claims_much, sizeof claims_much, line->now);
    line_wrapper_simple.ingress(line->station.state, good, sizeof good, line->now);
    assert_int_equal(line->station.messages, 1); /* it waits for the rest */
    run(line, 150);
    assert_int_equal(line->station.messages, 2);
    line_free(line);
}

/* ---------------------------------------------------------------- a customer's own */

static void names_and_paths_choose_a_wrapper(void **state)
{
    (void)state;
    const struct claviger_line_wrapper *wrapper = NULL;
    struct err_detail detail = {0};
    assert_ok(line_wrapper_choose(NULL, &wrapper, NULL));
    assert_ptr_equal(wrapper, &line_wrapper_none);
    assert_ok(line_wrapper_choose("opt_psem", &wrapper, NULL));
    assert_ptr_equal(wrapper, &line_wrapper_opt_psem);
    assert_err(line_wrapper_choose("rht_v3", &wrapper, &detail), ERR_NOT_FOUND);
    assert_non_null(strstr(detail.text, "rht_v3"));
    assert_err(line_wrapper_choose("/nowhere/wrapper.so", &wrapper, &detail), ERR_NOT_FOUND);
    assert_err(line_wrapper_choose(NO_WRAPPER, &wrapper, &detail), ERR_SYNTAX);
    assert_ptr_equal(wrapper, &line_wrapper_opt_psem);
}

static void a_customers_wrapper_is_loaded(void **state)
{
    (void)state;
    const struct claviger_line_wrapper *wrapper = NULL;
    assert_ok(line_wrapper_choose(EXAMPLE_WRAPPER, &wrapper, NULL));
    assert_string_equal(wrapper->name, "hexline");
    struct line *line = line_new(wrapper);
    converse(line, 10);
    assert_int_equal(send(line, &line->station, "\x0a\xff", 2), CLAVIGER_LINE_OK);
    assert_memory_equal(line->station.queue, ":0aff\n", 6);
    line_free(line);
}

TEST_MAIN(cmocka_unit_test(every_wrapper_carries_messages_both_ways),
          cmocka_unit_test(wrong_sizes_are_refused), cmocka_unit_test(bad_lines_lose_nothing),
          cmocka_unit_test(messages_come_once_and_in_order),
          cmocka_unit_test(a_dead_line_is_told_and_can_come_back),
          cmocka_unit_test(a_device_that_starts_anew_is_found_again),
          cmocka_unit_test(reset_of_a_device_ends_the_session),
          cmocka_unit_test(simple_is_appendix_b_byte_for_byte),
          cmocka_unit_test(simple_gives_the_host_what_is_its_own),
          cmocka_unit_test(simple_finds_the_next_frame_behind_garbage),
          cmocka_unit_test(names_and_paths_choose_a_wrapper),
          cmocka_unit_test(a_customers_wrapper_is_loaded))

#include "net/conn.h"

#include <stdio.h>
#include <sys/socket.h>

#include "rig.h"

static struct net_loop *loop;
static int far = -1; /* the test's end of the socket pair, blocking */
static struct rig_end near;

static int setup(void **state)
{
    (void)state;
    near = (struct rig_end){0};
    return rig_loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    net_loop_free(loop);
    if (far >= 0)
        (void)close(far);
    far = -1;
    return 0;
}

static void open_pair(struct net_conn_limits limits)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    far = pair[1];
    struct timeval patience = {.tv_sec = 5};
    (void)setsockopt(far, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct net_conn_setup s = {.ops = &rig_ops, .ctx = &near, .limits = limits};
    struct net_conn *conn = NULL;
    assert_ok(net_conn_adopt(loop, pair[0], &s, &conn));
    rig_run(loop, &near.opened, 1);
}

static void put(const void *data, size_t len)
{
    assert_int_equal(send(far, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void frames_survive_a_split_at_every_byte(void **state)
{
    (void)state;
    near.echo = true;
    open_pair((struct net_conn_limits){0});
    uint8_t two[64], back[64];
    size_t len = rig_frame(two, "alpha", 5);
    len += rig_frame(two + len, "bravo-charlie", 13);
    for (size_t cut = 1; cut < len; cut++) {
        unsigned before = near.frames;
        put(two, cut);
        rig_pass(loop, 1);
        put(two + cut, len - cut);
        rig_run(loop, &near.frames, before + 2);
        rig_pass(loop, 1);
        assert_int_equal(recv(far, back, len, MSG_WAITALL), (ssize_t)len);
        assert_memory_equal(back, two, len);
    }
    for (size_t i = 0; i < len; i++) {
        put(two + i, 1);
        rig_pass(loop, 1);
    }
    assert_int_equal(near.frames, 2 * len);
    assert_int_equal(near.last_len, 13);
}

static void a_long_frame_collects(void **state)
{
    (void)state;
    open_pair((struct net_conn_limits){0});
    static uint8_t frame[2 + 60000];
    memset(frame + 2, 7, 60000);
    (void)rig_frame(frame, frame + 2, 60000);
    for (int round = 0; round < 3; round++) {
        for (size_t at = 0; at < sizeof frame; at += 9000) {
            put(frame + at, sizeof frame - at < 9000 ? sizeof frame - at : 9000);
            rig_pass(loop, 1);
        }
    }
    assert_int_equal(near.frames, 3);
    assert_int_equal(near.bytes, 3 * sizeof frame);
}

static void what_can_not_be_framed_closes(void **state)
{
    (void)state;
    open_pair((struct net_conn_limits){0});
    put("\xff", 1);
    rig_run(loop, &near.freed, 1);
    assert_int_equal(near.reason, NET_CLOSE_FRAME);
    assert_int_equal(near.closed, 1);
}

static void a_frame_above_the_limit_closes_by_its_header(void **state)
{
    (void)state;
    open_pair((struct net_conn_limits){.frame_max = 100});
    put("\0\x63", 2); /* 101 with its header */
    rig_run(loop, &near.closed, 1);
    assert_int_equal(near.reason, NET_CLOSE_FRAME);
    assert_int_equal(near.frames, 0);
}

static void the_idle_are_closed(void **state)
{
    (void)state;
    open_pair((struct net_conn_limits){.idle_ms = 60});
    uint8_t frame[8];
    for (int i = 0; i < 4; i++) {
        rig_pass(loop, 30);
        put(frame, rig_frame(frame, "a", 1));
    }
    rig_pass(loop, 20);
    assert_int_equal(near.frames, 4);
    assert_int_equal(near.closed, 0);
    rig_run(loop, &near.closed, 1);
    assert_int_equal(near.reason, NET_CLOSE_IDLE);
}

static void nobody_is_idle_while_a_request_is_out(void **state)
{
    (void)state;
    near.hold = true;
    open_pair((struct net_conn_limits){.idle_ms = 40});
    uint8_t frame[8];
    put(frame, rig_frame(frame, "a", 1));
    rig_pass(loop, 120);
    assert_int_equal(near.closed, 0);
    net_conn_release(near.conn);
    rig_run(loop, &near.closed, 1);
    assert_int_equal(near.reason, NET_CLOSE_IDLE);
}

static void a_half_closed_peer_gets_its_answer(void **state)
{
    (void)state;
    near.hold = true;
    open_pair((struct net_conn_limits){0});
    uint8_t frame[8], back[8];
    put(frame, rig_frame(frame, "ask", 3));
    (void)shutdown(far, SHUT_WR);
    rig_pass(loop, 20);
    assert_int_equal(near.frames, 1);
    assert_int_equal(near.closed, 0);
    assert_ok(rig_send(near.conn, "yes", 3));
    net_conn_release(near.conn);
    rig_run(loop, &near.freed, 1);
    assert_int_equal(near.reason, NET_CLOSE_PEER);
    assert_int_equal(recv(far, back, 5, MSG_WAITALL), 5);
    assert_memory_equal(back, "\0\3yes", 5);
}

static void an_end_within_a_frame_is_told_apart(void **state)
{
    (void)state;
    open_pair((struct net_conn_limits){0});
    put("\0\5ab", 4);
    (void)shutdown(far, SHUT_WR);
    rig_run(loop, &near.closed, 1);
    assert_int_equal(near.reason, NET_CLOSE_CUT);
}

static void a_slow_reader_stops_our_reading(void **state)
{
    (void)state;
    near.echo = true;
    open_pair((struct net_conn_limits){.write_buffer_max = 50000, .write_ms = 10000});
    int small = 4096;
    (void)setsockopt(far, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    static uint8_t frame[2 + 1000];
    size_t sent = 0, got = 0;
    (void)rig_frame(frame, frame + 2, 1000);
    for (int i = 0; i < 2000; i++) {
        ssize_t n = send(far, frame + sent % 1002, 1002 - sent % 1002, MSG_DONTWAIT);
        if (n > 0)
            sent += (size_t)n;
        rig_pass(loop, 0);
    }
    assert_true(sent < 2000 * 1002); /* it pushed back */
    assert_true(net_conn_unsent(near.conn) > 50000);
    assert_true(net_conn_unsent(near.conn) < 50000 + 400000);
    static uint8_t sink[65536];
    while (got + 2000 < sent) {
        ssize_t n = recv(far, sink, sizeof sink, MSG_DONTWAIT);
        if (n > 0)
            got += (size_t)n;
        rig_pass(loop, 0);
    }
    rig_pass(loop, 5);
    assert_int_equal(near.frames, sent / 1002);
    assert_true(near.drained > 0);
    assert_int_equal(near.closed, 0);
}

static void a_peer_that_takes_nothing_is_closed(void **state)
{
    (void)state;
    open_pair((struct net_conn_limits){.write_ms = 60});
    static uint8_t lots[1 << 20];
    assert_ok(net_conn_write(near.conn, BYTES(lots)));
    rig_run(loop, &near.closed, 1);
    assert_int_equal(near.reason, NET_CLOSE_TIMEOUT);
}

static void outstanding_requests_are_capped(void **state)
{
    (void)state;
    near.hold = true;
    open_pair((struct net_conn_limits){.outstanding_max = 3});
    uint8_t frame[8];
    for (int i = 0; i < 10; i++)
        put(frame, rig_frame(frame, "a", 1));
    rig_pass(loop, 20);
    assert_int_equal(near.frames, 3);
    net_conn_release(near.conn);
    net_conn_release(near.conn);
    rig_run(loop, &near.frames, 5);
    rig_pass(loop, 5);
    assert_int_equal(near.frames, 5);
    near.hold = false;
    net_conn_pause(near.conn);
    for (int i = 0; i < 3; i++)
        net_conn_release(near.conn);
    rig_pass(loop, 5);
    assert_int_equal(near.frames, 5);
    net_conn_resume(near.conn);
    rig_run(loop, &near.frames, 10);
}

static void closing_waits_for_what_is_held(void **state)
{
    (void)state;
    near.hold = true;
    open_pair((struct net_conn_limits){0});
    uint8_t frame[16], back[8];
    put(frame, rig_frame(frame, "ask", 3));
    put(frame, rig_frame(frame, "ask", 3));
    rig_run(loop, &near.frames, 2);
    assert_ok(rig_send(near.conn, "one", 3));
    net_conn_close(near.conn);
    assert_err(rig_send(near.conn, "two", 3), ERR_CLOSED);
    assert_false(net_conn_is_open(near.conn));
    rig_pass(loop, 5);
    assert_int_equal(recv(far, back, 8, 0), 5);
    assert_int_equal(recv(far, back, 8, 0), 0);
    (void)close(far);
    far = -1;
    rig_run(loop, &near.closed, 1);
    assert_int_equal(near.reason, NET_CLOSE_LOCAL);
    rig_pass(loop, 5);
    assert_int_equal(near.freed, 0);
    net_conn_release(near.conn);
    net_conn_release(near.conn);
    rig_run(loop, &near.freed, 1);
}

static void abort_is_told_once(void **state)
{
    (void)state;
    open_pair((struct net_conn_limits){0});
    net_conn_abort(near.conn);
    net_conn_abort(near.conn);
    net_conn_close(near.conn);
    assert_int_equal(near.closed, 0);
    rig_run(loop, &near.freed, 1);
    assert_int_equal(near.closed, 1);
}

static void frames_behind_a_close_are_dropped(void **state)
{
    (void)state;
    near.close_on_frame = true;
    open_pair((struct net_conn_limits){0});
    uint8_t frames[32];
    size_t len = rig_frame(frames, "one", 3);
    len += rig_frame(frames + len, "two", 3);
    put(frames, len);
    (void)shutdown(far, SHUT_WR);
    rig_run(loop, &near.freed, 1);
    assert_int_equal(near.frames, 1);
}

static void connecting_to_nothing_is_told(void **state)
{
    (void)state;
    int fd = -1;
    assert_ok(net_listen_socket("127.0.0.1", 0, &fd, NULL));
    uint16_t port = net_socket_port(fd);
    (void)close(fd);
    struct net_conn_setup s = {.ops = &rig_ops, .ctx = &near};
    struct net_conn *conn = NULL;
    assert_ok(
        net_connect(loop, &(struct net_target){.host = "127.0.0.1", .port = port}, &s, &conn));
    rig_run(loop, &near.freed, 1);
    assert_int_equal(near.reason, NET_CLOSE_CONNECT);
    assert_non_null(strstr(near.detail, "127.0.0.1"));
    near.freed = 0;
    assert_ok(net_connect(loop, &(struct net_target){.host = "/nowhere/socket"}, &s, &conn));
    rig_run(loop, &near.freed, 1);
    near.freed = 0;
    /* the names of RFC 6761 that never resolve */
    assert_ok(net_connect(loop, &(struct net_target){.host = "a.invalid", .port = 1}, &s, &conn));
    rig_run(loop, &near.freed, 1);
    assert_int_equal(near.reason, NET_CLOSE_CONNECT);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(frames_survive_a_split_at_every_byte, setup, teardown),
          cmocka_unit_test_setup_teardown(a_long_frame_collects, setup, teardown),
          cmocka_unit_test_setup_teardown(what_can_not_be_framed_closes, setup, teardown),
          cmocka_unit_test_setup_teardown(a_frame_above_the_limit_closes_by_its_header, setup,
                                          teardown),
          cmocka_unit_test_setup_teardown(the_idle_are_closed, setup, teardown),
          cmocka_unit_test_setup_teardown(nobody_is_idle_while_a_request_is_out, setup, teardown),
          cmocka_unit_test_setup_teardown(a_half_closed_peer_gets_its_answer, setup, teardown),
          cmocka_unit_test_setup_teardown(an_end_within_a_frame_is_told_apart, setup, teardown),
          cmocka_unit_test_setup_teardown(a_slow_reader_stops_our_reading, setup, teardown),
          cmocka_unit_test_setup_teardown(a_peer_that_takes_nothing_is_closed, setup, teardown),
          cmocka_unit_test_setup_teardown(outstanding_requests_are_capped, setup, teardown),
          cmocka_unit_test_setup_teardown(closing_waits_for_what_is_held, setup, teardown),
          cmocka_unit_test_setup_teardown(abort_is_told_once, setup, teardown),
          cmocka_unit_test_setup_teardown(frames_behind_a_close_are_dropped, setup, teardown),
          cmocka_unit_test_setup_teardown(connecting_to_nothing_is_told, setup, teardown))

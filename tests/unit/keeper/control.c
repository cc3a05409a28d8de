#include "keeper/control.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"

static void messages_and_descriptors_arrive(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    struct control_message got = {0};
    assert_err(control_receive(pair[1], &got), ERR_BUSY);
    assert_err(control_wait(pair[1], 10, &got), ERR_TIMEOUT);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct control_message sent = {.type = CONTROL_SPARE, .value = 1ULL << 40, .fd = null};
    memset(sent.text, 'x', CONTROL_TEXT_MAX);
    assert_ok(control_send(pair[0], &sent));
    assert_ok(control_tell(pair[0], CONTROL_READY, 0, NULL));
    assert_ok(control_receive(pair[1], &got));
    assert_int_equal(got.type, CONTROL_SPARE);
    assert_true(got.value == 1ULL << 40);
    assert_string_equal(got.text, sent.text);
    assert_true(got.fd >= 0 && got.fd != null);
    assert_int_equal(fcntl(got.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(close(got.fd), 0);
    assert_ok(control_wait(pair[1], 1000, &got));
    assert_int_equal(got.type, CONTROL_READY);
    assert_int_equal(got.fd, -1);
    assert_string_equal(got.text, "");
    /* a text is one line, whatever a child says: lines mean something to the service manager */
    assert_ok(control_tell(pair[0], CONTROL_STATUS, 0, "fine\nMAINPID=1\x7f"));
    assert_ok(control_wait(pair[1], 1000, &got));
    assert_string_equal(got.text, "fine?MAINPID=1?");
    assert_int_equal(close(null), 0);
    for (;;) {
        enum err err = control_tell(pair[0], CONTROL_STATUS, 0, "full");
        if (err == ERR_OK)
            continue;
        assert_err(err, ERR_BUSY);
        break;
    }
    assert_int_equal(close(pair[0]), 0);
    while (control_receive(pair[1], &got) == ERR_OK)
        ;
    assert_err(control_receive(pair[1], &got), ERR_CLOSED);
    assert_err(control_tell(pair[1], CONTROL_READY, 0, NULL), ERR_CLOSED);
    assert_int_equal(close(pair[1]), 0);
}

static void nonsense_is_dropped(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    struct control_message got = {0};
    uint8_t big[1000] = {1};
    for (size_t len = 1; len <= sizeof big; len += 37) {
        assert_int_equal(send(pair[0], big, len, 0), (ssize_t)len);
        assert_err(control_receive(pair[1], &got), ERR_SYNTAX);
    }
    uint8_t unknown[11] = {99};
    assert_int_equal(send(pair[0], unknown, sizeof unknown, 0), (ssize_t)sizeof unknown);
    assert_err(control_receive(pair[1], &got), ERR_SYNTAX);
    assert_int_equal(close(pair[0]), 0);
    assert_int_equal(close(pair[1]), 0);
}

TEST_MAIN(cmocka_unit_test(messages_and_descriptors_arrive), cmocka_unit_test(nonsense_is_dropped))

#include "programs/common/prompt.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "support/test.h"

#define WAIT_MS 10000

static int terminal; /* the person's side of it */
static pid_t asker;
static char screen[1024];

/* The child asks for "PIN" at a terminal of its own and exits with what came of it. */
static void start(void)
{
    screen[0] = '\0';
    asker = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(asker >= 0);
    if (asker == 0) {
        /* a job in the background is begun with some of them ignored, which the prompt respects */
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGQUIT, SIG_DFL);
        (void)signal(SIGHUP, SIG_DFL);
        struct secret *secret = NULL;
        struct err_detail detail = {0};
        enum err err = prompt_secret("PIN", 32, &secret, &detail);
        bool right = err == ERR_OK && secret_equal(secret_view(secret), bytes_str("s3same"));
        secret_free(secret);
        _exit(right ? 0 : 1);
    }
}

static bool echoes(void)
{
    struct termios settings;
    assert_int_equal(tcgetattr(terminal, &settings), 0);
    return (settings.c_lflag & ECHO) != 0;
}

static void read_until(const char *wanted)
{
    while (strstr(screen, wanted) == NULL) {
        struct pollfd wait = {.fd = terminal, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
        size_t len = strlen(screen);
        ssize_t got = read(terminal, screen + len, sizeof screen - 1 - len);
        assert_true(got > 0);
        screen[len + (size_t)got] = '\0';
    }
}

static void type(const char *text)
{
    assert_int_equal(write(terminal, text, strlen(text)), strlen(text));
}

static int finish(void)
{
    int status = 0;
    assert_int_equal(waitpid(asker, &status, 0), asker);
    (void)close(terminal);
    return status;
}

static void a_secret_is_read_and_not_shown(void **state)
{
    (void)state;
    start();
    read_until("PIN: ");
    assert_false(echoes());
    type("s3same\n");
    read_until("\n");
    assert_null(strstr(screen, "s3same"));
    assert_int_equal(finish(), 0);
}

static void an_empty_answer_is_refused(void **state)
{
    (void)state;
    start();
    read_until("PIN: ");
    type("\n");
    read_until("\n");
    int status = finish();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

/* ends at once, with the signal that the shell waits for and a terminal that echoes */
static void ends_by(int number, bool typed)
{
    start();
    read_until("PIN: ");
    type("s3s");
    if (typed)
        type("\x03");
    else
        assert_int_equal(kill(asker, number), 0);
    read_until("\n");
    assert_true(echoes());
    assert_null(strstr(screen, "s3s"));
    int status = finish();
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
}

static void an_interrupt_ends_the_question(void **state)
{
    (void)state;
    ends_by(SIGINT, true);
}

static void an_end_from_outside_leaves_a_terminal_that_echoes(void **state)
{
    (void)state;
    ends_by(SIGTERM, false);
    ends_by(SIGQUIT, false);
}

TEST_MAIN(cmocka_unit_test(a_secret_is_read_and_not_shown),
          cmocka_unit_test(an_empty_answer_is_refused),
          cmocka_unit_test(an_interrupt_ends_the_question),
          cmocka_unit_test(an_end_from_outside_leaves_a_terminal_that_echoes))

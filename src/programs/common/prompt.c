#include "programs/common/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

#define WORD_MAX 256

static void say(int tty, const char *text)
{
    if (write(tty, text, strlen(text)) < 0)
        return; /* the answer will fail too */
}

/* What would end the program while the terminal does not echo. */
static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static volatile sig_atomic_t ended_by;

static void on_end(int number)
{
    ended_by = number;
}

struct quiet {
    struct termios terminal;
    sigset_t mask;
    struct sigaction actions[ARRAY_LEN(ends)];
};

/* No signal may leave the terminal without echo: they come while read_line waits and nowhere else,
 * and take effect when the terminal is as it was. */
static enum err begin_quiet(int tty, struct quiet *quiet, struct err_detail *detail)
{
    if (tcgetattr(tty, &quiet->terminal) != 0)
        return err_errno(detail, "can't read the terminal's settings");
    const struct sigaction action = {.sa_handler = on_end};
    sigset_t stops;
    (void)sigemptyset(&stops);
    (void)sigaddset(&stops, SIGTSTP);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        (void)sigaddset(&stops, ends[i]);
    (void)sigprocmask(SIG_BLOCK, &stops, &quiet->mask);
    ended_by = 0;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)sigaction(ends[i], NULL, &quiet->actions[i]);
        if (quiet->actions[i].sa_handler != SIG_IGN)
            (void)sigaction(ends[i], &action, NULL);
    }
    struct termios silent = quiet->terminal;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(tty, TCSAFLUSH, &silent);
    return ERR_OK;
}

static void end_quiet(int tty, const struct quiet *quiet)
{
    (void)tcsetattr(tty, TCSAFLUSH, &quiet->terminal);
    say(tty, "\n");
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        (void)sigaction(ends[i], &quiet->actions[i], NULL);
    if (ended_by != 0)
        (void)raise(ended_by);
    (void)sigprocmask(SIG_SETMASK, &quiet->mask, NULL);
}

/* Whether there is something to read. With `quiet` signals may end the wait. */
static bool wait_for_input(int tty, const struct quiet *quiet)
{
    struct pollfd wait = {.fd = tty, .events = POLLIN};
    sigset_t mask;
    if (quiet == NULL)
        return true;
    mask = quiet->mask;
    (void)sigaddset(&mask, SIGTSTP);
    while (ppoll(&wait, 1, NULL, &mask) < 0)
        if (errno != EINTR || ended_by != 0)
            return false;
    return true;
}

/* One line of the terminal, without its newline; ERR_LIMIT past `cap`. */
static enum err read_line(int tty, const struct quiet *quiet, uint8_t *to, size_t cap,
                          size_t *ret_len, struct err_detail *detail)
{
    size_t len = 0;
    bool too_long = false;
    for (;;) {
        uint8_t c;
        if (!wait_for_input(tty, quiet))
            return err_set(detail, ERR_CANCELLED, "no answer");
        ssize_t got = read(tty, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set(detail, ERR_CANCELLED, "no answer");
        if (c == '\n')
            break;
        if (len == cap)
            too_long = true;
        else
            to[len++] = c;
    }
    if (too_long)
        return err_set(detail, ERR_LIMIT, "longer than %zu bytes", cap);
    *ret_len = len;
    return ERR_OK;
}

static enum err open_tty(int *ret_tty, struct err_detail *detail)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return err_set(detail, ERR_STATE, "there is no terminal to ask at");
    *ret_tty = tty;
    return ERR_OK;
}

enum err prompt_secret(const char *what, size_t max, struct secret **ret_secret,
                       struct err_detail *detail)
{
    AUTO(file_closep) int tty = -1;
    TRY(open_tty(&tty, detail));
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(secret_new(max, &secret));
    struct quiet quiet;
    TRY(begin_quiet(tty, &quiet, detail));
    say(tty, what);
    say(tty, ": ");
    size_t len = 0;
    enum err err = read_line(tty, &quiet, secret_data(secret), max, &len, detail);
    end_quiet(tty, &quiet);
    TRY(err);
    if (len == 0)
        return err_set(detail, ERR_CANCELLED, "%s: empty", what);
    secret_shrink(secret, len);
    *ret_secret = TAKE(secret);
    return ERR_OK;
}

enum err prompt_new_secret(const char *what, size_t max, struct secret **ret_secret,
                           struct err_detail *detail)
{
    char again[128];
    (void)snprintf(again, sizeof again, "%s again", what);
    AUTO(secret_freep) struct secret *first = NULL;
    AUTO(secret_freep) struct secret *second = NULL;
    TRY(prompt_secret(what, max, &first, detail));
    TRY(prompt_secret(again, max, &second, detail));
    if (!secret_equal(secret_view(first), secret_view(second)))
        return err_set(detail, ERR_MISMATCH, "the two answers differ");
    *ret_secret = TAKE(first);
    return ERR_OK;
}

enum err prompt_confirm(const char *what, const char *word, struct err_detail *detail)
{
    AUTO(file_closep) int tty = -1;
    TRY(open_tty(&tty, detail));
    char line[WORD_MAX * 2];
    (void)snprintf(line, sizeof line, "%s\ntype '%s' to go on: ", what, word);
    say(tty, line);
    uint8_t answer[WORD_MAX];
    size_t len = 0;
    TRY(read_line(tty, NULL, answer, sizeof answer, &len, detail));
    if (!bytes_equal(bytes_of(answer, len), bytes_str(word)))
        return err_set(detail, ERR_CANCELLED, "not confirmed; nothing was done");
    return ERR_OK;
}

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "base/clock.h"
#include "programs/claviger/cli.h"
#include "support/test.h"

/* What is printed to `stream` until `restore`, in a file. */
struct capture {
    FILE *stream;
    int saved, file;
};

static struct capture capture(FILE *stream)
{
    struct capture c = {.stream = stream};
    char name[] = "/tmp/claviger-output-XXXXXX";
    (void)fflush(stream);
    c.saved = dup(fileno(stream));
    c.file = mkstemp(name);
    assert_true(c.file >= 0);
    (void)unlink(name);
    assert_true(dup2(c.file, fileno(stream)) >= 0);
    return c;
}

static const char *restore(struct capture *c)
{
    static char text[65536];
    (void)fflush(c->stream);
    assert_true(dup2(c->saved, fileno(c->stream)) >= 0);
    (void)close(c->saved);
    ssize_t got = pread(c->file, text, sizeof text - 1, 0);
    assert_true(got >= 0);
    text[got] = '\0';
    (void)close(c->file);
    return text;
}

static void numbers_are_grouped_and_counted(void **state)
{
    (void)state;
    assert_string_equal(cli_grouped(0), "0");
    assert_string_equal(cli_grouped(999), "999");
    assert_string_equal(cli_grouped(1000), "1,000");
    assert_string_equal(cli_grouped(-1234567), "-1,234,567");
    assert_string_equal(cli_grouped(-123), "-123");
    assert_string_equal(cli_grouped(INT64_MAX), "9,223,372,036,854,775,807");
    assert_string_equal(cli_count(1, "node", "nodes"), "1 node");
    assert_string_equal(cli_count(0, "node", "nodes"), "0 nodes");
    assert_string_equal(cli_count(1000, "batch", "batches"), "1,000 batches");
}

static struct table *sample(void)
{
    static const char *const titles[] = {"name", "realm", "n"};
    static const char *const first[] = {"m\xc3\xbcnchen", "a.example", "1"};
    static const char *const second[] = {"x", "longer.example", "22"};
    struct table *table = table_new(titles, 3);
    table_row(table, first);
    table_row(table, second);
    return table;
}

static void columns_are_as_wide_as_their_text(void **state)
{
    (void)state;
    struct capture c = capture(stdout);
    table_print(sample(), stdout);
    const char *text = restore(&c);
    assert_string_equal(text, "name     realm           n\n"
                              "m\xc3\xbcnchen  a.example       1\n"
                              "x        longer.example  22\n");
    const struct cli quiet = {.quiet = true};
    c = capture(stdout);
    cli_table(&quiet, sample());
    cli_say(&quiet, "nothing");
    assert_string_equal(restore(&c), "");
}

static void json_is_one_document_whatever_happens(void **state)
{
    (void)state;
    static const struct {
        bool answered;
        enum err err;
        int status;
    } cases[] = {
        {false, ERR_OK, EXIT_DONE},
        {true, ERR_OK, EXIT_DONE},
        {false, ERR_NOT_FOUND, EXIT_REFUSED},
        {true, ERR_SIGNATURE, EXIT_BAD_INPUT},
        {false, ERR_KEEPER_GONE, EXIT_UNREACHABLE},
        {false, ERR_ARGUMENT, EXIT_USAGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli cli = {.json = true};
        json_t *answer = json_pack("{s:i}", "lines", 7);
        struct capture c = capture(stdout), e = capture(stderr);
        if (cases[i].answered)
            assert_true(cli_print_json(&cli, answer));
        cli_say(&cli, "not this");
        int status = cli_finish(&cli, cases[i].err);
        const char *said = restore(&e);
        assert_true((*said != '\0') == (cases[i].err != ERR_OK));
        AUTO(json_freep) json_t *printed = json_loads(restore(&c), 0, NULL);
        json_decref(answer);
        assert_non_null(printed);
        assert_int_equal(status, cases[i].status);
        assert_int_equal(json_integer_value(json_object_get(printed, "lines")),
                         cases[i].answered ? 7 : 0);
        const char *code =
            json_string_value(json_object_get(json_object_get(printed, "error"), "code"));
        assert_true((code != NULL) == (cases[i].err != ERR_OK));
        assert_true(code == NULL || strcmp(code, err_row(cases[i].err)->name) == 0);
    }
}

static void without_json_the_error_is_for_people(void **state)
{
    (void)state;
    struct cli cli = {.quiet = true};
    enum err err = err_set(&cli.detail, ERR_UNREACHABLE, "no daemon");
    struct capture c = capture(stdout), e = capture(stderr);
    assert_false(cli_print_json(&cli, NULL));
    int status = cli_finish(&cli, err);
    const char *said = restore(&e);
    assert_non_null(strstr(said, ": no daemon\n"));
    assert_memory_equal(said, "claviger: ", 10);
    assert_string_equal(restore(&c), "");
    assert_int_equal(status, EXIT_UNREACHABLE);
}

static void a_full_disk_behind_standard_output_is_told(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0)
        skip();
    struct cli cli = {0};
    struct capture e = capture(stderr), c = capture(stdout);
    assert_true(dup2(full, STDOUT_FILENO) >= 0);
    cli_say(&cli, "a line\n");
    int status = cli_finish(&cli, ERR_OK);
    clearerr(stdout);
    (void)restore(&c);
    assert_non_null(strstr(restore(&e), "can't write"));
    assert_int_equal(status, EXIT_FAILED);
    (void)close(full);
}

/* At a terminal, as if it had begun ten seconds ago. */
static const char *progress_at_terminal(bool quiet, uint64_t done, uint64_t total)
{
    static char text[4096];
    int master = -1, slave = -1;
    const struct cli cli = {.quiet = quiet};
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    (void)fflush(stderr);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(slave, STDERR_FILENO) >= 0);
    struct progress progress;
    progress_begin(&progress, &cli);
    progress_show(&progress, "early", 1, 2); /* within the first second: nothing */
    progress.started_ns -= UINT64_C(10000000000);
    progress_show(&progress, "merge", done, total);
    progress_show(&progress, "often", done, total); /* ten times a second at most */
    progress_end(&progress);
    (void)fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    /* a terminal hands on what was written when it comes to it */
    struct pollfd ready = {.fd = master, .events = POLLIN};
    size_t used = 0;
    while (used + 1 < sizeof text && poll(&ready, 1, 200) == 1) {
        ssize_t got = read(master, text + used, sizeof text - 1 - used);
        assert_true(got > 0);
        used += (size_t)got;
    }
    text[used] = '\0';
    (void)close(slave);
    (void)close(master);
    return text;
}

static void progress_is_shown_where_somebody_looks(void **state)
{
    (void)state;
    const char *text = progress_at_terminal(false, 50, 100);
    assert_non_null(strstr(text, "merge"));
    assert_non_null(strstr(text, "[###############               ]  50%  10 s left"));
    assert_null(strstr(text, "early"));
    assert_null(strstr(text, "often"));
    assert_string_equal(text + strlen(text) - 4, "\r\033[K");
    assert_non_null(strstr(progress_at_terminal(false, 1234, 0), "1,234"));
    assert_string_equal(progress_at_terminal(true, 50, 100), "");
    struct progress progress;
    struct capture e = capture(stderr);
    const struct cli cli = {0};
    progress_begin(&progress, &cli);
    progress.started_ns -= UINT64_C(10000000000);
    progress_show(&progress, "merge", 1, 2);
    progress_end(&progress);
    assert_string_equal(restore(&e), ""); /* a file is no terminal */
}

static void what_moves_a_terminal_is_written_out(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"disk-7 \xc3\xa9\xe2\x80\xa6", "disk-7 \xc3\xa9\xe2\x80\xa6"},
        {"a\x1b[2Jb\r\n\x7f", "a\\x1b[2Jb\\x0d\\x0a\\x7f"},
        {"\xc2\x9b"
         "31m \xc2\xa9",
         "\\x9b31m \xc2\xa9"},
        {"cut \xc2", "cut \xc2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *clean = cli_printable(cases[i][0]);
        assert_string_equal(clean, cases[i][1]);
        free(clean);
    }
}

TEST_MAIN(cmocka_unit_test(what_moves_a_terminal_is_written_out),
          cmocka_unit_test(numbers_are_grouped_and_counted),
          cmocka_unit_test(columns_are_as_wide_as_their_text),
          cmocka_unit_test(json_is_one_document_whatever_happens),
          cmocka_unit_test(without_json_the_error_is_for_people),
          cmocka_unit_test(a_full_disk_behind_standard_output_is_told),
          cmocka_unit_test(progress_is_shown_where_somebody_looks))

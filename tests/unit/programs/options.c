#include "programs/common/options.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "programs/claviger/commands.h"
#include "support/test.h"

static struct options options;

static void parse(int argc, char **argv)
{
    options_parse(&program_row, argc, argv, &options);
}

#define PARSE(...)                                                                                 \
    do {                                                                                           \
        char *given_[] = {(char *)"claviger", __VA_ARGS__, NULL};                                  \
        static char *argv_[ARRAY_LEN(given_)]; /* the result borrows from it */                    \
        memcpy(argv_, given_, sizeof given_);                                                      \
        parse((int)ARRAY_LEN(argv_) - 1, argv_);                                                   \
    } while (0)

/* The exit status of a command line that ends the process, and the start of what it prints. */
static int status_of(char *output, size_t cap, int argc, char **argv)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        parse(argc, argv);
        _exit(99);
    }
    (void)close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while (used + 1 < cap && (got = read(ends[0], output + used, cap - 1 - used)) > 0)
        used += (size_t)got;
    output[used] = '\0';
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

static void values_come_in_all_spellings(void **state)
{
    (void)state;
    PARSE((char *)"--socket=/s", (char *)"network", (char *)"create", (char *)"--realm",
          (char *)"r", (char *)"n", (char *)"--json");
    assert_string_equal(options.command->name, "network create");
    assert_string_equal(options_get(&options, "socket"), "/s");
    assert_string_equal(options_get(&options, "realm"), "r");
    assert_true(options_has(&options, "json"));
    assert_false(options_has(&options, "quiet"));
    assert_int_equal(options.args_len, 1);
    assert_string_equal(options.args[0], "n");
    PARSE((char *)"gateway", (char *)"create", (char *)"h", (char *)"--network", (char *)"a",
          (char *)"--network=b", (char *)"-oout");
    assert_string_equal(options_get_nth(&options, "network", 0), "a");
    assert_string_equal(options_get_nth(&options, "network", 1), "b");
    assert_null(options_get_nth(&options, "network", 2));
    assert_string_equal(options_get(&options, "output"), "out");
    PARSE((char *)"network", (char *)"retire", (char *)"n", (char *)"--key=cdld",
          (char *)"--version", (char *)"1");
    assert_string_equal(options_get(&options, "version"), "1");
    char flags[] = "-vb";
    PARSE((char *)"batch", (char *)"import", flags, (char *)"n", (char *)"--", (char *)"-f");
    assert_true(options_has(&options, "verbose") && options_has(&options, "backup"));
    assert_string_equal(options.args[1], "-f");
}

static void wrong_lines_exit_with_2_and_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *line, *want;
        int status;
    } cases[] = {
        {"", "a command is wanted", 2},
        {"netwrok list", "unknown command 'netwrok list'", 2},
        {"network lst", "claviger network list", 2},
        {"network create n", "option '--realm REALM' is missing", 2},
        {"network create --realm", "option '--realm' wants REALM", 2},
        {"network create --realm r", "NAME wanted", 2},
        {"network list x", "unexpected 'x'", 2},
        {"network list --frob", "unknown option '--frob'", 2},
        {"network list --json=1", "takes no value", 2},
        {"--help", "commands:", 0},
        {"network create --help", "example:", 0},
        {"--version", "claviger 0.", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[128], *argv[16] = {(char *)"claviger"}, output[8192];
        int argc = 1;
        (void)snprintf(line, sizeof line, "%s", cases[i].line);
        char *rest = NULL;
        for (char *word = strtok_r(line, " ", &rest); word != NULL;
             word = strtok_r(NULL, " ", &rest))
            argv[argc++] = word;
        assert_int_equal(status_of(output, sizeof output, argc, argv), cases[i].status);
        if (strstr(output, cases[i].want) == NULL)
            fail_msg("'%s' printed '%s', not '%s'", cases[i].line, output, cases[i].want);
    }
}

static void every_command_has_help_with_an_example(void **state)
{
    (void)state;
    for (const struct command_row *c = program_row.commands; c->name != NULL; c++) {
        char name[64], output[8192];
        (void)snprintf(name, sizeof name, "%s", c->name);
        char *second = strchr(name, ' ');
        if (second != NULL)
            *second++ = '\0';
        char *argv[] = {(char *)"claviger", name, second != NULL ? second : (char *)"--help",
                        (char *)"--help", NULL};
        assert_int_equal(status_of(output, sizeof output, 4, argv), 0);
        assert_non_null(strstr(output, c->example));
        for (char *at = output; (at = strchr(at, '\n')) != NULL;) /* as it was before wrapping */
            *at = ' ';
        assert_non_null(strstr(output, c->about));
    }
}

static void the_table_and_the_functions_agree(void **state)
{
    (void)state;
    static const char *const functions[] = {
#define COMMAND(name, function) name,
        COMMANDS
#undef COMMAND
    };
    size_t rows = 0;
    for (const struct command_row *c = program_row.commands; c->name != NULL; c++, rows++) {
        if (rows >= ARRAY_LEN(functions) || strcmp(functions[rows], c->name) != 0)
            fail_msg("'%s' of data/commands.toml is not there in commands.h", c->name);
    }
    assert_int_equal(rows, ARRAY_LEN(functions));
}

TEST_MAIN(cmocka_unit_test(values_come_in_all_spellings),
          cmocka_unit_test(the_table_and_the_functions_agree),
          cmocka_unit_test(wrong_lines_exit_with_2_and_say_why),
          cmocka_unit_test(every_command_has_help_with_an_example))

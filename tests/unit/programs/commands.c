#include "programs/claviger/commands.h"

#include <string.h>

#include "support/test.h"

/* data/commands.toml, commands.h and the examples agree. */

static const char *const names[] = {
#define COMMAND(name, function) name,
    COMMANDS
#undef COMMAND
};

static const struct command_row *find_row(const char *name)
{
    for (const struct command_row *c = program_row.commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static void each_command_has_a_function(void **state)
{
    (void)state;
    size_t rows = 0;
    for (const struct command_row *c = program_row.commands; c->name != NULL; c++)
        rows++;
    assert_int_equal(rows, ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (find_row(names[i]) == NULL)
            fail_msg("data/commands.toml has no '%s'", names[i]);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
}

static void each_example_is_a_command_line(void **state)
{
    (void)state;
    for (const struct command_row *c = program_row.commands; c->name != NULL; c++) {
        char line[256], *argv[32], *rest = NULL;
        int argc = 0;
        assert_true(strlen(c->example) < sizeof line);
        (void)strcpy(line, c->example);
        for (char *word = strtok_r(line, " ", &rest); word != NULL && argc < 31;
             word = strtok_r(NULL, " ", &rest))
            argv[argc++] = word;
        argv[argc] = NULL;
        assert_string_equal(argv[0], "claviger");
        struct options options;
        options_parse(&program_row, argc, argv, &options); /* exits where it is none */
        assert_ptr_equal(options.command, c);
    }
}

static void options_of_a_command_are_its_own(void **state)
{
    (void)state;
    for (const struct command_row *c = program_row.commands; c->name != NULL; c++) {
        for (const struct option_row *a = c->options; a->name != NULL; a++) {
            for (const struct option_row *b = c->options; b < a; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(a->letter == '\0' || a->letter != b->letter);
            }
            for (const struct option_row *g = program_row.options; g->name != NULL; g++) {
                assert_string_not_equal(a->name, g->name);
                assert_true(a->letter == '\0' || a->letter != g->letter);
            }
        }
    }
}

TEST_MAIN(cmocka_unit_test(each_command_has_a_function),
          cmocka_unit_test(each_example_is_a_command_line),
          cmocka_unit_test(options_of_a_command_are_its_own))

#include <stdio.h>
#include <string.h>

#include "programs/common/options.h"
#include "support/test.h"

/* Built once for each program: the example of each command is a line that its own parser takes.
 * Where it doesn't, options_parse ends the process with EXIT_USAGE and says why. */
static void every_example_is_a_good_line(void **state)
{
    (void)state;
    for (const struct command_row *c = program_row.commands; c->name != NULL; c++) {
        char line[512], *argv[32] = {NULL}, *rest = NULL;
        assert_true((size_t)snprintf(line, sizeof line, "%s", c->example) < sizeof line);
        assert_null(strpbrk(line, "|<>'\"\\\n;&$"));
        int argc = 0;
        for (char *word = strtok_r(line, " ", &rest); word != NULL;
             word = strtok_r(NULL, " ", &rest)) {
            assert_true((size_t)argc + 1 < ARRAY_LEN(argv));
            argv[argc++] = word;
        }
        assert_true(argc > 1);
        assert_string_equal(argv[0], program_row.name);
        (void)printf("%s\n", c->example);
        (void)fflush(stdout);
        struct options options;
        options_parse(&program_row, argc, argv, &options);
        assert_ptr_equal(options.command, c);
    }
}

TEST_MAIN(cmocka_unit_test(every_example_is_a_good_line))

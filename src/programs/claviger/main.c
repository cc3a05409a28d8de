#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "programs/claviger/commands.h"

static const struct {
    const char *name;
    cli_fn *fn;
} commands[] = {
#define COMMAND(name, function) {name, function},
    COMMANDS
#undef COMMAND
};

static cli_fn *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].fn;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct options options;
    json_wipe_memory();
    options_parse(&program_row, argc, argv, &options);
    cli_fn *fn = find(options.command->name);
    if (fn == NULL)
        abort(); /* data/commands.toml and commands.h disagree; a unit test compares them */
    struct cli cli = {.options = &options,
                      .json = options_has(&options, "json"),
                      .quiet = options_has(&options, "quiet")};
    return cli_finish(&cli, fn(&cli));
}

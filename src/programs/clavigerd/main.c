#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "programs/clavigerd/commands.h"

static const struct {
    const char *name;
    int (*fn)(const struct options *options);
} commands[] = {
    {"init", command_init},
    {"run", command_run},
    {"check-config", command_check_config},
    {"import-config", command_import_config},
};

int main(int argc, char **argv)
{
    struct options options;
    log_init("clavigerd", LOG_LEVEL_INFO);
    options_parse(&program_row, argc, argv, &options);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, options.command->name) == 0)
            return commands[i].fn(&options);
    }
    abort(); /* data/commands.toml has a command that this table has not */
}

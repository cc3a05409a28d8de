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

static void print_failure(const struct cli *cli, enum err err)
{
    const struct err_row *row = err_row(err);
    const char *detail = cli->detail.text;
    (void)fprintf(stderr, "claviger: %s%s%s\n", row->text, *detail != '\0' ? ": " : "", detail);
    if (*row->hint != '\0')
        (void)fprintf(stderr, "hint: %s\n", row->hint);
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
    enum err err = fn(&cli);
    cli_finish_json(&cli, err);
    if (err != ERR_OK)
        print_failure(&cli, err);
    net_client_free(cli.client);
    return (int)exit_status_of(err);
}

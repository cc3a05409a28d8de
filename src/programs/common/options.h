#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Command lines from the table data/commands.toml: one parser, one --help for every program. */

struct option_row {
    const char *name;
    char letter;     /* '\0': none */
    const char *arg; /* NULL: a flag */
    const char *about;
    bool required;
    bool repeat;
};

struct command_row {
    const char *name; /* "network create" */
    const char *args;
    int args_min;
    int args_max;
    const char *about;
    const char *detail;
    const char *example;
    const struct option_row *options; /* ends with a NULL name */
};

struct program_row {
    const char *name;
    const char *about;
    const char *description;
    int section;
    int usage_status; /* exit status where the command line is wrong */
    const struct option_row *options;
    const struct command_row *commands; /* ends with a NULL name; a program that is one command has
                                           one with an empty name */
};

/* Generated; one for each program. */
extern const struct program_row program_row;

/* What the exit status means: data/commands.toml. */
enum exit_status {
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_USAGE,
    EXIT_UNREACHABLE,
    EXIT_REFUSED,
    EXIT_BAD_INPUT
};

#define OPTIONS_MAX 64

struct options {
    const struct command_row *command;
    int args_len;
    char **args; /* what is left, borrowed from argv */
    size_t given_len;
    struct {
        const struct option_row *row;
        const char *value;
    } given[OPTIONS_MAX];
};

/* Parse a whole command line. Where it is wrong, or asks for help or the version, that is printed
 * and the process exits with the program's usage_status or EXIT_DONE. `argv` is permuted and must
 * live as long as the result. */
void options_parse(const struct program_row *program, int argc, char **argv,
                   struct options *ret_options);

/* Where set: called before the process ends for a wrong command line. */
extern void (*options_usage_hook)(void);

/* The value of --name, or NULL. Last one wins unless the option repeats. */
const char *options_get(const struct options *options, const char *name);
/* The n-th value of a repeated option, or NULL. */
const char *options_get_nth(const struct options *options, const char *name, size_t n);
bool options_has(const struct options *options, const char *name);

/* The exit status an error means. */
enum exit_status exit_status_of(enum err err);

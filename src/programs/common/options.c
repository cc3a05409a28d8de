#include "programs/common/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void (*options_usage_hook)(void);

static const struct option_row help_row = {.name = "help", .letter = 'h', .about = "show this"};
static const struct option_row version_row = {.name = "version", .about = "show the version"};

static int print_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
        return size.ws_col;
    return 100;
}

/* Text in lines, each behind `indent` blanks; the first line's cursor stands at `column` already.
 */
static void print_wrapped(const char *text, int indent, int column)
{
    int width = print_width();
    bool blank = false; /* before the next word, unless that begins a line */
    while (*text != '\0') {
        int word = (int)strcspn(text, " \n");
        if (column + blank + word > width && column > indent) {
            (void)printf("\n");
            column = 0;
            blank = false;
        }
        if (column < indent) {
            (void)printf("%*s", indent - column, "");
            column = indent;
        }
        column += printf("%s%.*s", blank ? " " : "", word, text);
        blank = true;
        text += word;
        text += *text != '\0';
    }
    (void)printf("\n");
}

static void print_option(const struct option_row *row)
{
    char names[128];
    char letter[8] = "    ";
    if (row->letter != '\0')
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    int len = snprintf(names, sizeof names, "  %s--%s%s%s", letter, row->name,
                       row->arg != NULL ? " " : "", row->arg != NULL ? row->arg : "");
    (void)printf("%s", names);
    if (len >= 34) {
        (void)printf("\n");
        len = 0;
    }
    char about[1024];
    (void)snprintf(about, sizeof about, "%s%s", row->about, row->required ? "; required" : "");
    print_wrapped(about, 34, len);
}

/* By their names: they are the same everywhere. */
static void print_common_options(const struct program_row *program)
{
    char names[512];
    size_t len = 0;
    if (program->options->name == NULL)
        return;
    for (const struct option_row *row = program->options; row->name != NULL; row++) {
        int add =
            snprintf(names + len, sizeof names - len, "%s--%s%s%s", len > 0 ? ", " : "", row->name,
                     row->arg != NULL ? " " : "", row->arg != NULL ? row->arg : "");
        if (add < 0 || (size_t)add >= sizeof names - len)
            break;
        len += (size_t)add;
    }
    (void)printf("\nof every command ('%s --help' says what they do):\n  ", program->name);
    print_wrapped(names, 2, 2);
}

static void print_program_help(const struct program_row *program)
{
    (void)printf("%s: %s\n\nusage: %s [options] command [arguments]\n\n", program->name,
                 program->about, program->name);
    print_wrapped(program->description, 0, 0);
    (void)printf("\ncommands:\n");
    for (const struct command_row *c = program->commands; c->name != NULL; c++) {
        int len = printf("  %s %s", c->name, c->args);
        if (len >= 43) {
            (void)printf("\n");
            len = 0;
        }
        print_wrapped(c->about, 43, len);
    }
    (void)printf("\noptions:\n");
    for (const struct option_row *row = program->options; row->name != NULL; row++)
        print_option(row);
    print_option(&help_row);
    print_option(&version_row);
    (void)printf("\n'%s command --help' says more about a command; example:\n  %s\n", program->name,
                 program->commands[0].example);
}

/* Of a program that is one command. */
static void print_single_help(const struct program_row *program, const struct command_row *command)
{
    (void)printf("%s: %s\n\nusage: %s [options] %s\n\n", program->name, program->about,
                 program->name, command->args);
    print_wrapped(program->description, 0, 0);
    (void)printf("\noptions:\n");
    for (const struct option_row *row = command->options; row->name != NULL; row++)
        print_option(row);
    print_option(&help_row);
    print_option(&version_row);
    (void)printf("\nexample:\n  %s\n", command->example);
}

static void print_command_help(const struct program_row *program, const struct command_row *command)
{
    if (*command->name == '\0') {
        print_single_help(program, command);
        return;
    }
    print_wrapped(command->about, 0, printf("%s %s: ", program->name, command->name));
    (void)printf("\nusage: %s %s [options]%s%s\n\n", program->name, command->name,
                 *command->args != '\0' ? " " : "", command->args);
    if (*command->detail != '\0') {
        print_wrapped(command->detail, 0, 0);
        (void)printf("\n");
    }
    (void)printf("options:\n");
    for (const struct option_row *row = command->options; row->name != NULL; row++)
        print_option(row);
    print_option(&help_row);
    print_common_options(program);
    (void)printf("\nexample:\n  %s\n", command->example);
}

__attribute__((noreturn, format(printf, 3, 4))) static void
usage_error(const struct program_row *program, const struct command_row *command,
            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "%s: ", program->name);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    bool named = command != NULL && *command->name != '\0';
    (void)fprintf(stderr, "; see '%s%s%s --help'\n", program->name, named ? " " : "",
                  named ? command->name : "");
    if (options_usage_hook != NULL)
        options_usage_hook();
    exit(program->usage_status);
}

static const struct option_row *find_in(const struct option_row *rows, const char *name, size_t len,
                                        char letter)
{
    for (; rows->name != NULL; rows++) {
        if (letter != '\0' ? rows->letter == letter
                           : strlen(rows->name) == len && memcmp(rows->name, name, len) == 0)
            return rows;
    }
    return NULL;
}

static const struct option_row *find_option(const struct program_row *program,
                                            const struct command_row *command, const char *name,
                                            size_t len, char letter)
{
    const struct option_row *row =
        command != NULL ? find_in(command->options, name, len, letter) : NULL;
    if (row == NULL)
        row = find_in(program->options, name, len, letter);
    if (row == NULL &&
        (letter == 'h' || (letter == '\0' && len == 4 && memcmp(name, "help", 4) == 0)))
        row = &help_row;
    if (row == NULL && letter == '\0' && len == 7 && memcmp(name, "version", 7) == 0)
        row = &version_row;
    return row;
}

/* The command that the first words name: as many words as its name has. */
static const struct command_row *find_command(const struct program_row *program, int words_len,
                                              char **words, int *ret_used)
{
    for (const struct command_row *c = program->commands; c->name != NULL; c++) {
        if (*c->name == '\0') {
            *ret_used = 0;
            return c;
        }
        const char *blank = strchr(c->name, ' ');
        size_t first = blank != NULL ? (size_t)(blank - c->name) : strlen(c->name);
        if (words_len < 1 || strlen(words[0]) != first || memcmp(words[0], c->name, first) != 0)
            continue;
        if (blank == NULL || (words_len >= 2 && strcmp(words[1], blank + 1) == 0)) {
            *ret_used = blank != NULL ? 2 : 1;
            return c;
        }
    }
    return NULL;
}

static bool is_group(const struct program_row *program, const char *group)
{
    size_t len = strlen(group);
    for (const struct command_row *c = program->commands; c->name != NULL; c++) {
        if (strncmp(c->name, group, len) == 0 && c->name[len] == ' ')
            return true;
    }
    return false;
}

static void print_group(const struct program_row *program, const char *group)
{
    size_t len = strlen(group);
    for (const struct command_row *c = program->commands; c->name != NULL; c++) {
        if (strncmp(c->name, group, len) == 0 && c->name[len] == ' ')
            (void)fprintf(stderr, "  %s %s%s%s\n", program->name, c->name,
                          *c->args != '\0' ? " " : "", c->args);
    }
}

static void give(const struct program_row *program, struct options *options,
                 const struct option_row *row, const char *value)
{
    if (options->given_len == OPTIONS_MAX)
        usage_error(program, options->command, "more than %d options", OPTIONS_MAX);
    options->given[options->given_len].row = row;
    options->given[options->given_len].value = value;
    options->given_len++;
}

/* One word that starts with '-'; gives how many words of argv it took. */
static int take_option(const struct program_row *program, struct options *options, char **words,
                       int left)
{
    const char *word = words[0];
    bool is_long = word[1] == '-';
    const char *name = word + 2;
    size_t len = is_long ? strcspn(name, "=") : 0;
    const struct option_row *row =
        find_option(program, options->command, name, len, is_long ? '\0' : word[1]);
    if (row == NULL)
        usage_error(program, options->command, "unknown option '%s'", word);
    const char *value = NULL;
    if (is_long && name[len] == '=')
        value = name + len + 1;
    else if (!is_long && word[2] != '\0')
        value = word + 2;
    if (row->arg == NULL) {
        if (value != NULL && !is_long) { /* -vb: the next letter stands in the same word */
            give(program, options, row, "");
            memmove(words[0] + 1, value, strlen(value) + 1);
            return 0;
        }
        if (value != NULL)
            usage_error(program, options->command, "option '%s' takes no value", row->name);
        give(program, options, row, "");
        return 1;
    }
    if (value == NULL && left < 2)
        usage_error(program, options->command, "option '--%s' wants %s", row->name, row->arg);
    give(program, options, row, value != NULL ? value : words[1]);
    return value != NULL ? 1 : 2;
}

/* An option of any command of the group that `word` names: it may stand before the second word,
 * when the command is not known. */
static const struct option_row *find_in_group(const struct program_row *program, const char *word,
                                              const char *name, size_t len, char letter)
{
    size_t group = strlen(word);
    const struct option_row *row = NULL;
    for (const struct command_row *c = program->commands; c->name != NULL && row == NULL; c++) {
        if (strncmp(c->name, word, group) == 0 && c->name[group] == ' ')
            row = find_in(c->options, name, len, letter);
    }
    return row;
}

/* Words that are no options and no option's value; enough to find the command before its options
 * are known. */
static int plain_words(const struct program_row *program, int argc, char **argv, char **ret_words,
                       int cap)
{
    int len = 0;
    for (int i = 1; i < argc && len < cap; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            ret_words[len++] = argv[i];
            continue;
        }
        bool is_long = argv[i][1] == '-';
        size_t name_len = is_long ? strcspn(argv[i] + 2, "=") : 0;
        const struct option_row *row =
            find_in(program->options, argv[i] + 2, name_len, is_long ? '\0' : argv[i][1]);
        if (row == NULL && len == 1)
            row = find_in_group(program, ret_words[0], argv[i] + 2, name_len,
                                is_long ? '\0' : argv[i][1]);
        bool inline_value = is_long ? argv[i][2 + name_len] == '=' : argv[i][2] != '\0';
        if (row != NULL && row->arg != NULL && !inline_value)
            i++;
    }
    return len;
}

static void require(const struct program_row *program, const struct options *options)
{
    for (const struct option_row *row = options->command->options; row->name != NULL; row++) {
        if (row->required && !options_has(options, row->name))
            usage_error(program, options->command, "option '--%s %s' is missing", row->name,
                        row->arg);
    }
    if (options->args_len < options->command->args_min)
        usage_error(program, options->command, "%s wanted", options->command->args);
    if (options->args_len > options->command->args_max)
        usage_error(program, options->command, "unexpected '%s'",
                    options->args[options->command->args_max]);
}

static void choose_command(const struct program_row *program, int argc, char **argv,
                           struct options *options, int *ret_skip)
{
    char *words[2] = {NULL, NULL};
    int words_len = plain_words(program, argc, argv, words, 2);
    options->command = find_command(program, words_len, words, ret_skip);
    if (options->command != NULL || words_len == 0)
        return;
    bool group = words_len == 1 && is_group(program, words[0]);
    (void)fprintf(stderr, "%s: %s '%s%s%s'; %s:\n", program->name,
                  group ? "a command is wanted after" : "unknown command", words[0],
                  words_len > 1 ? " " : "", words_len > 1 ? words[1] : "",
                  is_group(program, words[0]) ? "these there are" : "all there are are listed by");
    print_group(program, words[0]);
    (void)fprintf(stderr, "  %s --help\n", program->name);
    exit(program->usage_status);
}

/* By its row: a command may have an option of the same name. */
static bool was_given(const struct options *options, const struct option_row *row)
{
    for (size_t i = 0; i < options->given_len; i++) {
        if (options->given[i].row == row)
            return true;
    }
    return false;
}

void options_parse(const struct program_row *program, int argc, char **argv,
                   struct options *ret_options)
{
    struct options options = {.args = argv + 1};
    int skip = 0; /* words of the command's name still to come */
    bool only_args = false;
    choose_command(program, argc, argv, &options, &skip);
    for (int i = 1; i < argc;) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
            i++;
        } else if (!only_args && argv[i][0] == '-' && argv[i][1] != '\0') {
            i += take_option(program, &options, argv + i, argc - i);
        } else if (skip > 0) {
            skip--;
            i++;
        } else {
            options.args[options.args_len++] = argv[i++];
        }
    }
    if (was_given(&options, &version_row)) {
        (void)printf("%s %s\n", program->name, CLAVIGER_VERSION);
        exit(EXIT_DONE);
    }
    if (was_given(&options, &help_row)) {
        if (options.command != NULL)
            print_command_help(program, options.command);
        else
            print_program_help(program);
        exit(EXIT_DONE);
    }
    if (options.command == NULL)
        usage_error(program, NULL, "a command is wanted");
    require(program, &options);
    *ret_options = options;
}

const char *options_get_nth(const struct options *options, const char *name, size_t n)
{
    for (size_t i = 0; i < options->given_len; i++) {
        if (strcmp(options->given[i].row->name, name) == 0 && n-- == 0)
            return options->given[i].value;
    }
    return NULL;
}

const char *options_get(const struct options *options, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < options->given_len; i++) {
        if (strcmp(options->given[i].row->name, name) == 0)
            value = options->given[i].value;
    }
    return value;
}

bool options_has(const struct options *options, const char *name)
{
    return options_get(options, name) != NULL;
}

enum exit_status exit_status_of(enum err err)
{
    switch (err) {
    case ERR_OK: return EXIT_DONE;
    case ERR_ARGUMENT:
    case ERR_CONFIG: return EXIT_USAGE;
    case ERR_BUSY:
    case ERR_RATE:
    case ERR_ATTEMPTS:
    case ERR_CLOSED:
    case ERR_UNREACHABLE:
    case ERR_TIMEOUT:
    case ERR_KEEPER_GONE:
    case ERR_TOKEN_GONE: return EXIT_UNREACHABLE;
    case ERR_DENIED:
    case ERR_UNAUTHENTICATED:
    case ERR_UNPROTECTED:
    case ERR_PIN_REFUSED:
    case ERR_NOT_FOUND: return EXIT_REFUSED;
    case ERR_SYNTAX:
    case ERR_TRUNCATED:
    case ERR_LIMIT:
    case ERR_SIGNATURE:
    case ERR_DECRYPT:
    case ERR_SEAL:
    case ERR_MISMATCH:
    case ERR_EXISTS:
    case ERR_STATE:
    case ERR_CORRUPT:
    case ERR_REFUSED:
    case ERR_KEY_FORM:
    case ERR_AUDIT: return EXIT_BAD_INPUT;
    default: return EXIT_FAILED;
    }
}

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "base/buf.h"
#include "programs/claviger/cli.h"

#define COLUMNS_MAX 12

bool cli_print_json(struct cli *cli, json_t *answer)
{
    if (!cli->json)
        return false;
    json_decref(cli->answer);
    cli->answer = json_incref(answer);
    return true;
}

static void print_document(const struct cli *cli, enum err err)
{
    AUTO(json_freep) json_t *json = json_incref(cli->answer);
    if (json == NULL)
        json = json_object(); /* nothing to tell but its end */
    if (err != ERR_OK)
        (void)json_object_set_new(json, "error", json_of_error(err, &cli->detail));
    if (err != ERR_OK && cli->hint[0] != '\0')
        (void)json_object_set_new(json_object_get(json, "error"), "hint", json_string(cli->hint));
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    (void)printf("\n");
}

int cli_finish(struct cli *cli, enum err err)
{
    if (cli->json)
        print_document(cli, err);
    if ((fflush(stdout) != 0 || ferror(stdout)) && err == ERR_OK)
        err = err_errno(&cli->detail, "can't write to standard output");
    if (err != ERR_OK) {
        const struct err_row *row = err_row(err);
        const char *detail = cli->detail.text;
        (void)fprintf(stderr, "claviger: %s%s%s\n", row->text, *detail != '\0' ? ": " : "", detail);
        const char *hint = cli->hint[0] != '\0' ? cli->hint : row->hint;
        if (*hint != '\0')
            (void)fprintf(stderr, "hint: %s\n", hint);
    }
    json_decref(cli->answer);
    cli->answer = NULL;
    cli_log_out(cli);
    net_client_free(cli->client);
    cli->client = NULL;
    return (int)exit_status_of(err);
}

const char *cli_slash(const char *dir)
{
    size_t len = strlen(dir);
    return len != 0 && dir[len - 1] == '/' ? "" : "/";
}

void cli_hint(struct cli *cli, const char *hint)
{
    (void)snprintf(cli->hint, sizeof cli->hint, "%s", hint);
}

void cli_say(const struct cli *cli, const char *format, ...)
{
    if (cli->quiet || cli->json)
        return;
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
}

const char *cli_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

char *cli_printable(const char *text)
{
    struct buf clean = {0};
    enum err err = ERR_OK;
    for (const char *at = text; *at != '\0' && err == ERR_OK; at++) {
        unsigned char c = (unsigned char)*at;
        bool c1 = c == 0xc2 && ((unsigned char)at[1] & 0xe0) == 0x80; /* U+0080 to U+009F */
        if (c1)
            c = (unsigned char)*++at;
        err = c1 || c < 0x20 || c == 0x7f ? buf_printf(&clean, "\\x%02x", c)
                                          : buf_append(&clean, bytes_of(at, 1));
    }
    if (err != ERR_OK || buf_append(&clean, bytes_of("", 1)) != ERR_OK)
        abort();
    return (char *)clean.data;
}

json_int_t cli_int(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

#define TEXT_CAP 64

static char *next_text(void)
{
    static char texts[16][TEXT_CAP];
    static unsigned next;
    return texts[next++ % ARRAY_LEN(texts)];
}

const char *cli_grouped(json_int_t number)
{
    char digits[24];
    char *text = next_text();
    int len = snprintf(digits, sizeof digits, "%lld", (long long)number);
    char *at = text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}

const char *cli_count(json_int_t number, const char *one, const char *many)
{
    char *text = next_text();
    (void)snprintf(text, TEXT_CAP, "%s %s", cli_grouped(number), number == 1 ? one : many);
    return text;
}

struct table {
    size_t columns;
    size_t width[COLUMNS_MAX];
    struct buf cells; /* NUL-terminated, row by row; titles first */
    size_t rows;
    bool failed;
};

struct table *table_new(const char *const *titles, size_t columns)
{
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    table->columns = columns < COLUMNS_MAX ? columns : COLUMNS_MAX;
    table_row(table, titles);
    return table;
}

/* Characters, not bytes, of UTF-8. */
static size_t shown_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_row(struct table *table, const char *const *cells)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->columns; i++) {
        size_t width = shown_width(cells[i]);
        table->width[i] = width > table->width[i] ? width : table->width[i];
        if (buf_append(&table->cells, bytes_of(cells[i], strlen(cells[i]) + 1)) != ERR_OK)
            table->failed = true;
    }
    table->rows++;
}

void table_print(struct table *table, FILE *to)
{
    if (table == NULL)
        return;
    if (table->rows == 1 && !table->failed) {
        (void)fprintf(to, "none\n");
        table->rows = 0;
    }
    const char *cell = (const char *)table->cells.data;
    for (size_t row = 0; row < table->rows && !table->failed; row++) {
        for (size_t i = 0; i < table->columns; i++) {
            size_t width = shown_width(cell);
            bool last = i + 1 == table->columns;
            (void)fprintf(to, "%s%*s", cell, last ? 0 : (int)(table->width[i] - width + 2), "");
            cell += strlen(cell) + 1;
        }
        (void)fprintf(to, "\n");
    }
    table_discard(table);
}

void cli_table(const struct cli *cli, struct table *table)
{
    if (cli->quiet)
        table_discard(table);
    else
        table_print(table, stdout);
}

void table_discard(struct table *table)
{
    if (table == NULL)
        return;
    buf_done(&table->cells);
    free(table);
}

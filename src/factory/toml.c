#include "factory/toml.h"

#include <stdlib.h>

struct parser {
    const char *at, *end;
    unsigned line;
    struct arena *arena;
    struct err_detail *detail;
    struct toml_table tables[TOML_TABLES_MAX];
    size_t tables_len;
    struct toml_value values[TOML_VALUES_MAX]; /* those of the last table are at the end */
    size_t values_len;
};

static void parser_freep(struct parser **p)
{
    free(*p);
}

static enum err fail(const struct parser *p, const char *what)
{
    return err_set(p->detail, ERR_SYNTAX, "line %u: %s", p->line, what);
}

static enum err limit(const struct parser *p, const char *what)
{
    return err_set(p->detail, ERR_LIMIT, "line %u: %s", p->line, what);
}

static bool more(const struct parser *p)
{
    return p->at < p->end;
}

static char peek(const struct parser *p)
{
    return more(p) ? *p->at : '\0';
}

static bool eat(struct parser *p, char c)
{
    if (!more(p) || *p->at != c)
        return false;
    p->at++;
    return true;
}

static void blanks(struct parser *p)
{
    while (more(p) && (*p->at == ' ' || *p->at == '\t'))
        p->at++;
}

/* A line end, with CR before it or not. */
static bool line_end(struct parser *p)
{
    if (p->end - p->at >= 2 && p->at[0] == '\r' && p->at[1] == '\n')
        p->at++;
    if (!eat(p, '\n'))
        return false;
    p->line++;
    return true;
}

static enum err comment(struct parser *p)
{
    if (!eat(p, '#'))
        return ERR_OK;
    for (; more(p) && *p->at != '\n' && *p->at != '\r'; p->at++) {
        if (((unsigned char)*p->at < 0x20 && *p->at != '\t') || *p->at == 0x7f)
            return fail(p, "a control character in a comment");
    }
    return ERR_OK;
}

/* Blanks, a comment, and the end of the line or text. */
static enum err rest_of_line(struct parser *p)
{
    blanks(p);
    TRY(comment(p));
    if (more(p) && !line_end(p))
        return fail(p, "nothing more is wanted in this line");
    return ERR_OK;
}

static bool bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static enum err put_utf8(const struct parser *p, uint32_t code, char *to, size_t *len)
{
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return fail(p, "an escape that is no character");
    if (code < 0x80) {
        to[(*len)++] = (char)code;
        return ERR_OK;
    }
    unsigned more_bytes = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t first[] = {0, 0xc0, 0xe0, 0xf0};
    to[(*len)++] = (char)(first[more_bytes] | code >> (6 * more_bytes));
    for (unsigned i = more_bytes; i-- > 0;)
        to[(*len)++] = (char)(0x80 | (code >> (6 * i) & 0x3f));
    return ERR_OK;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Behind the backslash. What is written is never longer than what was read. */
static enum err escape(struct parser *p, char *to, size_t *len)
{
    static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
    char c = peek(p);
    const char *simple = c != 0 ? strchr(names, c) : NULL;
    if (simple != NULL) {
        p->at++;
        to[(*len)++] = values[simple - names];
        return ERR_OK;
    }
    if (c != 'u' && c != 'U')
        return fail(p, "an unknown escape");
    p->at++;
    uint32_t code = 0;
    for (unsigned i = 0; i < (c == 'u' ? 4U : 8U); i++) {
        int digit = hex_digit(peek(p));
        if (digit < 0)
            return fail(p, "an escape has 4 or 8 hexadecimal digits");
        code = code << 4 | (uint32_t)digit;
        p->at++;
    }
    return put_utf8(p, code, to, len);
}

static bool utf8_ok(const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    while (at < end) {
        size_t count = *at < 0x80   ? 1
                       : *at < 0xc2 ? 0
                       : *at < 0xe0 ? 2
                       : *at < 0xf0 ? 3
                       : *at < 0xf5 ? 4
                                    : 0;
        if (count == 0 || (size_t)(end - at) < count)
            return false;
        for (size_t i = 1; i < count; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return false;
        }
        if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
            (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
            return false;
        at += count;
    }
    return true;
}

/* Basic ("") or literal (''), of one line. */
static enum err string(struct parser *p, const char **ret_text)
{
    char quote = *p->at++;
    if (p->end - p->at >= 2 && p->at[0] == quote && p->at[1] == quote)
        return fail(p, "strings of several lines are not read");
    const char *close = p->at;
    while (close < p->end && *close != '\n' && *close != quote)
        close += *close == '\\' && quote == '"' && close + 1 < p->end ? 2 : 1;
    char *to = arena_take(p->arena, (size_t)(close - p->at) + 1);
    if (to == NULL)
        return limit(p, "the strings take too much memory");
    size_t len = 0;
    while (more(p) && *p->at != quote) {
        char c = *p->at++;
        if (c == '\\' && quote == '"')
            TRY(escape(p, to, &len));
        else if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
            return fail(p, c == '\n' || c == '\r' ? "a string without end"
                                                  : "a control character in a string");
        else
            to[len++] = c;
    }
    if (!eat(p, quote))
        return fail(p, "a string without end");
    if (!utf8_ok(to, len))
        return fail(p, "a string that is not UTF-8");
    *ret_text = to;
    return ERR_OK;
}

static enum err key(struct parser *p, const char **ret_key)
{
    const char *name = NULL;
    if (peek(p) == '"' || peek(p) == '\'') {
        TRY(string(p, &name));
        if (name[0] == 0 || strlen(name) > TOML_KEY_MAX)
            return fail(p, "a key has 1 to 64 bytes");
        *ret_key = name;
        return ERR_OK;
    }
    const char *from = p->at;
    while (more(p) && bare(*p->at))
        p->at++;
    size_t len = (size_t)(p->at - from);
    if (len == 0 || len > TOML_KEY_MAX)
        return fail(p, len == 0 ? "a key is wanted" : "a key has 1 to 64 bytes");
    name = arena_strndup(p->arena, from, len);
    if (name == NULL)
        return limit(p, "the keys take too much memory");
    *ret_key = name;
    return ERR_OK;
}

/* TOML: digits may be parted by single underscores; decimal numbers have no leading zero. */
static enum err integer(struct parser *p, uint64_t *ret_number)
{
    uint64_t base = 10, value = 0;
    if (p->end - p->at >= 2 && p->at[0] == '0' && strchr("xob", p->at[1]) != NULL &&
        p->at[1] != 0) {
        base = p->at[1] == 'x' ? 16 : p->at[1] == 'o' ? 8 : 2;
        p->at += 2;
    } else {
        (void)eat(p, '+');
    }
    const char *from = p->at;
    bool digit_before = false;
    for (; more(p) && (bare(*p->at) || *p->at == '.' || *p->at == ':'); p->at++) {
        if (*p->at == '_') {
            if (!digit_before)
                return fail(p, "an underscore stands between digits");
            digit_before = false;
            continue;
        }
        int digit = hex_digit(*p->at);
        if (digit < 0 || (uint64_t)digit >= base)
            return fail(p, "a value that is none: dates and fractions are not read, text stands in "
                           "quotes");
        if (value > (UINT64_MAX - (uint64_t)digit) / base)
            return limit(p, "a number of more than 64 bits");
        value = value * base + (uint64_t)digit;
        digit_before = true;
    }
    if (!digit_before || (base == 10 && *from == '0' && p->at - from > 1))
        return fail(p, "a number that is none, or has a leading zero");
    *ret_number = value;
    return ERR_OK;
}

/* Line ends, blanks and comments within an array. */
static enum err skip(struct parser *p)
{
    do {
        blanks(p);
        TRY(comment(p));
    } while (line_end(p));
    return ERR_OK;
}

static enum err strings(struct parser *p, struct toml_value *value)
{
    const char *items[TOML_ITEMS_MAX];
    size_t len = 0;
    p->at++;
    TRY(skip(p));
    while (!eat(p, ']')) {
        if (peek(p) != '"' && peek(p) != '\'')
            return fail(p, "only strings stand in an array");
        if (len == TOML_ITEMS_MAX)
            return limit(p, "an array has at most 200 strings");
        TRY(string(p, &items[len++]));
        TRY(skip(p));
        if (!eat(p, ',') && peek(p) != ']')
            return fail(p, "a comma or ] is wanted");
        TRY(skip(p));
    }
    const char **kept = arena_take(p->arena, (len + 1) * sizeof *kept);
    if (kept == NULL)
        return limit(p, "the arrays take too much memory");
    if (len > 0)
        memcpy(kept, items, len * sizeof *kept);
    value->items = kept;
    value->items_len = len;
    value->type = TOML_STRINGS;
    return ERR_OK;
}

static bool word(struct parser *p, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, text, len) != 0 ||
        ((size_t)(p->end - p->at) > len && bare(p->at[len])))
        return false;
    p->at += len;
    return true;
}

static enum err value_of(struct parser *p, struct toml_value *value)
{
    char c = peek(p);
    if (c == '"' || c == '\'') {
        value->type = TOML_STRING;
        return string(p, &value->text);
    }
    if (c == '[')
        return strings(p, value);
    value->type = TOML_BOOLEAN;
    value->truth = word(p, "true");
    if (value->truth || word(p, "false"))
        return ERR_OK;
    value->type = TOML_INTEGER;
    if ((c >= '0' && c <= '9') || c == '+')
        return integer(p, &value->number);
    return fail(p, c == '{'   ? "inline tables are not read"
                   : c == '-' ? "numbers below zero are not read"
                              : "a value is wanted");
}

static enum err pair(struct parser *p)
{
    struct toml_table *table = &p->tables[p->tables_len - 1];
    struct toml_value value = {.line = p->line};
    TRY(key(p, &value.key));
    for (size_t i = p->values_len - table->values_len; i < p->values_len; i++) {
        if (strcmp(p->values[i].key, value.key) == 0)
            return err_set(p->detail, ERR_SYNTAX, "line %u: '%s' is there already, in line %u",
                           p->line, value.key, p->values[i].line);
    }
    blanks(p);
    if (!eat(p, '='))
        return fail(p, peek(p) == '.' ? "dotted keys are not read" : "= is wanted");
    blanks(p);
    TRY(value_of(p, &value));
    if (p->values_len == TOML_VALUES_MAX)
        return limit(p, "more than 2000 values");
    p->values[p->values_len++] = value;
    table->values_len++;
    return rest_of_line(p);
}

static enum err header(struct parser *p)
{
    char name[TOML_KEY_MAX + 1];
    size_t len = 0;
    struct toml_table table = {.line = p->line};
    p->at++;
    table.array = eat(p, '[');
    do {
        const char *part = NULL;
        blanks(p);
        TRY(key(p, &part));
        blanks(p);
        if (len + strlen(part) + 1 > TOML_KEY_MAX)
            return limit(p, "the name of a table has at most 64 bytes");
        if (len > 0)
            name[len++] = '.';
        memcpy(name + len, part, strlen(part));
        len += strlen(part);
    } while (eat(p, '.'));
    if (!eat(p, ']') || (table.array && !eat(p, ']')))
        return fail(p, "] is wanted");
    name[len] = 0;
    for (size_t i = 1; i < p->tables_len; i++) {
        if (strcmp(p->tables[i].name, name) == 0 && !(table.array && p->tables[i].array))
            return err_set(p->detail, ERR_SYNTAX,
                           "line %u: table '%s' is there already, in line %u", p->line, name,
                           p->tables[i].line);
    }
    if (p->tables_len == TOML_TABLES_MAX)
        return limit(p, "more than 200 tables");
    table.name = arena_strndup(p->arena, name, len);
    if (table.name == NULL)
        return limit(p, "the tables take too much memory");
    p->tables[p->tables_len++] = table;
    return rest_of_line(p);
}

static enum err finish(struct parser *p, struct toml *ret_toml)
{
    struct toml toml = {.tables_len = p->tables_len};
    struct toml_value *values =
        arena_take(p->arena, (p->values_len + 1) * sizeof(struct toml_value));
    toml.tables = arena_take(p->arena, p->tables_len * sizeof(struct toml_table));
    if (values == NULL || toml.tables == NULL)
        return limit(p, "the text takes too much memory");
    memcpy(values, p->values, p->values_len * sizeof *values);
    memcpy(toml.tables, p->tables, p->tables_len * sizeof *toml.tables);
    for (size_t i = 0; i < toml.tables_len; i++) {
        toml.tables[i].values = values;
        values += toml.tables[i].values_len;
    }
    *ret_toml = toml;
    return ERR_OK;
}

enum err toml_read(struct bytes text, struct arena *arena, struct toml *ret_toml,
                   struct err_detail *detail)
{
    if (text.len > TOML_SIZE_MAX)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes", TOML_SIZE_MAX);
    AUTO(parser_freep) struct parser *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ERR_NO_MEMORY;
    const char *begin = text.len > 0 ? (const char *)text.data : "";
    p->at = begin;
    p->end = begin + text.len;
    p->line = 1;
    p->arena = arena;
    p->detail = detail;
    p->tables[0].name = "";
    p->tables_len = 1;
    while (more(p)) {
        blanks(p);
        if (!more(p) || *p->at == '#' || *p->at == '\n' || *p->at == '\r')
            TRY(rest_of_line(p));
        else if (*p->at == '[')
            TRY(header(p));
        else
            TRY(pair(p));
    }
    return finish(p, ret_toml);
}

struct toml_table *toml_table(struct toml *toml, const char *name)
{
    for (size_t i = 0; i < toml->tables_len; i++) {
        if (strcmp(toml->tables[i].name, name) == 0) {
            toml->tables[i].seen = true;
            return &toml->tables[i];
        }
    }
    return NULL;
}

struct toml_value *toml_get(struct toml_table *table, const char *key)
{
    table->seen = true;
    for (size_t i = 0; i < table->values_len; i++) {
        if (strcmp(table->values[i].key, key) == 0) {
            table->values[i].seen = true;
            return &table->values[i];
        }
    }
    return NULL;
}

enum err toml_unseen(const struct toml *toml, struct err_detail *detail)
{
    for (size_t i = 0; i < toml->tables_len; i++) {
        const struct toml_table *table = &toml->tables[i];
        if (!table->seen && i > 0)
            return err_set(detail, ERR_SYNTAX, "line %u: table '%s' is not known", table->line,
                           table->name);
        for (size_t j = 0; j < table->values_len; j++) {
            if (!table->values[j].seen)
                return err_set(detail, ERR_SYNTAX, "line %u: '%s' is not known here",
                               table->values[j].line, table->values[j].key);
        }
    }
    return ERR_OK;
}

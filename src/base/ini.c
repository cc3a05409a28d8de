#include "base/ini.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define INI_FILE_MAX ((size_t)1024 * 1024)

struct parser {
    const char *name;
    unsigned line;
    char section[128];
    ini_fn *fn;
    void *ctx;
    struct err_detail *detail;
    struct buf seen; /* "section]key\0" of all settings so far, to find doubled ones */
};

static enum err fail(struct parser *p, enum err err, const char *text)
{
    return err_set(p->detail, err, "%s: line %u: %s", p->name, p->line, text);
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return text;
}

static enum err remember(struct parser *p, const char *key)
{
    char name[INI_LINE_MAX + 160];
    int len = snprintf(name, sizeof name, "%s]%s", p->section, key);
    if (len < 0 || (size_t)len >= sizeof name)
        return fail(p, ERR_LIMIT, "name too long");
    for (size_t at = 0; at < p->seen.len; at += strlen((char *)p->seen.data + at) + 1) {
        if (strcmp((char *)p->seen.data + at, name) == 0)
            return fail(p, ERR_CONFIG,
                        *key != '\0' ? "this key stands twice" : "this section stands twice");
    }
    return buf_append(&p->seen, bytes_of(name, (size_t)len + 1));
}

static enum err parse_section(struct parser *p, char *line)
{
    size_t len = strlen(line);
    if (line[len - 1] != ']')
        return fail(p, ERR_CONFIG, "section without closing ]");
    line[len - 1] = '\0';
    char *name = trim(line + 1);
    if (*name == '\0' || strlen(name) >= sizeof p->section)
        return fail(p, ERR_CONFIG, "section name empty or too long");
    memcpy(p->section, name, strlen(name) + 1);
    return remember(p, "");
}

static enum err parse_setting(struct parser *p, char *line)
{
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return fail(p, ERR_CONFIG, "neither [section] nor key = value");
    *equals = '\0';
    char *key = trim(line);
    char *value = trim(equals + 1);
    size_t len = strlen(value);
    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value[len - 1] = '\0';
        value++;
    }
    if (*key == '\0')
        return fail(p, ERR_CONFIG, "key is empty");
    if (p->section[0] == '\0')
        return fail(p, ERR_CONFIG, "setting before the first [section]");
    TRY(remember(p, key));
    struct err_detail inner = {0};
    enum err err = p->fn(p->ctx, p->section, key, value, p->line, &inner);
    return err == ERR_OK ? ERR_OK : fail(p, err, inner.text);
}

static enum err parse_line(struct parser *p, struct bytes raw)
{
    char copy[INI_LINE_MAX + 1];
    p->line++;
    if (raw.len > INI_LINE_MAX)
        return fail(p, ERR_LIMIT, "line too long");
    if (memchr(raw.data, '\0', raw.len) != NULL)
        return fail(p, ERR_CONFIG, "line holds a NUL byte");
    memcpy(copy, raw.data, raw.len);
    copy[raw.len] = '\0';
    char *line = trim(copy);
    if (*line == '\0' || *line == '#' || *line == ';')
        return ERR_OK;
    return *line == '[' ? parse_section(p, line) : parse_setting(p, line);
}

enum err ini_parse(const char *name, const char *text, size_t len, ini_fn *fn, void *ctx,
                   struct err_detail *detail)
{
    struct parser p = {.name = name, .fn = fn, .ctx = ctx, .detail = detail};
    enum err err = ERR_OK;
    while (len != 0 && err == ERR_OK) {
        const char *newline = memchr(text, '\n', len);
        size_t line_len = newline != NULL ? (size_t)(newline - text) : len;
        err = parse_line(&p, bytes_of(text, line_len));
        size_t used = line_len + (newline != NULL);
        text += used;
        len -= used;
    }
    buf_done(&p.seen);
    return err;
}

enum err ini_read(const char *path, ini_fn *fn, void *ctx, struct err_detail *detail)
{
    AUTO(buf_done) struct buf text = {0};
    TRY(file_read(path, INI_FILE_MAX, &text, detail));
    return ini_parse(path, (const char *)text.data, text.len, fn, ctx, detail);
}

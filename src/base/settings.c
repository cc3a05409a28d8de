#include "base/settings.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/ini.h"

#define SETTINGS_MEMORY ((size_t)1024 * 1024)

struct build {
    struct settings *settings;
    struct arena *arena;
    const char *dir; /* of the configuration file, absolute */
};

static const struct settings_row *find_row(const char *section, const char *key,
                                           bool *ret_section_known)
{
    *ret_section_known = false;
    for (size_t i = 0; i < settings_rows_len; i++) {
        if (strcmp(settings_rows[i].section, section) != 0)
            continue;
        *ret_section_known = true;
        if (strcmp(settings_rows[i].key, key) == 0)
            return &settings_rows[i];
    }
    return NULL;
}

static enum err absolute(struct build *b, const char *path, const char **ret_path)
{
    const char *rest = strncmp(path, "./", 2) == 0 ? path + 2 : path;
    size_t room = strlen(b->dir) + strlen(rest) + 2;
    char *at = arena_take(b->arena, room);
    if (at == NULL)
        return ERR_NO_MEMORY;
    if (*path == '/' || *path == '\0')
        (void)snprintf(at, room, "%s", path);
    else
        (void)snprintf(at, room, "%s/%s", b->dir, rest);
    *ret_path = at;
    return ERR_OK;
}

static enum err parse_number(const struct settings_row *row, const char *value, int64_t *ret_number,
                             struct err_detail *detail)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno != 0 || end == value)
        return err_set(detail, ERR_CONFIG, "%s: '%s' is not a number", row->key, value);
    if (row->type == SETTINGS_SIZE && *end != '\0' && end[1] == '\0') {
        static const char units[] = "KMG";
        const char *unit = strchr(units, toupper((unsigned char)*end));
        for (const char *u = units; unit != NULL && u <= unit && number < LLONG_MAX / 1024; u++)
            number *= 1024;
        end += unit != NULL;
    }
    if (*end != '\0')
        return err_set(detail, ERR_CONFIG, "%s: '%s' is not a number", row->key, value);
    if (number < row->min || number > row->max)
        return err_set(detail, ERR_CONFIG, "%s: %lld is not between %lld and %lld", row->key,
                       number, (long long)row->min, (long long)row->max);
    *ret_number = number;
    return ERR_OK;
}

static enum err parse_choice(const struct settings_row *row, const char *value,
                             unsigned *ret_choice, struct err_detail *detail)
{
    unsigned number = 0;
    size_t len = strlen(value);
    for (const char *at = row->choices; *at != '\0'; number++) {
        size_t word = strcspn(at, " ");
        if (word == len && memcmp(at, value, len) == 0) {
            *ret_choice = number;
            return ERR_OK;
        }
        at += word;
        at += *at == ' ';
    }
    return err_set(detail, ERR_CONFIG, "%s: '%s' is none of: %s", row->key, value, row->choices);
}

/* A word that starts with ./, or whose value after = does, is a path beside the configuration file.
 */
static enum err list_item(struct build *b, const char *word, size_t len, const char **ret_item)
{
    char *copy = arena_strndup(b->arena, word, len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (strncmp(copy, "./", 2) == 0)
        return absolute(b, copy, ret_item);
    char *equals = strchr(copy, '=');
    *ret_item = copy;
    if (equals == NULL || strncmp(equals + 1, "./", 2) != 0)
        return ERR_OK;
    const char *path = NULL;
    TRY(absolute(b, equals + 1, &path));
    size_t name = (size_t)(equals - copy) + 1;
    char *joined = arena_take(b->arena, name + strlen(path) + 1);
    if (joined == NULL)
        return ERR_NO_MEMORY;
    memcpy(joined, copy, name);
    memcpy(joined + name, path, strlen(path) + 1);
    *ret_item = joined;
    return ERR_OK;
}

static enum err parse_list(struct build *b, const char *value, struct settings_list *ret_list)
{
    struct settings_list list = {0};
    list.items = arena_take(b->arena, (strlen(value) / 2 + 1) * sizeof list.items[0]);
    if (list.items == NULL)
        return ERR_NO_MEMORY;
    for (const char *at = value + strspn(value, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        size_t word = strcspn(at, " \t");
        TRY(list_item(b, at, word, &list.items[list.len]));
        list.len++;
        at += word;
    }
    *ret_list = list;
    return ERR_OK;
}

static enum err parse_bool(const struct settings_row *row, const char *value, bool *ret_bool,
                           struct err_detail *detail)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return err_set(detail, ERR_CONFIG, "%s: '%s' is neither yes nor no", row->key, value);
    *ret_bool = *value == 'y';
    return ERR_OK;
}

static enum err parse_text(struct build *b, const char *value, const char **ret_text)
{
    char *copy = arena_strndup(b->arena, value, strlen(value));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    *ret_text = copy;
    return ERR_OK;
}

static enum err parse_source(struct build *b, const char *value, const char **ret_source)
{
    static const char prefix[] = "file:";
    const size_t len = sizeof prefix - 1;
    if (strncmp(value, prefix, len) != 0)
        return parse_text(b, value, ret_source);
    const char *path = NULL;
    TRY(absolute(b, value + len, &path));
    char *joined = arena_take(b->arena, len + strlen(path) + 1);
    if (joined == NULL)
        return ERR_NO_MEMORY;
    memcpy(joined, prefix, len);
    memcpy(joined + len, path, strlen(path) + 1);
    *ret_source = joined;
    return ERR_OK;
}

static enum err assign(struct build *b, const struct settings_row *row, const char *value,
                       struct err_detail *detail)
{
    void *at = (char *)b->settings + row->offset;
    switch (row->type) {
    case SETTINGS_TEXT: return parse_text(b, value, at);
    case SETTINGS_SOURCE: return parse_source(b, value, at);
    case SETTINGS_PATH: return absolute(b, value, at);
    case SETTINGS_BOOL: return parse_bool(row, value, at, detail);
    case SETTINGS_RATE:
        if (strcmp(value, "unlimited") == 0) {
            *(int64_t *)at = SETTINGS_UNLIMITED;
            return ERR_OK;
        }
        return parse_number(row, value, at, detail);
    case SETTINGS_NUMBER:
    case SETTINGS_SIZE:
    case SETTINGS_SECONDS: return parse_number(row, value, at, detail);
    case SETTINGS_CHOICE: return parse_choice(row, value, at, detail);
    case SETTINGS_LIST: return parse_list(b, value, at);
    }
    return ERR_INTERNAL;
}

static enum err on_setting(void *ctx, const char *section, const char *key, const char *value,
                           unsigned line, struct err_detail *detail)
{
    (void)line;
    struct build *b = ctx;
    bool section_known;
    const struct settings_row *row = find_row(section, key, &section_known);
    if (!section_known)
        return err_set(detail, ERR_CONFIG, "unknown section [%s]", section);
    if (row == NULL)
        return err_set(detail, ERR_CONFIG, "unknown key '%s' in [%s]", key, section);
    return assign(b, row, value, detail);
}

static enum err folder_of(const char *path, struct arena *arena, const char **ret_dir)
{
    char cwd[PATH_MAX] = "";
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    if (*path != '/' && getcwd(cwd, sizeof cwd) == NULL)
        return ERR_IO;
    char *dir = arena_take(arena, strlen(cwd) + len + 2);
    if (dir == NULL)
        return ERR_NO_MEMORY;
    int used = sprintf(dir, "%s%s", cwd, len != 0 && *path != '/' ? "/" : "");
    memcpy(dir + used, path, len);
    dir[(size_t)used + len] = '\0';
    *ret_dir = dir;
    return ERR_OK;
}

enum err settings_parse(const char *path, const char *text, size_t len,
                        struct settings *ret_settings, struct err_detail *detail)
{
    struct settings settings = {0};
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(SETTINGS_MEMORY, &arena));
    struct build b = {.settings = &settings, .arena = arena};
    TRY(folder_of(path, arena, &b.dir));
    for (size_t i = 0; i < settings_rows_len; i++)
        TRY(assign(&b, &settings_rows[i], settings_rows[i].fallback, detail));
    TRY(ini_parse(path, text, len, on_setting, &b, detail));
    settings.memory = TAKE(arena);
    *ret_settings = settings;
    return ERR_OK;
}

enum err settings_read(const char *path, struct settings *ret_settings, struct err_detail *detail)
{
    AUTO(buf_done) struct buf text = {0};
    TRY(file_read(path, SETTINGS_MEMORY, &text, detail));
    return settings_parse(path, (const char *)text.data, text.len, ret_settings, detail);
}

void settings_done(struct settings *settings)
{
    arena_free(settings->memory);
    *settings = (struct settings){0};
}

/* "# text" in lines of at most 100 columns. */
static enum err format_about(const char *about, struct buf *to)
{
    while (*about != '\0') {
        size_t len = strlen(about);
        if (len > 98) {
            len = 98;
            while (len > 0 && about[len] != ' ')
                len--;
        }
        TRY(buf_printf(to, "# %.*s\n", (int)len, about));
        about += len;
        about += *about == ' ';
    }
    return ERR_OK;
}

static const char *value_of(const struct settings_row *row, const char *const *set)
{
    char name[128];
    (void)snprintf(name, sizeof name, "%s.%s", row->section, row->key);
    for (; *set != NULL; set += 2) {
        assert(set[1] != NULL);
        if (strcmp(set[0], name) == 0)
            return set[1];
    }
    return NULL;
}

enum err settings_format(const char *const *set, struct buf *to)
{
    const char *section = "";
    TRY(buf_printf(to, "# Configuration of clavigerd; see clavigerd.conf(5). Relative paths start "
                       "at this file.\n"));
    for (size_t i = 0; i < settings_rows_len; i++) {
        const struct settings_row *row = &settings_rows[i];
        if (strcmp(section, row->section) != 0)
            TRY(buf_printf(to, "\n[%s]\n", row->section));
        section = row->section;
        TRY(buf_printf(to, "\n"));
        TRY(format_about(row->about, to));
        const char *value = value_of(row, set);
        TRY(buf_printf(to, value != NULL ? "%s = %s\n" : "#%s = %s\n", row->key,
                       value != NULL ? value : row->fallback));
    }
    return ERR_OK;
}

#include "factory/package_manifest.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "factory/toml.h"

struct maker {
    struct toml *toml;
    struct arena *arena;
    struct err_detail *detail;
    struct package_manifest *m;
    struct package_file files[PACKAGE_FILES_MAX];
};

static enum err wrong(const struct maker *k, const struct toml_value *value, const char *what)
{
    return err_set(k->detail, ERR_SYNTAX, "line %u: %s %s", value->line, value->key, what);
}

/* All but two of the letters stand at both ends of the two words. */
static bool looks_like(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b), most = a_len > b_len ? a_len : b_len;
    size_t least = a_len < b_len ? a_len : b_len, head = 0, tail = 0;
    while (head < least && a[head] == b[head])
        head++;
    while (tail < least - head && a[a_len - 1 - tail] == b[b_len - 1 - tail])
        tail++;
    return most > 2 && head + tail + 2 >= most;
}

/* Where a word that nobody asked for looks like the one that is wanted, it is named. */
static enum err missing(const struct maker *k, const struct toml_table *table, const char *key)
{
    char place[64] = "", hint[TOML_KEY_MAX + 64] = "";
    for (size_t i = 0; i < table->values_len && hint[0] == '\0'; i++) {
        const struct toml_value *value = &table->values[i];
        if (!value->seen && looks_like(value->key, key))
            (void)snprintf(hint, sizeof hint, "; hint: line %u has '%s'", value->line, value->key);
    }
    if (table->name[0] != '\0')
        (void)snprintf(place, sizeof place, " in [%.50s]", table->name);
    return table->name[0] == '\0' ? err_set(k->detail, ERR_SYNTAX, "'%s' is missing%s", key, hint)
                                  : err_set(k->detail, ERR_SYNTAX, "line %u: '%s' is missing%s%s",
                                            table->line, key, place, hint);
}

/* NULL where it is not there, and need not be. */
static enum err text(const struct maker *k, struct toml_table *table, const char *key, bool wanted,
                     const char **ret_text)
{
    struct toml_value *value = toml_get(table, key);
    if (value == NULL)
        return wanted ? missing(k, table, key) : ERR_OK;
    if (value->type != TOML_STRING)
        return wrong(k, value, "is a text, in quotes");
    *ret_text = value->text;
    return ERR_OK;
}

/* The file's name in the package; the path that goes with it is kept. */
static enum err file(struct maker *k, struct toml_table *table, const char *key,
                     enum package_role role, bool wanted, const char **ret_name)
{
    const char *path = NULL;
    TRY(text(k, table, key, wanted, &path));
    if (path == NULL)
        return ERR_OK;
    const struct toml_value *value = toml_get(table, key);
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (!package_name_ok(name) || strlen(path) > PACKAGE_PATH_MAX)
        return wrong(k, value,
                     "is the path of a file whose name has A-Z, a-z, 0-9, '.', '_' and '-' only");
    struct package *p = &k->m->package;
    for (size_t i = 0; i < p->files_len; i++) {
        assert(k->files[i].name != NULL);
        if (strcmp(k->files[i].name, name) != 0)
            continue;
        if (strcmp(k->m->paths[i], path) != 0)
            return err_set(k->detail, ERR_SYNTAX, "line %u: %s and %s would have one name",
                           value->line, path, k->m->paths[i]);
        if (k->files[i].role != role)
            return wrong(k, value, "is a file that has another role already");
        *ret_name = name;
        return ERR_OK;
    }
    if (p->files_len == PACKAGE_FILES_MAX)
        return err_set(k->detail, ERR_LIMIT, "more than %d files", PACKAGE_FILES_MAX);
    k->m->paths[p->files_len] = path;
    k->files[p->files_len++] = (struct package_file){.name = name, .role = role};
    *ret_name = name;
    return ERR_OK;
}

static enum err set(struct maker *k, struct toml_table *table, bool wanted,
                    struct package_set *set_)
{
    TRY(file(k, table, "firmware", PACKAGE_FIRMWARE, wanted, &set_->firmware));
    TRY(file(k, table, "field_configuration", PACKAGE_FIELD_CONFIGURATION, wanted,
             &set_->field_configuration));
    return file(k, table, "factory_configuration", PACKAGE_FACTORY_CONFIGURATION, false,
                &set_->factory_configuration);
}

static enum err number_or_id(const struct maker *k, struct toml_table *root)
{
    struct package *p = &k->m->package;
    struct toml_value *id = toml_get(root, "config_id");
    struct toml_value *version = toml_get(root, "version");
    if (id == NULL || version == NULL)
        return missing(k, root, id == NULL ? "config_id" : "version");
    if (id->type == TOML_INTEGER)
        p->config_id = id->number;
    if (p->config_id == 0 &&
        (id->type != TOML_STRING || !package_id_parse(id->text, &p->config_id)))
        return wrong(k, id, "is a number from 1 to 2^64 - 1, decimal or 0x and hexadecimal");
    if (version->type != TOML_INTEGER || version->number == 0 || version->number > UINT32_MAX)
        return wrong(k, version, "is a number from 1 to 4294967295");
    p->version = (uint32_t)version->number;
    return ERR_OK;
}

static enum err created(const struct maker *k, struct toml_table *root)
{
    const char *said = NULL;
    char again[32];
    struct tm tm = {0};
    TRY(text(k, root, "created", false, &said));
    if (said == NULL)
        return ERR_OK;
    const char *end = strptime(said, "%Y-%m-%dT%H:%M:%SZ", &tm);
    int64_t when = end != NULL && *end == 0 ? timegm(&tm) : 0;
    if (when > 0)
        clock_format(when, again);
    if (when <= 0 || strcmp(again, said) != 0)
        return wrong(k, toml_get(root, "created"), "is a time in quotes: \"2026-11-21T02:39:00Z\"");
    k->m->package.created = when;
    return ERR_OK;
}

static enum err read_root(struct maker *k)
{
    struct package *p = &k->m->package;
    struct toml_table *root = &k->toml->tables[0];
    p->comment = "";
    TRY(number_or_id(k, root));
    TRY(created(k, root));
    TRY(text(k, root, "label", true, &p->label));
    TRY(text(k, root, "comment", false, &p->comment));
    TRY(text(k, root, "packager", true, &p->packager));
    struct toml_value *aliases = toml_get(root, "aliases");
    if (aliases == NULL)
        return ERR_OK;
    if (aliases->type != TOML_STRINGS)
        return wrong(k, aliases, "is an array of texts: [\"kite_170\"]");
    p->aliases = aliases->items;
    p->aliases_len = aliases->items_len;
    return ERR_OK;
}

static enum err table_of(const struct maker *k, const char *name, struct toml_table **ret_table)
{
    struct toml_table *table = toml_table(k->toml, name);
    if (table == NULL)
        return err_set(k->detail, ERR_SYNTAX, "the table [%s] is missing", name);
    if (table->array)
        return err_set(k->detail, ERR_SYNTAX, "line %u: [%s] has single brackets: there is one",
                       table->line, name);
    *ret_table = table;
    return ERR_OK;
}

static enum err read_keys(struct maker *k)
{
    struct package *p = &k->m->package;
    struct toml_table *table = NULL;
    TRY(table_of(k, "keys", &table));
    TRY(file(k, table, "kms", PACKAGE_KMS_KEY, true, &p->kms_key));
    TRY(file(k, table, "gateway", PACKAGE_GATEWAY_KEYS, true, &p->gateway_keys));
    return file(k, table, "signature", PACKAGE_GATEWAY_KEYS_SIGNATURE, true,
                &p->gateway_keys_signature);
}

static enum err read_node(struct maker *k)
{
    struct package_node *node = &k->m->package.node;
    struct toml_table *table = NULL;
    TRY(table_of(k, "node", &table));
    node->hardware = "";
    TRY(text(k, table, "type", true, &node->type));
    TRY(text(k, table, "version", true, &node->version));
    TRY(text(k, table, "hardware", false, &node->hardware));
    return set(k, table, true, &node->files);
}

static enum err read_applications(struct maker *k)
{
    struct package *p = &k->m->package;
    struct package_application *applications =
        arena_take(k->arena, PACKAGE_APPLICATIONS_MAX * sizeof *applications);
    if (applications == NULL)
        return ERR_NO_MEMORY;
    p->applications = applications;
    for (size_t i = 1; i < k->toml->tables_len; i++) {
        struct toml_table *table = &k->toml->tables[i];
        if (strcmp(table->name, "application") != 0)
            continue;
        if (!table->array)
            return err_set(k->detail, ERR_SYNTAX, "line %u: each application is [[application]]",
                           table->line);
        if (p->applications_len == PACKAGE_APPLICATIONS_MAX)
            return err_set(k->detail, ERR_LIMIT, "line %u: more than %d applications", table->line,
                           PACKAGE_APPLICATIONS_MAX);
        struct package_application *a = &applications[p->applications_len++];
        TRY(text(k, table, "name", true, &a->name));
        TRY(text(k, table, "version", true, &a->version));
        TRY(set(k, table, false, &a->files));
        TRY(file(k, table, "public_key", PACKAGE_BACKEND_KEY, false, &a->public_key));
    }
    return ERR_OK;
}

enum err package_manifest_read(struct bytes text_, struct arena *arena,
                               struct package_manifest *ret_manifest, struct err_detail *detail)
{
    struct toml toml;
    struct package_manifest m = {.package.config_id = 0};
    struct maker k = {.toml = &toml, .arena = arena, .detail = detail, .m = &m};
    TRY(toml_read(text_, arena, &toml, detail));
    TRY(read_root(&k));
    TRY(read_keys(&k));
    TRY(read_node(&k));
    TRY(read_applications(&k));
    TRY(toml_unseen(&toml, detail));
    struct package_file *files = arena_take(arena, sizeof k.files);
    if (files == NULL)
        return ERR_NO_MEMORY;
    memcpy(files, k.files, sizeof k.files);
    m.package.files = files;
    *ret_manifest = m;
    return ERR_OK;
}

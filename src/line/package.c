#include "line/package.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"

/* Every get_ fills its field or says which one makes no sense. */

static void json_freep(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

static enum err bad(struct err_detail *detail, const char *where, const char *what)
{
    return err_set(detail, ERR_SYNTAX, "configuration: %s: %s", where, what);
}

/* Printable: it goes to terminals and logs. */
static bool is_plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f)
            return false;
    }
    return true;
}

static enum err get_text(const json_t *object, const char *key, bool required, char *to, size_t cap,
                         struct err_detail *detail)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value)) {
        (void)snprintf(to, cap, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return ERR_OK;
    }
    if (value == NULL || json_is_null(value))
        return required ? bad(detail, key, "is missing") : ERR_OK;
    const char *text = json_string_value(value);
    if (text == NULL || strlen(text) >= cap || strlen(text) != json_string_length(value) ||
        !is_plain(text))
        return bad(detail, key, "no text, or too long a one");
    (void)snprintf(to, cap, "%s", text);
    return ERR_OK;
}

static enum err get_u64(const json_t *object, const char *key, uint64_t most, uint64_t *ret_value,
                        struct err_detail *detail)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    uint64_t number;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        number = (uint64_t)json_integer_value(value);
    } else if (text != NULL && text[0] >= '0' && text[0] <= '9') {
        char *end = NULL;
        bool hex = text[0] == '0' && (text[1] | 32) == 'x';
        errno = 0;
        number = strtoull(text, &end, hex ? 16 : 10);
        if (*end != '\0' || errno != 0)
            return bad(detail, key, "no number");
    } else {
        return bad(detail, key, "no number");
    }
    if (number > most)
        return bad(detail, key, "too large a number");
    *ret_value = number;
    return ERR_OK;
}

static enum err get_hash(const json_t *object, const char *key, uint8_t *to, size_t size,
                         bool *ret_has, struct err_detail *detail)
{
    size_t len = 0;
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        return ERR_OK;
    if (hex_decode(bytes_str(text), to, size, &len) != ERR_OK || len != size)
        return bad(detail, key, "no such hash");
    *ret_has = true;
    return ERR_OK;
}

static bool is_file_name(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= 100 && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static enum err get_file(const json_t *object, const char *key, struct line_file *file,
                         struct err_detail *detail)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value))
        return ERR_OK;
    TRY(get_text(value, "name", true, file->name, sizeof file->name, detail));
    if (!is_file_name(file->name))
        return bad(detail, key, "no file name");
    TRY(get_u64(value, "size", LINE_FILE_MAX, &file->size, detail));
    TRY(get_hash(value, "sha256", file->sha256, sizeof file->sha256, &file->has_sha256, detail));
    TRY(get_hash(value, "md5", file->md5, sizeof file->md5, &file->has_md5, detail));
    if (!file->has_sha256 && !file->has_md5)
        return bad(detail, key, "a file without a hash");
    return get_text(value, "path", true, file->path, sizeof file->path, detail);
}

static enum err get_files(const json_t *object, struct line_files *files, struct err_detail *detail)
{
    TRY(get_file(object, "firmware", &files->firmware, detail));
    TRY(get_file(object, "field_configuration", &files->field_config, detail));
    return get_file(object, "factory_configuration", &files->factory_config, detail);
}

static enum err get_key(const json_t *object, const char *key, bool required,
                        struct rsa_public **ret_key, struct err_detail *detail)
{
    const json_t *value = json_object_get(object, key);
    const char *pem = json_string_value(value);
    if (pem == NULL && !required && (value == NULL || json_is_null(value)))
        return ERR_OK;
    if (pem == NULL || json_string_length(value) > RSA_PEM_MAX)
        return bad(detail, key, "no public key");
    return rsa_public_from_pem(bytes_of(pem, json_string_length(value)), ret_key, detail);
}

static enum err get_apps(const json_t *root, struct line_package *package,
                         struct err_detail *detail)
{
    const json_t *list = json_object_get(root, "applications");
    size_t len = json_array_size(list);
    if (list != NULL && !json_is_array(list))
        return bad(detail, "applications", "no list");
    if (len > LINE_APPS_MAX)
        return err_set(detail, ERR_LIMIT, "configuration: more than %d applications",
                       LINE_APPS_MAX);
    for (size_t i = 0; i < len; i++) {
        const json_t *item = json_array_get(list, i);
        struct line_app *app = &package->apps[i];
        package->apps_len = i + 1;
        TRY(get_text(item, "name", true, app->name, sizeof app->name, detail));
        TRY(get_text(item, "version", false, app->version, sizeof app->version, detail));
        TRY(get_key(item, "public_key", false, &app->key, detail));
        TRY(get_files(item, &app->files, detail));
    }
    return ERR_OK;
}

static enum err get_transfer(const json_t *root, struct line_package *package,
                             struct err_detail *detail)
{
    static const char *const names[] = {"https", "http", "shared"};
    const char *text = json_string_value(json_object_get(root, "files"));
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            package->transfer = (enum line_transfer)i;
            return ERR_OK;
        }
    }
    return bad(detail, "files", "no way of file transfer that is known here");
}

static enum err read_all(const json_t *root, struct line_package *package,
                         struct err_detail *detail)
{
    uint64_t revision = 0;
    const json_t *node = json_object_get(root, "node");
    TRY(get_u64(root, "config_id", UINT64_MAX, &package->config_id, detail));
    TRY(get_u64(root, "revision", UINT32_MAX, &revision, detail));
    package->revision = (uint32_t)revision;
    TRY(get_text(root, "label", false, package->label, sizeof package->label, detail));
    TRY(get_text(root, "network", false, package->network, sizeof package->network, detail));
    TRY(get_key(root, "kms_key", true, &package->kms_key, detail));
    if (!json_is_object(node))
        return bad(detail, "node", "is missing");
    TRY(get_text(node, "type", true, package->node.type, sizeof package->node.type, detail));
    TRY(get_text(node, "version", true, package->node.version, sizeof package->node.version,
                 detail));
    TRY(get_text(node, "hardware", false, package->node.hardware, sizeof package->node.hardware,
                 detail));
    TRY(get_files(node, &package->node.files, detail));
    TRY(get_apps(root, package, detail));
    return get_transfer(root, package, detail);
}

static void package_donep(struct line_package **package)
{
    if (*package != NULL)
        line_package_done(*package);
    free(*package);
}

enum err line_package_parse(struct bytes json, struct line_package *ret_package,
                            struct err_detail *detail)
{
    json_error_t error;
    if (json.len > LINE_CONFIG_JSON)
        return err_set(detail, ERR_LIMIT, "configuration: longer than %zu bytes", LINE_CONFIG_JSON);
    AUTO(json_freep)
    json_t *root = json_loadb((const char *)json.data, json.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root))
        return err_set(detail, ERR_SYNTAX, "configuration: no JSON object");
    AUTO(package_donep) struct line_package *package = calloc(1, sizeof *package);
    if (package == NULL)
        return ERR_NO_MEMORY;
    TRY(read_all(root, package, detail));
    *ret_package = *package;
    *package = (struct line_package){0};
    return ERR_OK;
}

void line_package_done(struct line_package *package)
{
    rsa_public_freep(&package->kms_key);
    for (size_t i = 0; i < package->apps_len; i++)
        rsa_public_freep(&package->apps[i].key);
    *package = (struct line_package){0};
}

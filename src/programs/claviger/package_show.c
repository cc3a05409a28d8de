#include <inttypes.h>
#include <stdio.h>

#include "api/json.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "programs/claviger/package.h"

/* A package as JSON, and as rows. */

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *json_of_config(uint64_t id)
{
    char text[24];
    (void)snprintf(text, sizeof text, "0x%016" PRIx64, id);
    return json_string(text);
}

static json_t *json_of_fingerprint(struct bytes spki)
{
    uint8_t digest[HASH_SHA256_SIZE];
    if (hash_sha256(&spki, 1, digest) != ERR_OK)
        return json_null();
    return json_of_hex(digest, sizeof digest);
}

static void set_files(json_t *to, const struct package_set *set)
{
    (void)json_object_set_new(to, "firmware", text_or_null(set->firmware));
    (void)json_object_set_new(to, "field_configuration", text_or_null(set->field_configuration));
    (void)json_object_set_new(to, "factory_configuration",
                              text_or_null(set->factory_configuration));
}

static json_t *json_of_applications(const struct package *p)
{
    json_t *applications = json_array();
    for (size_t i = 0; i < p->applications_len; i++) {
        const struct package_application *a = &p->applications[i];
        json_t *one = json_pack("{s:s, s:s}", "name", a->name, "version", a->version);
        set_files(one, &a->files);
        (void)json_object_set_new(one, "public_key", text_or_null(a->public_key));
        (void)json_array_append_new(applications, one);
    }
    return applications;
}

static json_t *json_of_files(const struct package *p)
{
    json_t *files = json_array();
    for (size_t i = 0; i < p->files_len; i++) {
        const struct package_file *f = &p->files[i];
        (void)json_array_append_new(files, json_pack("{s:s, s:s, s:I, s:o, s:o}", "name", f->name,
                                                     "role", package_role_name(f->role), "size",
                                                     (json_int_t)f->size, "sha256",
                                                     json_of_hex(f->sha256, sizeof f->sha256),
                                                     "md5", json_of_hex(f->md5, sizeof f->md5)));
    }
    return files;
}

json_t *package_json(const struct package_imported *imported)
{
    const struct package *p = &imported->package;
    json_t *aliases = json_array();
    for (size_t i = 0; i < p->aliases_len; i++)
        (void)json_array_append_new(aliases, json_string(p->aliases[i]));
    json_t *node = json_pack("{s:s, s:s}", "type", p->node.type, "version", p->node.version);
    set_files(node, &p->node.files);
    json_t *keys =
        json_pack("{s:s, s:s, s:{s:I, s:I}}", "network", imported->network, "realm",
                  imported->realm, "versions", "gateway", (json_int_t)imported->gateway_version,
                  "cdld", (json_int_t)imported->cdld_version);
    return json_pack(
        "{s:o, s:I, s:s, s:s, s:o, s:s, s:o, s:o, s:I, s:{s:o, s:I}, s:o, s:s, s:o, s:o, s:o, "
        "s:o}",
        "config_id", json_of_config(p->config_id), "version", (json_int_t)p->version, "label",
        p->label, "comment", p->comment, "created", json_of_time(p->created), "packager",
        p->packager, "packager_fingerprint", json_of_fingerprint(p->packager_key), "sha256",
        json_of_hex(imported->sha256, sizeof imported->sha256), "size", (json_int_t)imported->size,
        "kms_key", "fingerprint",
        json_of_hex(imported->kms_fingerprint, sizeof imported->kms_fingerprint), "bits",
        (json_int_t)imported->kms_bits, "gateway_keys", keys, "hardware", p->node.hardware, "node",
        node, "applications", json_of_applications(p), "aliases", aliases, "files",
        json_of_files(p));
}

/* Nothing where `value` is NULL or empty. */
__attribute__((format(printf, 3, 4))) static void row(json_t *rows, const char *value,
                                                      const char *format, ...)
{
    char name[3 * PACKAGE_NAME_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (value != NULL && value[0] != '\0')
        (void)json_object_set_new(rows, name, json_string(value));
}

static void row_number(json_t *rows, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    row(rows, text, "%s", name);
}

static void set_rows(json_t *rows, const char *whose, const struct package_set *set)
{
    row(rows, set->firmware, "%s firmware", whose);
    row(rows, set->field_configuration, "%s field configuration", whose);
    row(rows, set->factory_configuration, "%s factory configuration", whose);
}

static void head_rows(json_t *rows, const json_t *json)
{
    row(rows, cli_text(json, "config_id"), "configuration id");
    row_number(rows, "version", (uint64_t)cli_int(json, "version"));
    row(rows, cli_text(json, "created"), "created");
    row(rows, cli_text(json, "label"), "label");
    row(rows, cli_text(json, "comment"), "comment");
    row(rows, cli_text(json, "packager"), "packager");
    row(rows, cli_text(json, "packager_fingerprint"), "packager's key");
    row(rows, cli_text(json_object_get(json, "kms_key"), "fingerprint"), "KMS key");
    row_number(rows, "KMS key bits", (uint64_t)cli_int(json_object_get(json, "kms_key"), "bits"));
}

json_t *package_rows(const struct package_imported *imported)
{
    const struct package *p = &imported->package;
    AUTO(json_freep) json_t *json = package_json(imported);
    json_t *rows = json_object();
    head_rows(rows, json);
    row(rows, imported->network, "network");
    row(rows, imported->realm, "realm");
    row_number(rows, "gateway key version", imported->gateway_version);
    row_number(rows, "code download key version", imported->cdld_version);
    row(rows, p->node.type, "node type");
    row(rows, p->node.version, "node version");
    row(rows, p->node.hardware, "node hardware");
    set_rows(rows, "node", &p->node.files);
    for (size_t i = 0; i < p->applications_len; i++) {
        const struct package_application *a = &p->applications[i];
        char whose[PACKAGE_WORD_MAX + 32];
        (void)snprintf(whose, sizeof whose, "application %s", a->name);
        row(rows, a->version, "%s version", whose);
        set_rows(rows, whose, &a->files);
        row(rows, a->public_key, "%s public key", whose);
    }
    for (size_t i = 0; i < p->aliases_len; i++)
        row(rows, "yes", "alias %s", p->aliases[i]);
    for (size_t i = 0; i < p->files_len; i++) {
        const struct package_file *f = &p->files[i];
        char sha256[65], text[160];
        hex_encode(BYTES(f->sha256), sha256);
        (void)snprintf(text, sizeof text, "%s, %" PRIu64 " bytes, %s", package_role_name(f->role),
                       f->size, sha256);
        row(rows, text, "file %s", f->name);
    }
    return rows;
}

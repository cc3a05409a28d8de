#include "factory/catalogue.h"

#include <inttypes.h>
#include <stdio.h>

#include "factory/internal.h"

/* In the order of read_package. */
#define COLUMNS                                                                                    \
    "config_id, revision, label, node_type, node_version, hardware, network, realm, comment, "     \
    "created, packager, sha256, size, imported, imported_by, kms_file, kms_fingerprint, "          \
    "kms_bits, gateway_version, cdld_version, description"
#define DESCRIPTION 20

static enum err read_texts(struct store_stmt *stmt, struct arena *arena,
                           struct factory_package *package)
{
    TRY(column_dup(stmt, 2, arena, &package->label));
    TRY(column_dup(stmt, 3, arena, &package->node_type));
    TRY(column_dup(stmt, 4, arena, &package->node_version));
    TRY(column_dup(stmt, 5, arena, &package->hardware));
    TRY(column_dup(stmt, 6, arena, &package->network));
    TRY(column_dup(stmt, 7, arena, &package->realm));
    TRY(column_dup(stmt, 8, arena, &package->comment));
    TRY(column_dup(stmt, 10, arena, &package->packager));
    TRY(column_dup(stmt, 14, arena, &package->imported_by));
    return column_dup(stmt, 15, arena, &package->kms_file);
}

static enum err read_package(struct store_stmt *stmt, struct arena *arena,
                             struct factory_package *package)
{
    package->config_id = column_id(stmt, 0);
    package->revision = (uint32_t)store_column_i64(stmt, 1);
    package->created = store_column_i64(stmt, 9);
    column_copy(stmt, 11, package->sha256, sizeof package->sha256);
    package->size = store_column_u64(stmt, 12);
    package->imported = store_column_i64(stmt, 13);
    column_copy(stmt, 16, package->kms_fingerprint, sizeof package->kms_fingerprint);
    package->kms_bits = (unsigned)store_column_i64(stmt, 17);
    package->gateway_version = (uint32_t)store_column_i64(stmt, 18);
    package->cdld_version = (uint32_t)store_column_i64(stmt, 19);
    return read_texts(stmt, arena, package);
}

static enum err read_applications(struct store_conn *conn, struct arena *arena,
                                  struct factory_package *package, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT name, version FROM package_application WHERE config_id = ? AND "
                      "revision = ? ORDER BY place LIMIT ?",
                      &stmt, detail));
    bind_id(stmt, 1, package->config_id);
    store_bind_i64(stmt, 2, package->revision);
    store_bind_i64(stmt, 3, FACTORY_APPLICATIONS_MAX);
    struct factory_application found[FACTORY_APPLICATIONS_MAX];
    size_t len = 0;
    for (bool row = true; len < FACTORY_APPLICATIONS_MAX; len++) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        TRY(column_dup(stmt, 0, arena, &found[len].name));
        TRY(column_dup(stmt, 1, arena, &found[len].version));
    }
    struct factory_application *copy = arena_take(arena, len * sizeof *copy + 1);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    memcpy(copy, found, len * sizeof *copy);
    package->applications = copy;
    package->applications_len = len;
    return ERR_OK;
}

static enum err read_aliases(struct store_conn *conn, struct arena *arena,
                             struct factory_package *package, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT alias FROM package_alias WHERE config_id = ? ORDER BY alias LIMIT ?",
                      &stmt, detail));
    bind_id(stmt, 1, package->config_id);
    store_bind_i64(stmt, 2, FACTORY_ALIASES_MAX);
    const char *found[FACTORY_ALIASES_MAX];
    size_t len = 0;
    for (bool row = true; len < FACTORY_ALIASES_MAX; len++) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        TRY(column_dup(stmt, 0, arena, &found[len]));
    }
    const char **copy = arena_take(arena, len * sizeof *copy + 1);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    memcpy(copy, found, len * sizeof *copy);
    package->aliases = copy;
    package->aliases_len = len;
    return ERR_OK;
}

static enum err find(struct store_conn *conn, uint64_t config_id, uint32_t revision,
                     struct arena *arena, struct factory_package *package,
                     struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      revision == 0
                          ? "SELECT " COLUMNS " FROM package WHERE newest = 1 AND config_id = ?"
                          : "SELECT " COLUMNS " FROM package WHERE config_id = ? AND revision = ?",
                      &stmt, detail));
    bind_id(stmt, 1, config_id);
    if (revision != 0)
        store_bind_i64(stmt, 2, revision);
    TRY(store_get_row(stmt, detail));
    TRY(read_package(stmt, arena, package));
    return arena_copy(arena, store_column_bytes(stmt, DESCRIPTION), &package->description);
}

static enum err unknown(uint64_t config_id, uint32_t revision, struct err_detail *detail)
{
    return revision == 0 ? err_set(detail, ERR_NOT_FOUND,
                                   "no package has configuration 0x%016" PRIx64, config_id)
                         : err_set(detail, ERR_NOT_FOUND,
                                   "configuration 0x%016" PRIx64 " has no revision %" PRIu32,
                                   config_id, revision);
}

enum err factory_package_get(struct factory *factory, uint64_t config_id, uint32_t revision,
                             struct arena *arena, struct factory_package *ret_package,
                             struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    struct factory_package package = {0};
    enum err err = find(read.conn, config_id, revision, arena, &package, detail);
    if (err == ERR_NOT_FOUND)
        return unknown(config_id, revision, detail);
    TRY(err);
    TRY(read_applications(read.conn, arena, &package, detail));
    TRY(read_aliases(read.conn, arena, &package, detail));
    *ret_package = package;
    return ERR_OK;
}

static enum err read_made(struct store_stmt *stmt, unsigned column, struct keeper_made *made,
                          struct err_detail *detail)
{
    struct bytes sealed = store_column_bytes(stmt, column + 1);
    if (sealed.len == 0 || sealed.len > sizeof made->sealed.data)
        return err_set(detail, ERR_CORRUPT, "table package: a sealed key of %zu bytes", sealed.len);
    column_copy(stmt, column, made->fingerprint, sizeof made->fingerprint);
    memcpy(made->sealed.data, sealed.data, sealed.len);
    made->sealed.len = (uint8_t)sealed.len;
    return ERR_OK;
}

enum err factory_package_keys(struct factory *factory, uint64_t config_id, uint32_t revision,
                              struct factory_gateway_keys *ret_keys, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      "SELECT network, realm, key_domain, key_epoch, gateway_version, "
                      "gateway_fingerprint, gateway_sealed, cdld_version, cdld_fingerprint, "
                      "cdld_sealed FROM package WHERE config_id = ? AND revision = ?",
                      &stmt, detail));
    bind_id(stmt, 1, config_id);
    store_bind_i64(stmt, 2, revision);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return unknown(config_id, revision, detail);
    TRY(err);
    struct factory_gateway_keys keys = {.domain = (uint32_t)store_column_i64(stmt, 2),
                                        .epoch = (uint32_t)store_column_i64(stmt, 3),
                                        .gateway_version = (uint32_t)store_column_i64(stmt, 4),
                                        .cdld_version = (uint32_t)store_column_i64(stmt, 7)};
    (void)snprintf(keys.network, sizeof keys.network, "%s", column_text(stmt, 0));
    (void)snprintf(keys.realm, sizeof keys.realm, "%s", column_text(stmt, 1));
    TRY(read_made(stmt, 5, &keys.gateway, detail));
    TRY(read_made(stmt, 8, &keys.cdld, detail));
    *ret_keys = keys;
    return ERR_OK;
}

/* Packages are hundreds at most, so a search reads them all. */
static bool has(const char *text, const char *query)
{
    size_t len = strlen(query);
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (i < len && text[i] != '\0' &&
               (text[i] | (text[i] >= 'A' && text[i] <= 'Z' ? 0x20 : 0)) ==
                   (query[i] | (query[i] >= 'A' && query[i] <= 'Z' ? 0x20 : 0)))
            i++;
        if (i == len)
            return true;
    }
    return len == 0;
}

static bool matches(const struct factory_package *package, const char *query)
{
    char id[24];
    (void)snprintf(id, sizeof id, "0x%016" PRIx64, package->config_id);
    bool found = has(id, query) || has(package->label, query) || has(package->node_type, query) ||
                 has(package->network, query) || has(package->comment, query) ||
                 has(package->node_version, query);
    for (size_t i = 0; !found && i < package->aliases_len; i++)
        found = has(package->aliases[i], query);
    for (size_t i = 0; !found && i < package->applications_len; i++)
        found = has(package->applications[i].name, query);
    return found;
}

enum err factory_package_list(struct factory *factory, const char *query, uint64_t from,
                              unsigned limit, struct arena *arena, factory_package_fn *each,
                              void *ctx, bool *ret_more, uint64_t *ret_next,
                              struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      "SELECT " COLUMNS
                      " FROM package WHERE newest = 1 AND config_id >= ? ORDER BY config_id",
                      &stmt, detail));
    bind_id(stmt, 1, from);
    for (unsigned given = 0;;) {
        bool row = false;
        TRY(store_step(stmt, &row, detail));
        if (!row) {
            *ret_more = false;
            return ERR_OK;
        }
        struct factory_package package = {0};
        TRY(read_package(stmt, arena, &package));
        TRY(read_applications(read.conn, arena, &package, detail));
        TRY(read_aliases(read.conn, arena, &package, detail));
        if (!matches(&package, query))
            continue;
        if (given++ == limit) {
            *ret_more = true;
            *ret_next = package.config_id;
            return ERR_OK;
        }
        TRY(each(ctx, &package));
    }
}

enum err factory_package_revisions(struct factory *factory, uint64_t config_id, struct arena *arena,
                                   factory_package_fn *each, void *ctx, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      "SELECT revision, imported, imported_by, comment FROM package "
                      "WHERE config_id = ? ORDER BY revision DESC LIMIT ?",
                      &stmt, detail));
    bind_id(stmt, 1, config_id);
    store_bind_i64(stmt, 2, FACTORY_PAGE_MAX);
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        struct factory_package package = {.config_id = config_id,
                                          .revision = (uint32_t)store_column_i64(stmt, 0),
                                          .imported = store_column_i64(stmt, 1)};
        TRY(column_dup(stmt, 2, arena, &package.imported_by));
        TRY(column_dup(stmt, 3, arena, &package.comment));
        TRY(each(ctx, &package));
    }
}

enum err factory_package_path(const struct factory *factory, uint64_t config_id, uint32_t revision,
                              const char *name, char to[FACTORY_PATH_MAX],
                              struct err_detail *detail)
{
    char folder[FACTORY_PATH_MAX];
    TRY(check_name("file", name, FACTORY_FILE_MAX, detail));
    TRY(revision_folder(factory, config_id, revision, folder));
    int len = snprintf(to, FACTORY_PATH_MAX, "%s/%s", folder, name);
    return len > 0 && len < FACTORY_PATH_MAX ? ERR_OK : err_set(detail, ERR_LIMIT, "path too long");
}

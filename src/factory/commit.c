#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "factory/staged.h"

/* A staged package becomes a revision: its folder gets its name, then its row is committed. Where
 * a crash comes between the two, the folder has no row, and the next start removes it. */

enum err package_last(struct store_conn *conn, uint64_t config_id, uint32_t *ret_revision,
                      struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT max(revision) FROM package WHERE config_id = ?", &stmt,
                      detail));
    bind_id(stmt, 1, config_id);
    TRY(store_get_row(stmt, detail));
    *ret_revision = (uint32_t)store_column_i64(stmt, 0);
    return ERR_OK;
}

struct commit {
    const struct factory_staged *staged;
    const char *actor;
    uint32_t revision;
    int64_t now;
};

static enum err age(struct store_conn *conn, uint64_t config_id, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "UPDATE package SET newest = 0 WHERE newest = 1 AND config_id = ?",
                      &stmt, detail));
    bind_id(stmt, 1, config_id);
    return store_exec_stmt(stmt, detail);
}

static void bind_package(struct store_stmt *stmt, const struct commit *commit)
{
    const struct factory_package *p = &commit->staged->package;
    bind_id(stmt, 1, p->config_id);
    store_bind_i64(stmt, 2, commit->revision);
    store_bind_text(stmt, 3, p->label);
    store_bind_text(stmt, 4, p->node_type);
    store_bind_text(stmt, 5, p->node_version);
    store_bind_text(stmt, 6, p->hardware);
    store_bind_text(stmt, 7, p->network);
    store_bind_text(stmt, 8, p->realm);
    store_bind_text(stmt, 9, p->comment);
    store_bind_i64(stmt, 10, p->created);
    store_bind_text(stmt, 11, p->packager);
    store_bind_bytes(stmt, 12, BYTES(p->sha256));
    store_bind_u64(stmt, 13, p->size);
    store_bind_i64(stmt, 14, commit->now);
    store_bind_text(stmt, 15, commit->actor);
    store_bind_text(stmt, 16, p->kms_file);
    store_bind_bytes(stmt, 17, BYTES(p->kms_fingerprint));
    store_bind_i64(stmt, 18, p->kms_bits);
}

static void bind_keys(struct store_stmt *stmt, const struct factory_gateway_keys *keys)
{
    store_bind_i64(stmt, 19, keys->domain);
    store_bind_i64(stmt, 20, keys->epoch);
    store_bind_i64(stmt, 21, keys->gateway_version);
    store_bind_bytes(stmt, 22, BYTES(keys->gateway.fingerprint));
    store_bind_bytes(stmt, 23, keeper_sealed_view(&keys->gateway.sealed));
    store_bind_i64(stmt, 24, keys->cdld_version);
    store_bind_bytes(stmt, 25, BYTES(keys->cdld.fingerprint));
    store_bind_bytes(stmt, 26, keeper_sealed_view(&keys->cdld.sealed));
}

static enum err insert(struct store_conn *conn, const struct commit *commit,
                       struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn,
        "INSERT INTO package (config_id, revision, newest, label, node_type, node_version, "
        "hardware, network, realm, comment, created, packager, sha256, size, imported, "
        "imported_by, kms_file, kms_fingerprint, kms_bits, key_domain, key_epoch, "
        "gateway_version, gateway_fingerprint, gateway_sealed, cdld_version, cdld_fingerprint, "
        "cdld_sealed, description) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &stmt, detail));
    bind_package(stmt, commit);
    bind_keys(stmt, &commit->staged->keys);
    store_bind_bytes(stmt, 27, commit->staged->package.description);
    return store_exec_stmt(stmt, detail);
}

static enum err insert_applications(struct store_conn *conn, const struct commit *commit,
                                    struct err_detail *detail)
{
    const struct factory_package *package = &commit->staged->package;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO package_application (config_id, revision, place, name, version) "
                      "VALUES (?, ?, ?, ?, ?)",
                      &stmt, detail));
    for (size_t i = 0; i < package->applications_len; i++) {
        bind_id(stmt, 1, package->config_id);
        store_bind_i64(stmt, 2, commit->revision);
        store_bind_i64(stmt, 3, (int64_t)i);
        store_bind_text(stmt, 4, package->applications[i].name);
        store_bind_text(stmt, 5, package->applications[i].version);
        TRY(store_exec_stmt(stmt, detail));
    }
    return ERR_OK;
}

static enum err commit_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct commit *commit = ctx;
    const struct factory_package *package = &commit->staged->package;
    TRY(age(conn, package->config_id, detail));
    TRY(insert(conn, commit, detail));
    TRY(insert_applications(conn, commit, detail));
    for (size_t i = 0; i < package->aliases_len; i++) {
        TRY(alias_check(conn, package->aliases[i], package->config_id, detail));
        TRY(alias_put(conn, commit->actor, package->aliases[i], package->config_id, commit->now,
                      detail));
    }
    return ERR_OK;
}

static enum err next_revision(struct factory *factory, uint64_t config_id, uint32_t *ret_revision,
                              struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    uint32_t last = 0;
    TRY(read_begin(factory, &read, detail));
    TRY(package_last(read.conn, config_id, &last, detail));
    *ret_revision = last + 1;
    return ERR_OK;
}

static enum err move(const char *from, const char *to, struct err_detail *detail)
{
    TRY(file_mkdirs_of(to, 0700, detail));
    (void)folder_remove(to);
    if (rename(from, to) != 0)
        return err_errno(detail, "%s", to);
    TRY(file_sync_dir_of(to, detail));
    return file_sync_dir_of(from, detail);
}

/* Under factory->commit. */
static enum err commit(struct factory *factory, struct commit *commit, struct err_detail *detail)
{
    char to[FACTORY_PATH_MAX];
    const struct factory_staged *staged = commit->staged;
    uint64_t config_id = staged->package.config_id;
    TRY(next_revision(factory, config_id, &commit->revision, detail));
    TRY(revision_folder(factory, config_id, commit->revision, to));
    TRY(move(staged->folder, to, detail));
    enum err err = store_run(factory->store, commit_fn, commit, detail);
    if (err != ERR_OK && rename(to, staged->folder) != 0)
        return err_set(detail, err, "can't take the package back; import it again");
    return err;
}

/* With the domain held: while it is out of the list a rotation of its key would not find it. */
static enum err commit_held(struct factory *factory, const struct fleet_call *call,
                            struct factory_staged *staged, uint32_t *ret_revision,
                            struct err_detail *detail)
{
    struct commit ctx = {.staged = staged, .actor = call->actor.name, .now = clock_now_s()};
    (void)pthread_mutex_lock(&factory->commit);
    enum err err = commit(factory, &ctx, detail);
    (void)pthread_mutex_unlock(&factory->commit);
    *ret_revision = ctx.revision;
    return err;
}

static enum err take_and_commit(struct factory *factory, const struct fleet_call *call,
                                uint64_t import, uint64_t *ret_config_id, uint32_t *ret_revision,
                                struct err_detail *detail)
{
    uint32_t revision = 0;
    struct factory_staged *staged = staged_take(factory, import);
    if (staged == NULL)
        return err_set(detail, ERR_NOT_FOUND, "no import %" PRIu64 " is waiting", import);
    enum err err = commit_held(factory, call, staged, &revision, detail);
    if (err != ERR_OK) {
        staged_put(factory, staged);
        return err;
    }
    *ret_config_id = staged->package.config_id;
    *ret_revision = revision;
    arena_free(staged->arena);
    free(staged);
    return ERR_OK;
}

enum err factory_stage_commit(struct factory *factory, const struct fleet_call *call,
                              uint64_t import, uint64_t *ret_config_id, uint32_t *ret_revision,
                              struct err_detail *detail)
{
    uint32_t domain = 0;
    TRY(factory_gateway_domain(factory, call, &domain, detail));
    TRY(vault_domain_hold(factory->vault, domain));
    enum err err = take_and_commit(factory, call, import, ret_config_id, ret_revision, detail);
    vault_domain_release(factory->vault, domain);
    return err;
}

/* ---- what a crash left ---- */

static enum err is_known(struct factory *factory, uint64_t config_id, uint32_t revision,
                         bool *ret_known, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn, "SELECT 1 FROM package WHERE config_id = ? AND revision = ?",
                      &stmt, detail));
    bind_id(stmt, 1, config_id);
    store_bind_i64(stmt, 2, revision);
    enum err err = store_get_row(stmt, detail);
    *ret_known = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void dir_closep(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

/* All of a name is digits of `base`, and fits. */
static bool is_number(const char *text, int base, uint64_t max, uint64_t *ret_number)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, base);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || *text == '+' || number > max)
        return false;
    *ret_number = number;
    return true;
}

static enum err clean_config(struct factory *factory, uint64_t config_id, const char *path,
                             struct err_detail *detail)
{
    AUTO(dir_closep) DIR *dir = opendir(path);
    if (dir == NULL)
        return err_errno(detail, "%s", path);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char below[2 * FACTORY_PATH_MAX];
        uint64_t revision = 0;
        bool known = true;
        if (!is_number(entry->d_name, 10, UINT32_MAX, &revision))
            continue; /* nothing of ours */
        TRY(is_known(factory, config_id, (uint32_t)revision, &known, detail));
        (void)snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (!known)
            (void)folder_remove(below);
    }
    (void)rmdir(path); /* where nothing is left in it */
    return ERR_OK;
}

enum err staging_clean(struct factory *factory, struct err_detail *detail)
{
    AUTO(dir_closep) DIR *dir = opendir(factory->directory);
    if (dir == NULL)
        return err_errno(detail, "%s", factory->directory);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[FACTORY_PATH_MAX + 280];
        uint64_t config_id = 0;
        (void)snprintf(path, sizeof path, "%s/%s", factory->directory, entry->d_name);
        if (strncmp(entry->d_name, STAGED_PREFIX, strlen(STAGED_PREFIX)) == 0)
            (void)folder_remove(path);
        else if (strncmp(entry->d_name, "0x", 2) == 0 &&
                 is_number(entry->d_name, 16, UINT64_MAX, &config_id))
            TRY(clean_config(factory, config_id, path, detail));
    }
    return ERR_OK;
}

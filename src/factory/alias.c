#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "factory/internal.h"

static enum err find(struct store_conn *conn, const char *alias, uint64_t *ret_config_id,
                     struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT config_id FROM package_alias WHERE alias = ?", &stmt, detail));
    store_bind_text(stmt, 1, alias);
    TRY(store_get_row(stmt, detail));
    *ret_config_id = column_id(stmt, 0);
    return ERR_OK;
}

enum err factory_alias_find(struct factory *factory, const char *alias, uint64_t *ret_config_id,
                            struct err_detail *detail)
{
    TRY(check_name("alias", alias, FACTORY_ALIAS_MAX, detail));
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    enum err err = find(read.conn, alias, ret_config_id, detail);
    return err == ERR_NOT_FOUND ? err_set(detail, err, "no configuration has the alias '%s'", alias)
                                : err;
}

enum err alias_check(struct store_conn *conn, const char *alias, uint64_t config_id,
                     struct err_detail *detail)
{
    uint64_t other = 0;
    enum err err = find(conn, alias, &other, detail);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    return other == config_id
               ? ERR_OK
               : err_set(detail, ERR_EXISTS, "alias '%s' belongs to configuration 0x%016" PRIx64,
                         alias, other);
}

enum err alias_put(struct store_conn *conn, const char *actor, const char *alias,
                   uint64_t config_id, int64_t now, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "REPLACE INTO package_alias (alias, config_id, changed, changed_by) "
                      "VALUES (?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_text(stmt, 1, alias);
    bind_id(stmt, 2, config_id);
    store_bind_i64(stmt, 3, now);
    store_bind_text(stmt, 4, actor);
    return store_exec_stmt(stmt, detail);
}

struct set {
    const char *actor, *alias;
    uint64_t config_id;
    bool replace;
};

static enum err is_package(struct store_conn *conn, uint64_t config_id, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT revision FROM package WHERE newest = 1 AND config_id = ?",
                      &stmt, detail));
    bind_id(stmt, 1, config_id);
    enum err err = store_get_row(stmt, detail);
    return err == ERR_NOT_FOUND
               ? err_set(detail, err, "no package has configuration 0x%016" PRIx64, config_id)
               : err;
}

static enum err set_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct set *set = ctx;
    TRY(is_package(conn, set->config_id, detail));
    if (!set->replace)
        TRY(alias_check(conn, set->alias, set->config_id, detail));
    return alias_put(conn, set->actor, set->alias, set->config_id, clock_now_s(), detail);
}

enum err factory_alias_set(struct factory *factory, const char *actor, const char *alias,
                           uint64_t config_id, bool replace, struct err_detail *detail)
{
    TRY(check_name("alias", alias, FACTORY_ALIAS_MAX, detail));
    struct set set = {actor, alias, config_id, replace};
    return store_run(factory->store, set_fn, &set, detail);
}

static enum err remove_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct set *set = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM package_alias WHERE alias = ?", &stmt, detail));
    store_bind_text(stmt, 1, set->alias);
    TRY(store_exec_stmt(stmt, detail));
    return store_changes(conn) > 0
               ? ERR_OK
               : err_set(detail, ERR_NOT_FOUND, "no configuration has the alias '%s'", set->alias);
}

enum err factory_alias_remove(struct factory *factory, const char *alias, struct err_detail *detail)
{
    TRY(check_name("alias", alias, FACTORY_ALIAS_MAX, detail));
    struct set set = {.alias = alias};
    return store_run(factory->store, remove_fn, &set, detail);
}

enum err factory_alias_list(struct factory *factory, factory_alias_fn *each, void *ctx,
                            struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      "SELECT alias, config_id, changed, changed_by FROM package_alias "
                      "ORDER BY alias",
                      &stmt, detail));
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        const struct factory_alias alias = {.alias = column_text(stmt, 0),
                                            .config_id = column_id(stmt, 1),
                                            .changed = store_column_i64(stmt, 2),
                                            .changed_by = column_text(stmt, 3)};
        TRY(each(ctx, &alias));
    }
}

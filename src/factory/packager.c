#include "factory/packager.h"

#include <stdio.h>

#include "base/clock.h"
#include "crypto/hash.h"
#include "factory/internal.h"
#include "factory/package_sign.h"

static enum err read_key(struct bytes pem, struct buf *spki, struct err_detail *detail)
{
    struct err_detail why = {0};
    enum err err = package_public_key(pem, spki, &why);
    if (err == ERR_OK && spki->len > FACTORY_PACKAGER_KEY_MAX)
        err = ERR_LIMIT;
    if (err == ERR_OK || err == ERR_NO_MEMORY)
        return err;
    return err_set(detail, ERR_ARGUMENT, "public_key: %.200s",
                   why.text[0] != 0 ? why.text : err_text(err));
}

struct add {
    const char *name, *actor;
    struct bytes spki, fingerprint;
};

/* Which of the two is known already. */
static enum err find_either(struct store_conn *conn, const struct add *add,
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT name FROM packager WHERE name = ? OR fingerprint = ?", &stmt,
                      detail));
    store_bind_text(stmt, 1, add->name);
    store_bind_bytes(stmt, 2, add->fingerprint);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    const char *known = column_text(stmt, 0);
    return strcmp(known, add->name) == 0
               ? err_set(detail, ERR_EXISTS, "packager '%s'", known)
               : err_set(detail, ERR_EXISTS, "this is the key of packager '%s'", known);
}

static enum err insert(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct add *add = ctx;
    TRY(find_either(conn, add, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO packager (name, public_key, fingerprint, created, created_by) "
                      "VALUES (?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_text(stmt, 1, add->name);
    store_bind_bytes(stmt, 2, add->spki);
    store_bind_bytes(stmt, 3, add->fingerprint);
    store_bind_i64(stmt, 4, clock_now_s());
    store_bind_text(stmt, 5, add->actor);
    return store_exec_stmt(stmt, detail);
}

enum err factory_packager_add(struct factory *factory, const char *actor, const char *name,
                              struct bytes pem, uint8_t ret_fingerprint[32],
                              struct err_detail *detail)
{
    AUTO(buf_done) struct buf spki = {0};
    uint8_t fingerprint[32];
    TRY(check_name("name", name, FACTORY_NAME_MAX, detail));
    TRY(read_key(pem, &spki, detail));
    const struct bytes view = buf_view(&spki);
    TRY(hash_sha256(&view, 1, fingerprint));
    struct add add = {name, actor, view, BYTES(fingerprint)};
    TRY(store_run(factory->store, insert, &add, detail));
    memcpy(ret_fingerprint, fingerprint, sizeof fingerprint);
    return ERR_OK;
}

static enum err delete (struct store_conn *conn, void *ctx, struct err_detail *detail) {
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM packager WHERE name = ?", &stmt, detail));
    store_bind_text(stmt, 1, ctx);
    TRY(store_exec_stmt(stmt, detail));
    return store_changes(conn) > 0
               ? ERR_OK
               : err_set(detail, ERR_NOT_FOUND, "packager '%s'", (const char *)ctx);
}

enum err factory_packager_remove(struct factory *factory, const char *name,
                                 struct err_detail *detail)
{
    char copy[FACTORY_NAME_MAX + 1];
    if (snprintf(copy, sizeof copy, "%s", name) >= (int)sizeof copy)
        return err_set(detail, ERR_NOT_FOUND, "no packager has such a long name");
    return store_run(factory->store, delete, copy, detail);
}

enum err factory_packager_each(struct factory *factory, factory_packager_fn *each, void *ctx,
                               struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      "SELECT name, public_key, fingerprint, created, created_by FROM packager "
                      "ORDER BY name",
                      &stmt, detail));
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        struct factory_packager packager = {.public_key = store_column_bytes(stmt, 1),
                                            .created = store_column_i64(stmt, 3)};
        (void)snprintf(packager.name, sizeof packager.name, "%s", column_text(stmt, 0));
        column_copy(stmt, 2, packager.fingerprint, sizeof packager.fingerprint);
        (void)snprintf(packager.created_by, sizeof packager.created_by, "%s", column_text(stmt, 4));
        TRY(each(ctx, &packager));
    }
}

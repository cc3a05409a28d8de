#include "vault/object_domain.h"
#include "vault/object_tx.h"
#include "vault/token_left.h"

#define SWEEP_MEMORY ((size_t)1024 * 1024) /* a record in the token has some 60 bytes */

/* The condition is that of the index object_token_left. */
static enum err read_left(struct store_conn *conn, uint64_t after, struct token_left *left,
                          struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, id, domain, epoch, uid, sealed FROM object WHERE id > ? AND "
                      "placement = 2 AND state >= 5 AND length(sealed) > 0 ORDER BY id LIMIT ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, after);
    store_bind_i64(stmt, 2, TOKEN_LEFT_ROWS);
    return token_left_rows(stmt, left, detail);
}

/* Only of what is destroyed: a row that was imported anew meanwhile keeps what it has. */
static enum err forget(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const uint64_t *id = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE object SET sealed = x'', version = version + 1 WHERE id = ? AND "
                      "placement = 2 AND state >= 5",
                      &stmt, detail));
    store_bind_u64(stmt, 1, *id);
    return store_exec_stmt(stmt, detail);
}

enum err vault_object_token_gone(struct vault_objects *objects, struct keeper_client *keeper,
                                 const char *actor, const struct keeper_object *object,
                                 struct err_detail *detail)
{
    uint64_t id = object->row.row;
    TRY(keeper_object_destroy(keeper, actor, object, detail));
    return store_run(objects->store, forget, &id, detail);
}

enum err vault_objects_token_sweep(struct vault_objects *objects, struct keeper_client *keeper,
                                   const char *actor, size_t *ret_count, struct err_detail *detail)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(SWEEP_MEMORY, &arena));
    struct token_left left = {.arena = arena};
    enum err first = ERR_OK;
    uint64_t after = 0;
    size_t gone = 0;
    do {
        TRY(token_left_look(objects, read_left, after, &left, detail));
        for (size_t i = 0; i < left.count; i++) {
            struct err_detail own = {0};
            enum err err = vault_object_token_gone(objects, keeper, actor, &left.keys[i], &own);
            after = left.ids[i];
            if (err == ERR_OK)
                gone++;
            if (err == ERR_OK || first != ERR_OK)
                continue;
            first = err;
            if (detail != NULL)
                *detail = own;
        }
    } while (left.count == TOKEN_LEFT_ROWS && first == ERR_OK);
    *ret_count = gone;
    return first;
}

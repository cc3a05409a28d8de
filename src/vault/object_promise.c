#include "base/clock.h"
#include "vault/object_domain.h"
#include "vault/object_row.h"
#include "vault/object_tx.h"
#include "vault/serial.h"
#include "vault/token_left.h"

/* Keys in the token that no object has yet, or has any more. */

#define SWEEP_MEMORY ((size_t)256 * 1024)

static enum err insert(struct store_conn *conn, const struct keeper_object *key, bool doomed,
                       uint64_t *ret_id, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(serial_take_in(conn, "promise", 1, ret_id, detail));
    TRY(store_prepare(conn,
                      "INSERT INTO token_promise (id, object, domain, epoch, doomed, uid, sealed) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_u64(stmt, 1, *ret_id);
    store_bind_u64(stmt, 2, key->row.row);
    store_bind_i64(stmt, 3, key->row.domain);
    store_bind_i64(stmt, 4, key->row.epoch);
    store_bind_i64(stmt, 5, doomed);
    store_bind_bytes(stmt, 6, key->name);
    store_bind_bytes(stmt, 7, key->sealed);
    return store_exec_stmt(stmt, detail);
}

static enum err delete (struct store_conn *conn, uint64_t id, struct err_detail *detail) {
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM token_promise WHERE id = ?", &stmt, detail));
    store_bind_u64(stmt, 1, id);
    return store_exec_stmt(stmt, detail);
}

enum err object_promises(struct store_conn *conn, const struct vault_object *object,
                         struct err_detail *detail)
{
    if (object->promise != 0)
        TRY(delete (conn, object->promise, detail));
    if (object->doomed.len == 0)
        return ERR_OK;
    const struct keeper_object key = {.row = {.domain = object->domain,
                                              .table = KEEPER_OBJECT,
                                              .row = object->id,
                                              .epoch = object->doomed_epoch},
                                      .sealed = object->doomed,
                                      .name = bytes_str(object->uid)};
    uint64_t id;
    return insert(conn, &key, true, &id, detail);
}

struct promise {
    const struct keeper_object *key;
    uint64_t id;
};

static enum err promise_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct promise *promise = ctx;
    return insert(conn, promise->key, false, &promise->id, detail);
}

enum err vault_token_promise(struct vault_objects *objects, const struct keeper_object *key,
                             uint64_t *ret_promise, struct err_detail *detail)
{
    struct promise promise = {.key = key};
    TRY(store_run(objects->store, promise_fn, &promise, detail));
    *ret_promise = promise.id;
    return ERR_OK;
}

static enum err end_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    return delete (conn, *(const uint64_t *)ctx, detail);
}

enum err vault_token_promise_end(struct vault_objects *objects, uint64_t promise,
                                 struct err_detail *detail)
{
    return store_run(objects->store, end_fn, &promise, detail);
}

/* ---- after a crash ---- */

enum err object_promises_begin(struct vault_objects *objects, struct err_detail *detail)
{
    /* those that are made from here on have higher numbers */
    return serial_take(objects->store, "promise", 1, &objects->promises, detail);
}

static enum err read_left(struct store_conn *conn, uint64_t after, struct token_left *left,
                          struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, object, domain, epoch, uid, sealed FROM token_promise WHERE id > "
                      "? AND (doomed = 1 OR id < ?) ORDER BY id LIMIT ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, after);
    store_bind_u64(stmt, 2, left->before);
    store_bind_i64(stmt, 3, TOKEN_LEFT_ROWS);
    return token_left_rows(stmt, left, detail);
}

enum err vault_token_promises_sweep(struct vault_objects *objects, struct keeper_client *keeper,
                                    const char *actor, size_t *ret_count, struct err_detail *detail)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(SWEEP_MEMORY, &arena));
    struct token_left left = {.arena = arena, .before = objects->promises};
    uint64_t after = 0;
    size_t gone = 0;
    do {
        TRY(token_left_look(objects, read_left, after, &left, detail));
        for (size_t i = 0; i < left.count; i++) {
            TRY(keeper_object_destroy(keeper, actor, &left.keys[i], detail));
            TRY(vault_token_promise_end(objects, left.ids[i], detail));
            after = left.ids[i];
            gone++;
        }
    } while (left.count == TOKEN_LEFT_ROWS);
    *ret_count = gone;
    return ERR_OK;
}

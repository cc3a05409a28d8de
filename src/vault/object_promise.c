#include "base/clock.h"
#include "vault/object_domain.h"
#include "vault/object_row.h"
#include "vault/object_tx.h"
#include "vault/serial.h"

/* Keys in the token that no object has yet, or has any more. */

#define ROWS         32
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

struct left {
    struct arena *arena;
    uint64_t before, ids[ROWS];
    struct keeper_object keys[ROWS];
    size_t count;
};

static enum err copy(struct arena *arena, struct bytes value, struct bytes *ret_copy)
{
    const char *to = arena_strndup(arena, value.data, value.len);
    if (to == NULL)
        return ERR_NO_MEMORY;
    *ret_copy = bytes_of(to, value.len);
    return ERR_OK;
}

static enum err read_left(struct store_conn *conn, uint64_t after, struct left *left,
                          struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, object, domain, epoch, uid, sealed FROM token_promise WHERE id > "
                      "? AND (doomed = 1 OR id < ?) ORDER BY id LIMIT ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, after);
    store_bind_u64(stmt, 2, left->before);
    store_bind_i64(stmt, 3, ROWS);
    for (left->count = 0; left->count < ROWS; left->count++) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        struct keeper_object *key = &left->keys[left->count];
        left->ids[left->count] = store_column_u64(stmt, 0);
        key->row = (struct keeper_row){.domain = (uint32_t)store_column_i64(stmt, 2),
                                       .table = KEEPER_OBJECT,
                                       .row = store_column_u64(stmt, 1),
                                       .epoch = (uint32_t)store_column_i64(stmt, 3)};
        TRY(copy(left->arena, store_column_bytes(stmt, 4), &key->name));
        TRY(copy(left->arena, store_column_bytes(stmt, 5), &key->sealed));
    }
    return ERR_OK;
}

static enum err look(struct vault_objects *objects, uint64_t after, struct left *left,
                     struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(objects->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err = read_left(store_reader_conn(reader), after, left, detail);
    store_reader_end(reader);
    return err;
}

enum err vault_token_promises_sweep(struct vault_objects *objects, struct keeper_client *keeper,
                                    const char *actor, size_t *ret_count, struct err_detail *detail)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(SWEEP_MEMORY, &arena));
    struct left left = {.arena = arena, .before = objects->promises};
    uint64_t after = 0;
    size_t gone = 0;
    do {
        arena_reset(arena);
        TRY(look(objects, after, &left, detail));
        for (size_t i = 0; i < left.count; i++) {
            TRY(keeper_object_destroy(keeper, actor, &left.keys[i], detail));
            TRY(vault_token_promise_end(objects, left.ids[i], detail));
            after = left.ids[i];
            gone++;
        }
    } while (left.count == ROWS);
    *ret_count = gone;
    return ERR_OK;
}

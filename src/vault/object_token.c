#include "vault/object_domain.h"
#include "vault/object_tx.h"

#define ROWS         32
#define SWEEP_MEMORY ((size_t)1024 * 1024) /* a record in the token has some 60 bytes */

/* What the token has still to forget. The condition is that of the index object_token_left. */

struct left {
    struct arena *arena;
    size_t count;
    struct keeper_object objects[ROWS];
};

static enum err copy(struct arena *arena, struct bytes value, struct bytes *ret_copy)
{
    uint8_t *to = arena_take(arena, value.len + 1);
    if (to == NULL)
        return ERR_NO_MEMORY;
    if (value.len != 0)
        memcpy(to, value.data, value.len);
    *ret_copy = bytes_of(to, value.len);
    return ERR_OK;
}

static enum err read_left(struct store_conn *conn, uint64_t after, struct left *left,
                          struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, domain, epoch, uid, sealed FROM object WHERE id > ? AND "
                      "placement = 2 AND state >= 5 AND length(sealed) > 0 ORDER BY id LIMIT ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, after);
    store_bind_i64(stmt, 2, ROWS);
    while (left->count < ROWS) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        struct keeper_object *object = &left->objects[left->count];
        object->row = (struct keeper_row){.domain = (uint32_t)store_column_i64(stmt, 1),
                                          .table = KEEPER_OBJECT,
                                          .row = store_column_u64(stmt, 0),
                                          .epoch = (uint32_t)store_column_i64(stmt, 2)};
        TRY(copy(left->arena, store_column_bytes(stmt, 3), &object->name));
        TRY(copy(left->arena, store_column_bytes(stmt, 4), &object->sealed));
        left->count++;
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
    struct left left = {.arena = arena};
    enum err first = ERR_OK;
    uint64_t after = 0;
    size_t gone = 0;
    do {
        arena_reset(arena);
        left.count = 0;
        TRY(look(objects, after, &left, detail));
        for (size_t i = 0; i < left.count; i++) {
            struct err_detail own = {0};
            enum err err = vault_object_token_gone(objects, keeper, actor, &left.objects[i], &own);
            after = left.objects[i].row.row;
            if (err == ERR_OK)
                gone++;
            if (err == ERR_OK || first != ERR_OK)
                continue;
            first = err;
            if (detail != NULL)
                *detail = own;
        }
    } while (left.count == ROWS && first == ERR_OK);
    *ret_count = gone;
    return first;
}

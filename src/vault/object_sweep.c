#include "vault/object_domain.h"
#include "vault/object_row.h"

/* Objects in one transaction: others wait for it. */
#define CHUNK 200

struct sweep {
    int64_t now;
    struct arena *arena;
    size_t count;
    uint64_t ids[CHUNK];
};

static enum err read_due(struct store_conn *conn, struct sweep *sweep, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT object FROM object_due WHERE due <= ? ORDER BY due LIMIT ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, sweep->now);
    store_bind_i64(stmt, 2, CHUNK);
    sweep->count = 0;
    while (sweep->count < CHUNK) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        sweep->ids[sweep->count++] = store_column_u64(stmt, 0);
    }
    return ERR_OK;
}

static enum err sweep_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct sweep *sweep = ctx;
    TRY(read_due(conn, sweep, detail));
    for (size_t i = 0; i < sweep->count; i++) {
        arena_reset(sweep->arena);
        TRY(object_transit(conn, sweep->ids[i], sweep->now, sweep->arena, detail));
    }
    return ERR_OK;
}

enum err vault_objects_sweep(struct vault_objects *objects, int64_t now, size_t *ret_count,
                             struct err_detail *detail)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(OBJECT_TX_MEMORY, &arena));
    struct sweep sweep = {.now = now, .arena = arena};
    size_t count = 0;
    do {
        TRY(store_run(objects->store, sweep_fn, &sweep, detail));
        count += sweep.count;
    } while (sweep.count == CHUNK);
    *ret_count = count;
    return ERR_OK;
}

#include "vault/object_deferred.h"

#include "vault/object_domain.h"
#include "vault/object_row.h"

struct run {
    struct vault_tx tx;
    vault_tx_fn *fn;
    void *ctx;
};

enum err tx_arena(struct vault_tx *tx, struct arena **ret_arena)
{
    if (tx->arena == NULL)
        TRY(arena_new(OBJECT_TX_MEMORY, &tx->arena));
    *ret_arena = tx->arena;
    return ERR_OK;
}

static enum err run_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct run *run = ctx;
    struct vault_tx *tx = &run->tx;
    tx->conn = conn;
    tx->stale = false;
    if (tx->arena != NULL)
        arena_reset(tx->arena);
    if (tx->deferred != NULL)
        tx->deferred->staged = (struct object_changes){NULL, NULL};
    return run->fn(tx, run->ctx, detail);
}

enum err vault_objects_run(struct vault_objects *objects, struct vault_deferred *deferred,
                           const struct vault_eyes *eyes, vault_tx_fn *fn, void *ctx,
                           struct err_detail *detail)
{
    struct run run = {
        .tx = {.objects = objects, .eyes = eyes, .deferred = deferred}, .fn = fn, .ctx = ctx};
    enum err err = store_run(objects->store, run_fn, &run, detail);
    arena_free(run.tx.arena);
    /* in the store's own words a conflict is what is tried again */
    if (err == ERR_STATE && run.tx.stale)
        err = ERR_CONFLICT;
    if (deferred != NULL && err == ERR_OK)
        deferred_keep(deferred);
    else if (deferred != NULL)
        deferred->staged = (struct object_changes){NULL, NULL};
    return err;
}

enum err vault_tx_get(struct vault_tx *tx, struct bytes uid, struct vault_object *ret_object,
                      struct err_detail *detail)
{
    struct arena *arena;
    TRY(tx_arena(tx, &arena));
    if (tx->deferred != NULL)
        return deferred_get(tx->deferred, tx->conn, tx->eyes, uid, arena, ret_object, detail);
    return object_read(tx->conn, tx->eyes, uid, arena, ret_object, detail);
}

enum err vault_tx_insert(struct vault_tx *tx, const struct vault_object *object,
                         const struct vault_key *keys, size_t count, struct err_detail *detail)
{
    if (tx->deferred != NULL)
        return deferred_insert(tx, object, keys, count, detail);
    struct arena *arena;
    TRY(tx_arena(tx, &arena));
    enum err err = object_insert(tx->objects, tx->conn, object, keys, count, arena, detail);
    tx->stale = tx->stale || err == ERR_STATE;
    return err;
}

enum err vault_tx_update(struct vault_tx *tx, const struct vault_object *object,
                         const struct vault_key *keys, size_t count, struct err_detail *detail)
{
    if (!eyes_see(tx->eyes, object->group))
        return ERR_NOT_FOUND;
    if (tx->deferred != NULL)
        return deferred_update(tx, object, keys, count, detail);
    struct arena *arena;
    TRY(tx_arena(tx, &arena));
    enum err err = object_update(tx->objects, tx->conn, object, keys, count, arena, detail);
    tx->stale = tx->stale || err == ERR_STATE;
    return err;
}

enum err vault_tx_use(struct vault_tx *tx, uint64_t id, int64_t units, struct err_detail *detail)
{
    return tx->deferred != NULL ? deferred_use(tx, id, units, detail)
                                : object_use(tx->conn, id, units, detail);
}

struct use {
    uint64_t id;
    int64_t units;
};

static enum err use_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct use *use = ctx;
    return object_use(conn, use->id, use->units, detail);
}

enum err vault_object_use(struct vault_objects *objects, uint64_t id, int64_t units,
                          struct err_detail *detail)
{
    struct use use = {id, units};
    return store_run(objects->store, use_fn, &use, detail);
}

#pragma once

#include "vault/object_tx.h"

/* What a batch with Undo has changed so far, for the vault's own files. */

struct object_change {
    struct vault_object object;   /* as it shall be; version is that of the row in the store */
    const struct vault_key *keys; /* NULL: they stay */
    size_t count;
    bool insert;
    int64_t left; /* of its usage limits in the store when it was read; INT64_MAX: no limit */
    struct object_change *next;
};
struct object_usage {
    uint64_t id;
    int64_t units;
    struct object_usage *next;
};
/* Of the transaction that runs, where an object may be there several times, newest first; or of
 * those before it, where it is there once. */
struct object_changes {
    struct object_change *changes;
    struct object_usage *uses;
};
struct vault_deferred {
    struct vault_objects *objects;
    struct arena *arena;
    struct object_changes done;   /* of the transactions that went well */
    struct object_changes staged; /* of the one that runs */
};

struct vault_tx {
    struct vault_objects *objects;
    struct store_conn *conn;
    const struct vault_eyes *eyes;
    struct arena *arena;             /* made at its first use */
    struct vault_deferred *deferred; /* NULL: into the store at once */
    bool stale;                      /* an object was changed by somebody else */
};
MUST_CHECK enum err tx_arena(struct vault_tx *tx, struct arena **ret_arena);

/* As their namesakes in object_tx.h, for a tx that defers. */
MUST_CHECK enum err deferred_get(struct vault_deferred *deferred, struct store_conn *conn,
                                 const struct vault_eyes *eyes, struct bytes uid,
                                 struct arena *arena, struct vault_object *ret_object,
                                 struct err_detail *detail);
MUST_CHECK enum err deferred_insert(struct vault_tx *tx, const struct vault_object *object,
                                    const struct vault_key *keys, size_t count,
                                    struct err_detail *detail);
MUST_CHECK enum err deferred_update(struct vault_tx *tx, const struct vault_object *object,
                                    const struct vault_key *keys, size_t count,
                                    struct err_detail *detail);
MUST_CHECK enum err deferred_use(struct vault_tx *tx, uint64_t id, int64_t units,
                                 struct err_detail *detail);
/* The transaction went well: what it staged counts. */
void deferred_keep(struct vault_deferred *deferred);

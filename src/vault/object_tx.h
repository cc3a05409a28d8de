#pragma once

#include "vault/objects.h"

/* A part of vault/objects.h: changing. */

/* ---- changing: many objects, all or nothing ---- */

struct vault_tx;
/* Runs inside the transaction, possibly several times and on the writer's thread: no effect outside
 * the tx and its own results in `ctx`. An error undoes everything. */
typedef enum err vault_tx_fn(struct vault_tx *tx, void *ctx, struct err_detail *detail);
/* Durable on return. Pauses a fiber, blocks a thread. `deferred` (nullable): collect instead of
 * committing, for a batch whose items are undone together; see below. */
struct vault_deferred;
MUST_CHECK enum err vault_objects_run(struct vault_objects *objects,
                                      struct vault_deferred *deferred,
                                      const struct vault_eyes *eyes, vault_tx_fn *fn, void *ctx,
                                      struct err_detail *detail);
/* The object as the transaction sees it; its bytes live until fn returns. */
MUST_CHECK enum err vault_tx_get(struct vault_tx *tx, struct bytes uid,
                                 struct vault_object *ret_object, struct err_detail *detail);
/* A new one (its id, uid, group and owner filled in), with its index entries. ERR_EXISTS for a uid.
 */
MUST_CHECK enum err vault_tx_insert(struct vault_tx *tx, const struct vault_object *object,
                                    const struct vault_key *keys, size_t count,
                                    struct err_detail *detail);
/* Write back one that vault_tx_get gave, with its index entries; keys NULL: they stay as they are
 * but for that of State. Raises `version`. A sealed record that is no longer there is overwritten
 * before it goes. usage_left is what the object says. */
MUST_CHECK enum err vault_tx_update(struct vault_tx *tx, const struct vault_object *object,
                                    const struct vault_key *keys, size_t count,
                                    struct err_detail *detail);
/* Take `units` of what is left of the usage limits; ERR_LIMIT where less is left, ERR_OK where the
 * object has no limit. Not a change of the row: `version` stays. */
MUST_CHECK enum err vault_tx_use(struct vault_tx *tx, uint64_t id, int64_t units,
                                 struct err_detail *detail);

/* A batch with the option Undo: its changes are kept here, seen by vault_deferred_get and
 * later transactions of the same batch, and become one transaction at the end. ERR_CONFLICT from
 * commit where an object was changed by somebody else meanwhile. */
MUST_CHECK enum err vault_deferred_new(struct vault_objects *objects, struct arena *arena,
                                       struct vault_deferred **ret_deferred);
MUST_CHECK enum err vault_deferred_get(struct vault_deferred *deferred, struct store_conn *conn,
                                       const struct vault_eyes *eyes, struct bytes uid,
                                       struct arena *arena, struct vault_object *ret_object,
                                       struct err_detail *detail);
MUST_CHECK enum err vault_deferred_commit(struct vault_deferred *deferred,
                                          struct err_detail *detail);
/* Forget. Objects that were made in the token are destroyed by the caller. */
void vault_deferred_drop(struct vault_deferred *deferred);

/* One take of usage as a transaction of its own. Durable on return; pauses or blocks. */
MUST_CHECK enum err vault_object_use(struct vault_objects *objects, uint64_t id, int64_t units,
                                     struct err_detail *detail);

/* Gives every object whose activation or deactivation is past `now` its state, in the row and in
 * the index. Durable on return; pauses or blocks. For a timer; cheap where nothing is due. */
MUST_CHECK enum err vault_objects_sweep(struct vault_objects *objects, int64_t now,
                                        size_t *ret_count, struct err_detail *detail);

/* The key of an object that is destroyed goes from the token too, and then what says where it was.
 * Until that is through the row keeps `sealed`. Durable on return; pauses or blocks. */
MUST_CHECK enum err vault_object_token_gone(struct vault_objects *objects,
                                            struct keeper_client *keeper, const char *actor,
                                            const struct keeper_object *object,
                                            struct err_detail *detail);
/* The same for all that a crash or an absent token left. For a timer; cheap where nothing is left.
 * The first error is given, after every object of its page was tried. */
MUST_CHECK enum err vault_objects_token_sweep(struct vault_objects *objects,
                                              struct keeper_client *keeper, const char *actor,
                                              size_t *ret_count, struct err_detail *detail);

/* A key that is about to be made in the token, by what keeper_object_reserve gave: durable before
 * it is made. It ends with the commit of the object whose `promise` it is, or with _end, where the
 * key is not there; after a crash the key is destroyed at the next start. Pauses or blocks. */
MUST_CHECK enum err vault_token_promise(struct vault_objects *objects,
                                        const struct keeper_object *key, uint64_t *ret_promise,
                                        struct err_detail *detail);
MUST_CHECK enum err vault_token_promise_end(struct vault_objects *objects, uint64_t promise,
                                            struct err_detail *detail);
/* Destroys what an earlier run promised and did not keep, and what is doomed. For a timer; stops at
 * the first error. */
MUST_CHECK enum err vault_token_promises_sweep(struct vault_objects *objects,
                                               struct keeper_client *keeper, const char *actor,
                                               size_t *ret_count, struct err_detail *detail);

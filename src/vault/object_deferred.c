#include "vault/object_deferred.h"

#include "vault/object_domain.h"
#include "vault/object_row.h"

enum err vault_deferred_new(struct vault_objects *objects, struct arena *arena,
                            struct vault_deferred **ret_deferred)
{
    struct vault_deferred *deferred = arena_take(arena, sizeof(*deferred));
    if (deferred == NULL)
        return ERR_NO_MEMORY;
    deferred->objects = objects;
    deferred->arena = arena;
    *ret_deferred = deferred;
    return ERR_OK;
}

static struct object_change *find_in(struct object_change *changes, struct bytes uid)
{
    for (struct object_change *at = changes; at != NULL; at = at->next)
        if (bytes_equal(bytes_str(at->object.uid), uid))
            return at;
    return NULL;
}

static struct object_change *find(struct vault_deferred *deferred, struct bytes uid)
{
    struct object_change *change = find_in(deferred->staged.changes, uid);
    return change != NULL ? change : find_in(deferred->done.changes, uid);
}

static int64_t used(const struct vault_deferred *deferred, uint64_t id)
{
    int64_t sum = 0;
    const struct object_usage *const lists[] = {deferred->staged.uses, deferred->done.uses};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (const struct object_usage *use = lists[i]; use != NULL; use = use->next)
            if (use->id == id)
                sum += use->units;
    return sum;
}

static enum err copy_bytes(struct arena *arena, struct bytes *bytes)
{
    uint8_t *copy = arena_take(arena, bytes->len + 1);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (bytes->len > 0)
        memcpy(copy, bytes->data, bytes->len);
    bytes->data = copy;
    return ERR_OK;
}

static enum err copy_object(struct arena *arena, struct vault_object *object)
{
    TRY(copy_bytes(arena, &object->sealed));
    TRY(copy_bytes(arena, &object->value));
    TRY(copy_bytes(arena, &object->doomed));
    return copy_bytes(arena, &object->attributes);
}

enum err deferred_get(struct vault_deferred *deferred, struct store_conn *conn,
                      const struct vault_eyes *eyes, struct bytes uid, struct arena *arena,
                      struct vault_object *ret_object, struct err_detail *detail)
{
    struct vault_object object;
    const struct object_change *change = find(deferred, uid);
    if (change == NULL) {
        TRY(object_read(conn, eyes, uid, arena, &object, detail));
    } else {
        if (!eyes_see(eyes, change->object.group))
            return ERR_NOT_FOUND;
        object = change->object;
        TRY(copy_object(arena, &object));
    }
    if (object.usage_total >= 0)
        object.usage_left -= used(deferred, object.id);
    *ret_object = object;
    return ERR_OK;
}

static enum err copy_keys(struct arena *arena, struct object_change *change,
                          const struct vault_key *keys, size_t count)
{
    if (count > VAULT_KEYS_MAX)
        return ERR_LIMIT;
    struct vault_key *copy = arena_take(arena, (count + 1) * sizeof(*copy));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (count > 0 && keys != NULL)
        memcpy(copy, keys, count * sizeof(*copy));
    change->keys = copy;
    change->count = count;
    return ERR_OK;
}

static enum err stage(struct vault_tx *tx, const struct vault_object *object,
                      const struct vault_key *keys, size_t count, bool insert, int64_t left)
{
    struct vault_deferred *deferred = tx->deferred;
    const struct object_change *last = find(deferred, bytes_str(object->uid));
    struct object_change *change = arena_take(deferred->arena, sizeof(*change));
    if (change == NULL)
        return ERR_NO_MEMORY;
    change->object = *object;
    change->insert = insert || (last != NULL && last->insert);
    change->left = last != NULL ? last->left : left;
    TRY(copy_object(deferred->arena, &change->object));
    if (keys != NULL || insert) {
        TRY(copy_keys(deferred->arena, change, keys, count));
    } else if (last != NULL) {
        change->keys = last->keys;
        change->count = last->count;
    }
    /* what is left is counted from what the store has, less what this batch took */
    if (change->object.usage_total >= 0)
        change->object.usage_left += used(deferred, object->id);
    change->next = deferred->staged.changes;
    deferred->staged.changes = change;
    return ERR_OK;
}

enum err deferred_insert(struct vault_tx *tx, const struct vault_object *object,
                         const struct vault_key *keys, size_t count, struct err_detail *detail)
{
    struct vault_object there;
    struct arena *arena;
    struct bytes uid = bytes_str(object->uid);
    TRY(tx_arena(tx, &arena));
    if (find(tx->deferred, uid) != NULL)
        return ERR_EXISTS;
    enum err err = object_read(tx->conn, NULL, uid, arena, &there, detail);
    if (err == ERR_OK)
        return ERR_EXISTS;
    if (err != ERR_NOT_FOUND)
        return err;
    return stage(tx, object, keys, count, true, INT64_MAX);
}

enum err deferred_update(struct vault_tx *tx, const struct vault_object *object,
                         const struct vault_key *keys, size_t count, struct err_detail *detail)
{
    struct vault_object now;
    struct arena *arena;
    TRY(tx_arena(tx, &arena));
    enum err err =
        deferred_get(tx->deferred, tx->conn, tx->eyes, bytes_str(object->uid), arena, &now, detail);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && now.version != object->version)) {
        tx->stale = true;
        return ERR_STATE;
    }
    TRY(err);
    int64_t left = now.usage_total >= 0 ? now.usage_left + used(tx->deferred, now.id) : INT64_MAX;
    return stage(tx, object, keys, count, false, left);
}

enum err deferred_use(struct vault_tx *tx, uint64_t id, int64_t units, struct err_detail *detail)
{
    struct vault_deferred *deferred = tx->deferred;
    if (units < 0)
        return ERR_ARGUMENT;
    struct object_usage *use = arena_take(deferred->arena, sizeof(*use));
    if (use == NULL)
        return ERR_NO_MEMORY;
    int64_t before = used(deferred, id);
    int64_t left = INT64_MAX;
    const struct object_change *change = deferred->staged.changes;
    while (change != NULL && change->object.id != id)
        change = change->next;
    for (const struct object_change *at = deferred->done.changes; change == NULL && at != NULL;
         at = at->next)
        if (at->object.id == id)
            change = at;
    if (change != NULL)
        left = change->object.usage_total >= 0 ? change->object.usage_left : INT64_MAX;
    else
        TRY(object_left(tx->conn, id, &left, detail));
    if (left != INT64_MAX && (before > left || units > left - before))
        return err_set(detail, ERR_LIMIT, "%lld units are left of its usage limits",
                       (long long)(left - before));
    *use = (struct object_usage){.id = id, .units = units, .next = deferred->staged.uses};
    deferred->staged.uses = use;
    return ERR_OK;
}

static void keep_change(struct vault_deferred *deferred, struct object_change *change)
{
    struct bytes uid = bytes_str(change->object.uid);
    struct object_change *last = find_in(deferred->done.changes, uid);
    if (last == NULL) {
        change->next = deferred->done.changes;
        deferred->done.changes = change;
        return;
    }
    struct object_change *next = last->next;
    *last = *change;
    last->next = next;
}

void deferred_keep(struct vault_deferred *deferred)
{
    /* newest first: of several changes of one object only the first counts */
    struct object_change *oldest_first = NULL;
    for (struct object_change *at = deferred->staged.changes, *next; at != NULL; at = next) {
        next = at->next;
        at->next = oldest_first;
        oldest_first = at;
    }
    for (struct object_change *at = oldest_first, *next; at != NULL; at = next) {
        next = at->next;
        keep_change(deferred, at);
    }
    for (struct object_usage *at = deferred->staged.uses, *next; at != NULL; at = next) {
        next = at->next;
        at->next = deferred->done.uses;
        deferred->done.uses = at;
    }
    deferred->staged = (struct object_changes){NULL, NULL};
}

enum err vault_deferred_get(struct vault_deferred *deferred, struct store_conn *conn,
                            const struct vault_eyes *eyes, struct bytes uid, struct arena *arena,
                            struct vault_object *ret_object, struct err_detail *detail)
{
    return deferred_get(deferred, conn, eyes, uid, arena, ret_object, detail);
}

struct commit {
    const struct vault_deferred *deferred;
    struct arena *arena;
    bool stale;
};

static enum err commit_change(struct store_conn *conn, struct commit *commit,
                              const struct object_change *change, struct err_detail *detail)
{
    const struct vault_objects *objects = commit->deferred->objects;
    if (change->insert)
        return object_insert(objects, conn, &change->object, change->keys, change->count,
                             commit->arena, detail);
    int64_t left;
    TRY(object_left(conn, change->object.id, &left, detail));
    if (left != change->left)
        return err_set(detail, ERR_STATE, "object %s was used meanwhile", change->object.uid);
    return object_update(objects, conn, &change->object, change->keys, change->count, commit->arena,
                         detail);
}

static enum err commit_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct commit *commit = ctx;
    const struct object_changes *done = &commit->deferred->done;
    commit->stale = false;
    arena_reset(commit->arena);
    for (const struct object_change *at = done->changes; at != NULL; at = at->next) {
        enum err err = commit_change(conn, commit, at, detail);
        commit->stale = err == ERR_STATE;
        TRY(err);
    }
    for (const struct object_usage *at = done->uses; at != NULL; at = at->next)
        TRY(object_use(conn, at->id, at->units, detail));
    return ERR_OK;
}

enum err vault_deferred_commit(struct vault_deferred *deferred, struct err_detail *detail)
{
    if (deferred->done.changes == NULL && deferred->done.uses == NULL)
        return ERR_OK;
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(OBJECT_TX_MEMORY, &arena));
    struct commit commit = {.deferred = deferred, .arena = arena};
    enum err err = store_run(deferred->objects->store, commit_fn, &commit, detail);
    if (err == ERR_STATE && commit.stale)
        err = ERR_CONFLICT;
    if (err == ERR_OK)
        vault_deferred_drop(deferred);
    return err;
}

void vault_deferred_drop(struct vault_deferred *deferred)
{
    deferred->staged = (struct object_changes){NULL, NULL};
    deferred->done = (struct object_changes){NULL, NULL};
}

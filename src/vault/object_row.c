#include "vault/object_row.h"

#include <inttypes.h>

#include "vault/object_domain.h"
#include "vault/state.h"

/* The columns of a row in the order of `enum column`; the statements below are made of them. */
#define NUMBERS                                                                                    \
    "type, state, grp, owner, placement, alg, bits, mask, domain, epoch, version, archived, "      \
    "usage_total, usage_unit"
#define DATES                                                                                      \
    "initial, activation, process_start, protect_stop, deactivation, destroyed, compromised, "     \
    "compromise_occurred, archive_date, last_change, original_created"
#define BLOBS "sealed, value, attributes"

enum column {
    C_ID,
    C_TYPE,
    C_STATE,
    C_GROUP,
    C_OWNER,
    C_PLACEMENT,
    C_ALG,
    C_BITS,
    C_MASK,
    C_DOMAIN,
    C_EPOCH,
    C_VERSION,
    C_ARCHIVED,
    C_USAGE_TOTAL,
    C_USAGE_UNIT,
    C_INITIAL,
    C_ACTIVATION,
    C_PROCESS_START,
    C_PROTECT_STOP,
    C_DEACTIVATION,
    C_DESTROYED,
    C_COMPROMISED,
    C_COMPROMISE_OCCURRED,
    C_ARCHIVE_DATE,
    C_LAST_CHANGE,
    C_ORIGINAL_CREATED,
    C_SEALED,
    C_VALUE,
    C_ATTRIBUTES,
};

bool eyes_see(const struct vault_eyes *eyes, uint32_t group)
{
    if (eyes == NULL)
        return true;
    for (unsigned i = 0; i < eyes->count && i < VAULT_GROUPS_MAX; i++)
        if (eyes->groups[i] == group)
            return true;
    return false;
}

static int64_t date(struct store_stmt *stmt, enum column column)
{
    return store_column_null(stmt, column) ? VAULT_NO_DATE : store_column_i64(stmt, column);
}

static uint32_t number(struct store_stmt *stmt, enum column column)
{
    return (uint32_t)store_column_i64(stmt, column);
}

static void read_columns(struct store_stmt *stmt, struct vault_object *object)
{
    object->id = store_column_u64(stmt, C_ID);
    object->type = number(stmt, C_TYPE);
    object->state = number(stmt, C_STATE);
    object->group = number(stmt, C_GROUP);
    object->owner = store_column_u64(stmt, C_OWNER);
    object->placement = number(stmt, C_PLACEMENT);
    object->alg = number(stmt, C_ALG);
    object->bits = number(stmt, C_BITS);
    object->mask = number(stmt, C_MASK);
    object->domain = number(stmt, C_DOMAIN);
    object->epoch = number(stmt, C_EPOCH);
    object->version = number(stmt, C_VERSION);
    object->archived = store_column_i64(stmt, C_ARCHIVED) != 0;
    object->usage_total = store_column_i64(stmt, C_USAGE_TOTAL);
    object->usage_left = object->usage_total;
    object->usage_unit = number(stmt, C_USAGE_UNIT);
    object->promise = 0;
    object->doomed = (struct bytes){0};
    object->doomed_epoch = 0;
    object->initial = date(stmt, C_INITIAL);
    object->activation = date(stmt, C_ACTIVATION);
    object->process_start = date(stmt, C_PROCESS_START);
    object->protect_stop = date(stmt, C_PROTECT_STOP);
    object->deactivation = date(stmt, C_DEACTIVATION);
    object->destroyed = date(stmt, C_DESTROYED);
    object->compromised = date(stmt, C_COMPROMISED);
    object->compromise_occurred = date(stmt, C_COMPROMISE_OCCURRED);
    object->archive_date = date(stmt, C_ARCHIVE_DATE);
    object->last_change = date(stmt, C_LAST_CHANGE);
    object->original_created = date(stmt, C_ORIGINAL_CREATED);
}

static enum err copy_blobs(struct store_stmt *stmt, struct arena *arena,
                           struct vault_object *object)
{
    struct bytes from[3] = {store_column_bytes(stmt, C_SEALED), store_column_bytes(stmt, C_VALUE),
                            store_column_bytes(stmt, C_ATTRIBUTES)};
    struct bytes *const to[3] = {&object->sealed, &object->value, &object->attributes};
    uint8_t *room = arena_take(arena, from[0].len + from[1].len + from[2].len + 1);
    if (room == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        if (from[i].len > 0)
            memcpy(room, from[i].data, from[i].len);
        *to[i] = bytes_of(room, from[i].len);
        room += from[i].len;
    }
    return ERR_OK;
}

static enum err read_usage(struct store_conn *conn, struct vault_object *object,
                           struct err_detail *detail)
{
    TRY(object_left(conn, object->id, &object->usage_left, detail));
    return object->usage_left != INT64_MAX
               ? ERR_OK
               : err_set(detail, ERR_CORRUPT, "object %" PRIu64 ": its usage is not counted",
                         object->id);
}

enum err object_read(struct store_conn *conn, const struct vault_eyes *eyes, struct bytes uid,
                     struct arena *arena, struct vault_object *ret_object,
                     struct err_detail *detail)
{
    struct vault_object object;
    if (uid.len == 0 || uid.len > VAULT_UID_MAX || memchr(uid.data, '\0', uid.len) != NULL)
        return ERR_NOT_FOUND;
    memcpy(object.uid, uid.data, uid.len);
    object.uid[uid.len] = '\0';
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, " NUMBERS ", " DATES ", " BLOBS " FROM object WHERE uid = ?",
                      &stmt, detail));
    store_bind_text(stmt, 1, object.uid);
    TRY(store_get_row(stmt, detail));
    if (!eyes_see(eyes, number(stmt, C_GROUP)))
        return ERR_NOT_FOUND;
    read_columns(stmt, &object);
    TRY(copy_blobs(stmt, arena, &object));
    if (object.usage_total >= 0)
        TRY(read_usage(conn, &object, detail));
    *ret_object = object;
    return ERR_OK;
}

static void bind_date(struct store_stmt *stmt, unsigned *index, int64_t when)
{
    if (when == VAULT_NO_DATE)
        store_bind_null(stmt, (*index)++);
    else
        store_bind_i64(stmt, (*index)++, when);
}

/* Everything but id, uid and entries, in the order of NUMBERS, DATES, BLOBS. */
static void bind_columns(struct store_stmt *stmt, unsigned at, const struct vault_object *object,
                         uint32_t version)
{
    const int64_t numbers[] = {object->type,           object->state,     object->group,
                               (int64_t)object->owner, object->placement, object->alg,
                               object->bits,           object->mask,      object->domain,
                               object->epoch,          version,           object->archived,
                               object->usage_total,    object->usage_unit};
    const int64_t dates[] = {
        object->initial,      object->activation,          object->process_start,
        object->protect_stop, object->deactivation,        object->destroyed,
        object->compromised,  object->compromise_occurred, object->archive_date,
        object->last_change,  object->original_created};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        store_bind_i64(stmt, at++, numbers[i]);
    for (size_t i = 0; i < ARRAY_LEN(dates); i++)
        bind_date(stmt, &at, dates[i]);
    store_bind_bytes(stmt, at++, object->sealed);
    store_bind_bytes(stmt, at++, object->value);
    store_bind_bytes(stmt, at, object->attributes);
}

static enum err check_limits(const struct vault_object *object, struct err_detail *detail)
{
    if (object->sealed.len > KEEPER_OBJECT_SEALED_MAX ||
        object->value.len > VAULT_OBJECT_BLOB_MAX || object->attributes.len > VAULT_OBJECT_BLOB_MAX)
        return err_set(detail, ERR_LIMIT, "object of %zu, %zu and %zu bytes", object->sealed.len,
                       object->value.len, object->attributes.len);
    if (object->id == 0 || object->id > INT64_MAX || object->uid[0] == '\0' || object->group == 0)
        return err_set(detail, ERR_ARGUMENT, "object without number, identifier or group");
    return ERR_OK;
}

static enum err key_statement(struct store_conn *conn, const char *sql, uint32_t group,
                              const struct vault_key *key, uint64_t id, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, sql, &stmt, detail));
    store_bind_i64(stmt, 1, group);
    store_bind_i64(stmt, 2, key->attribute);
    store_bind_bytes(stmt, 3, bytes_of(key->value, key->len));
    store_bind_u64(stmt, 4, id);
    return store_exec_stmt(stmt, detail);
}

static enum err key_insert(struct store_conn *conn, uint32_t group, const struct vault_key *key,
                           uint64_t id, struct err_detail *detail)
{
    return key_statement(
        conn, "INSERT INTO object_key (grp, attribute, value, object) VALUES (?, ?, ?, ?)", group,
        key, id, detail);
}

static enum err key_delete(struct store_conn *conn, uint32_t group, const struct vault_key *key,
                           uint64_t id, struct err_detail *detail)
{
    return key_statement(
        conn, "DELETE FROM object_key WHERE grp = ? AND attribute = ? AND value = ? AND object = ?",
        group, key, id, detail);
}

/* Both lists are sorted: what is in one of them only is taken out or put in. */
static enum err change_keys(struct store_conn *conn, uint64_t id, uint32_t group_before,
                            const struct key_list *before, uint32_t group_after,
                            const struct key_list *after, struct err_detail *detail)
{
    size_t b = 0, a = 0;
    while (b < before->count || a < after->count) {
        int order = b == before->count  ? 1
                    : a == after->count ? -1
                                        : key_compare(&before->keys[b], &after->keys[a]);
        if (order == 0 && group_before == group_after) {
            b++, a++;
            continue;
        }
        if (order <= 0)
            TRY(key_delete(conn, group_before, &before->keys[b++], id, detail));
        if (order >= 0)
            TRY(key_insert(conn, group_after, &after->keys[a++], id, detail));
    }
    return ERR_OK;
}

int64_t object_due(uint32_t state, int64_t activation, int64_t deactivation)
{
    if (state == VAULT_PRE_ACTIVE)
        return activation;
    return state == VAULT_ACTIVE ? deactivation : VAULT_NO_DATE;
}

static enum err change_due(struct store_conn *conn, uint64_t id, int64_t before, int64_t after,
                           struct err_detail *detail)
{
    static const char *const statements[] = {"DELETE FROM object_due WHERE due = ? AND object = ?",
                                             "INSERT INTO object_due (due, object) VALUES (?, ?)"};
    const int64_t due[] = {before, after};
    if (before == after)
        return ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        if (due[i] == VAULT_NO_DATE)
            continue;
        AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
        TRY(store_prepare(conn, statements[i], &stmt, detail));
        store_bind_i64(stmt, 1, due[i]);
        store_bind_u64(stmt, 2, id);
        TRY(store_exec_stmt(stmt, detail));
    }
    return ERR_OK;
}

static enum err write_usage(struct store_conn *conn, const struct vault_object *object,
                            bool counted, struct err_detail *detail)
{
    if (object->usage_total < 0 && !counted)
        return ERR_OK;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    if (object->usage_total < 0) {
        TRY(store_prepare(conn, "DELETE FROM object_usage WHERE object = ?", &stmt, detail));
    } else {
        TRY(store_prepare(conn, "REPLACE INTO object_usage (object, remaining) VALUES (?, ?)",
                          &stmt, detail));
        store_bind_i64(stmt, 2, object->usage_left);
    }
    store_bind_u64(stmt, 1, object->id);
    return store_exec_stmt(stmt, detail);
}

static enum err check_floor(const struct vault_objects *objects, const struct vault_object *object,
                            struct err_detail *detail)
{
    if (object->domain != objects->domain || object->sealed.len < 3 ||
        be16_load(object->sealed.data + 1) >= atomic_load(&objects->floor))
        return ERR_OK;
    return err_set(detail, ERR_STATE, "object %s was sealed before the last rotation", object->uid);
}

enum err object_insert(const struct vault_objects *objects, struct store_conn *conn,
                       const struct vault_object *object, const struct vault_key *keys,
                       size_t count, struct arena *arena, struct err_detail *detail)
{
    TRY(check_limits(object, detail));
    TRY(check_floor(objects, object, detail));
    struct key_list list;
    struct bytes entries;
    TRY(key_list_make(keys, count, object->state, arena, &list));
    TRY(key_list_encode(&list, arena, &entries));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO object (id, uid, entries, " NUMBERS ", " DATES ", " BLOBS
                      ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_u64(stmt, 1, object->id);
    store_bind_text(stmt, 2, object->uid);
    store_bind_bytes(stmt, 3, entries);
    bind_columns(stmt, 4, object, 1);
    TRY(store_exec_stmt(stmt, detail));
    TRY(object_promises(conn, object, detail));
    for (size_t i = 0; i < list.count; i++)
        TRY(key_insert(conn, object->group, &list.keys[i], object->id, detail));
    TRY(write_usage(conn, object, false, detail));
    return change_due(conn, object->id, VAULT_NO_DATE,
                      object_due(object->state, object->activation, object->deactivation), detail);
}

struct before {
    uint32_t group;
    int64_t due;
    bool counted;
    size_t sealed_len;
    bool same_sealed;
    struct key_list list;
};

static enum err read_before(struct store_conn *conn, const struct vault_object *object,
                            struct arena *arena, struct before *ret_before,
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT version, grp, state, activation, deactivation, usage_total, entries, "
                      "length(sealed), sealed = ? FROM object WHERE id = ?",
                      &stmt, detail));
    store_bind_bytes(stmt, 1, object->sealed);
    store_bind_u64(stmt, 2, object->id);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, ERR_STATE, "object %s is not there any more", object->uid);
    TRY(err);
    if (store_column_i64(stmt, 0) != object->version)
        return err_set(detail, ERR_STATE, "object %s was changed meanwhile", object->uid);
    *ret_before = (struct before){
        .group = (uint32_t)store_column_i64(stmt, 1),
        .due = object_due((uint32_t)store_column_i64(stmt, 2), date(stmt, 3), date(stmt, 4)),
        .counted = store_column_i64(stmt, 5) >= 0,
        .sealed_len = (size_t)store_column_i64(stmt, 7),
        .same_sealed = store_column_i64(stmt, 8) != 0,
    };
    return key_list_decode(store_column_bytes(stmt, 6), arena, &ret_before->list);
}

/* Deleting alone leaves the sealed key in a free part of the file. */
static enum err overwrite_sealed(struct store_conn *conn, uint64_t id, size_t len,
                                 struct err_detail *detail)
{
    static const uint8_t zeros[KEEPER_OBJECT_SEALED_MAX];
    if (len > sizeof(zeros))
        return ERR_CORRUPT;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "UPDATE object SET sealed = ? WHERE id = ?", &stmt, detail));
    store_bind_bytes(stmt, 1, bytes_of(zeros, len));
    store_bind_u64(stmt, 2, id);
    return store_exec_stmt(stmt, detail);
}

enum err object_update(const struct vault_objects *objects, struct store_conn *conn,
                       const struct vault_object *object, const struct vault_key *keys,
                       size_t count, struct arena *arena, struct err_detail *detail)
{
    TRY(check_limits(object, detail));
    struct before before;
    TRY(read_before(conn, object, arena, &before, detail));
    if (!before.same_sealed)
        TRY(check_floor(objects, object, detail));
    struct key_list after;
    struct bytes entries;
    if (keys == NULL) {
        keys = before.list.keys;
        count = before.list.count;
    }
    TRY(key_list_make(keys, count, object->state, arena, &after));
    TRY(key_list_encode(&after, arena, &entries));
    if (before.sealed_len > 0 && object->sealed.len == 0)
        TRY(overwrite_sealed(conn, object->id, before.sealed_len, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE object SET entries = ?, type = ?, state = ?, grp = ?, owner = "
                      "?, placement = ?, alg = ?, bits = ?, mask = ?, domain = ?, epoch = ?, "
                      "version = ?, archived = ?, usage_total = ?, usage_unit = ?, initial = "
                      "?, activation = ?, process_start = ?, protect_stop = ?, deactivation = "
                      "?, destroyed = ?, compromised = ?, compromise_occurred = ?, "
                      "archive_date = ?, last_change = ?, original_created = ?, sealed = ?, "
                      "value = ?, attributes = ? WHERE id = ?",
                      &stmt, detail));
    store_bind_bytes(stmt, 1, entries);
    bind_columns(stmt, 2, object, object->version + 1);
    store_bind_u64(stmt, 30, object->id);
    TRY(store_exec_stmt(stmt, detail));
    TRY(object_promises(conn, object, detail));
    TRY(change_keys(conn, object->id, before.group, &before.list, object->group, &after, detail));
    TRY(write_usage(conn, object, before.counted, detail));
    return change_due(conn, object->id, before.due,
                      object_due(object->state, object->activation, object->deactivation), detail);
}

enum err object_left(struct store_conn *conn, uint64_t id, int64_t *ret_left,
                     struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT remaining FROM object_usage WHERE object = ?", &stmt, detail));
    store_bind_u64(stmt, 1, id);
    enum err err = store_get_row(stmt, detail);
    if (err != ERR_NOT_FOUND)
        TRY(err);
    *ret_left = err == ERR_OK ? store_column_i64(stmt, 0) : INT64_MAX;
    return ERR_OK;
}

enum err object_use(struct store_conn *conn, uint64_t id, int64_t units, struct err_detail *detail)
{
    if (units < 0)
        return ERR_ARGUMENT;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE object_usage SET remaining = remaining - ? WHERE object = ? AND "
                      "remaining >= ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, units);
    store_bind_u64(stmt, 2, id);
    store_bind_i64(stmt, 3, units);
    TRY(store_exec_stmt(stmt, detail));
    if (store_changes(conn) > 0)
        return ERR_OK;
    int64_t left;
    TRY(object_left(conn, id, &left, detail));
    return left == INT64_MAX
               ? ERR_OK
               : err_set(detail, ERR_LIMIT, "%" PRId64 " units are left of its usage limits", left);
}

static enum err write_state(struct store_conn *conn, uint64_t id, uint32_t state,
                            struct bytes entries, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn, "UPDATE object SET state = ?, entries = ?, version = version + 1 WHERE id = ?", &stmt,
        detail));
    store_bind_i64(stmt, 1, state);
    store_bind_bytes(stmt, 2, entries);
    store_bind_u64(stmt, 3, id);
    return store_exec_stmt(stmt, detail);
}

enum err object_transit(struct store_conn *conn, uint64_t id, int64_t now, struct arena *arena,
                        struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn, "SELECT grp, state, activation, deactivation, entries FROM object WHERE id = ?",
        &stmt, detail));
    store_bind_u64(stmt, 1, id);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, ERR_CORRUPT, "table object_due: object %" PRIu64, id);
    TRY(err);
    uint32_t group = (uint32_t)store_column_i64(stmt, 0);
    struct vault_object object = {.state = (uint32_t)store_column_i64(stmt, 1),
                                  .activation = date(stmt, 2),
                                  .deactivation = date(stmt, 3)};
    uint32_t state = vault_object_state(&object, now);
    struct key_list before, after;
    struct bytes entries;
    TRY(key_list_decode(store_column_bytes(stmt, 4), arena, &before));
    TRY(key_list_make(before.keys, before.count, state, arena, &after));
    TRY(key_list_encode(&after, arena, &entries));
    store_reset(stmt);
    TRY(write_state(conn, id, state, entries, detail));
    TRY(change_keys(conn, id, group, &before, group, &after, detail));
    return change_due(conn, id, object_due(object.state, object.activation, object.deactivation),
                      object_due(state, object.activation, object.deactivation), detail);
}

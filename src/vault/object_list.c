#include "vault/object_list.h"

#include <stdio.h>
#include <stdlib.h>

#include "vault/domains.h"
#include "vault/object_domain.h"
#include "vault/object_row.h"
#include "vault/state.h"

/* A list has one driver, which gives candidates newest first: what a search finds, where that is
 * little; else the filter with the fewest objects; else the table itself. Each candidate is then
 * compared with all of the filters. */

#define SEARCH_MAX 4096  /* hits of a search that are gathered */
#define COUNT_MAX  65536 /* objects above which one filter is as good as another */
#define CHUNK      256   /* candidates that are taken from the index at once */
#define STATES     8     /* State has the values 0 (none) to 6; one more for what may come */

#define COLUMNS                                                                                    \
    "id, uid, type, state, grp, placement, alg, bits, archived, initial, activation, "             \
    "deactivation, last_change, entries"
enum column {
    C_ID,
    C_UID,
    C_TYPE,
    C_STATE,
    C_GROUP,
    C_PLACEMENT,
    C_ALG,
    C_BITS,
    C_ARCHIVED,
    C_INITIAL,
    C_ACTIVATION,
    C_DEACTIVATION,
    C_LAST_CHANGE,
    C_ENTRIES,
};

struct lister {
    struct store_conn *conn;
    const struct vault_list *list;
    int64_t now;
    vault_listed_fn *each;
    void *ctx;
    struct err_detail *detail;
    uint32_t *groups;
    size_t groups_len;
    uint64_t *ids; /* of a search */
    size_t ids_len;
    uint64_t below;
    unsigned found, looked;
    bool end;
    uint64_t next;
};

/* ---- a candidate ---- */

static bool holds_one(const struct vault_term *terms, size_t len, uint32_t attribute,
                      struct bytes value)
{
    for (size_t i = 0; i < len; i++)
        if (terms[i].key.attribute == attribute && term_holds(&terms[i], value))
            return true;
    return false;
}

/* All terms, and the search, in one walk over the object's entries. */
static bool entries_match(const struct vault_list *list, bool searched, struct bytes entries)
{
    uint32_t open = (1u << list->terms_len) - 1;
    struct reader reader = reader_of(entries);
    uint32_t attribute;
    struct bytes value;
    while ((open != 0 || !searched) && vault_key_read(&reader, &attribute, &value)) {
        for (size_t i = 0; i < list->terms_len; i++)
            if (holds_one(&list->terms[i], 1, attribute, value))
                open &= ~(1u << i);
        searched = searched || holds_one(list->search, list->search_len, attribute, value);
    }
    return open == 0 && searched;
}

static bool matches(const struct vault_list *list, struct store_stmt *stmt)
{
    if ((list->group != 0 && store_column_i64(stmt, C_GROUP) != list->group) ||
        (list->placement != 0 && store_column_i64(stmt, C_PLACEMENT) != list->placement))
        return false;
    const char *uid = store_column_text(stmt, C_UID);
    bool searched = list->uid == NULL || strncmp(uid, list->uid, strlen(list->uid)) == 0;
    return entries_match(list, searched, store_column_bytes(stmt, C_ENTRIES));
}

static int64_t date(struct store_stmt *stmt, enum column column)
{
    return store_column_null(stmt, column) ? VAULT_NO_DATE : store_column_i64(stmt, column);
}

static uint32_t number(struct store_stmt *stmt, enum column column)
{
    return (uint32_t)store_column_i64(stmt, column);
}

static enum err give(struct lister *l, struct store_stmt *stmt)
{
    struct vault_listed row = {
        .id = store_column_u64(stmt, C_ID),
        .type = number(stmt, C_TYPE),
        .group = number(stmt, C_GROUP),
        .placement = number(stmt, C_PLACEMENT),
        .alg = number(stmt, C_ALG),
        .bits = number(stmt, C_BITS),
        .archived = store_column_i64(stmt, C_ARCHIVED) != 0,
        .initial = date(stmt, C_INITIAL),
        .activation = date(stmt, C_ACTIVATION),
        .deactivation = date(stmt, C_DEACTIVATION),
        .last_change = date(stmt, C_LAST_CHANGE),
        .entries = store_column_bytes(stmt, C_ENTRIES),
    };
    const struct vault_object dated = {.state = number(stmt, C_STATE),
                                       .activation = row.activation,
                                       .deactivation = row.deactivation};
    row.state = vault_object_state(&dated, l->now);
    (void)snprintf(row.uid, sizeof row.uid, "%s", store_column_text(stmt, C_UID));
    l->found++;
    return l->each(l->ctx, &row);
}

static enum err take(struct lister *l, struct store_stmt *stmt)
{
    uint64_t id = store_column_u64(stmt, C_ID);
    if (matches(l->list, stmt)) {
        if (l->found == l->list->limit) {
            l->next = id + 1;
            l->end = true;
            return ERR_OK;
        }
        TRY(give(l, stmt));
    }
    if (++l->looked >= (l->list->effort != 0 ? l->list->effort : VAULT_LIST_EFFORT)) {
        l->next = id;
        l->end = true;
    }
    return ERR_OK;
}

static enum err take_ids(struct lister *l, const uint64_t *ids, size_t len)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(l->conn, "SELECT " COLUMNS " FROM object WHERE id = ?", &stmt, l->detail));
    for (size_t i = 0; i < len && !l->end; i++) {
        if (ids[i] >= l->below || (i > 0 && ids[i] == ids[i - 1]))
            continue;
        store_reset(stmt);
        store_bind_u64(stmt, 1, ids[i]);
        enum err err = store_get_row(stmt, l->detail);
        if (err == ERR_NOT_FOUND)
            return err_set(l->detail, ERR_CORRUPT,
                           "table object_key names an object that is not there");
        TRY(err);
        TRY(take(l, stmt));
    }
    return ERR_OK;
}

static int falling(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* ---- groups ---- */

/* Those that have objects, whether or not a client is in them. */
static enum err read_groups(struct lister *l)
{
    size_t cap = 0;
    int64_t last = 0;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(l->conn, "SELECT grp FROM object_key WHERE grp > ? ORDER BY grp LIMIT 1",
                      &stmt, l->detail));
    for (;;) {
        if (l->groups_len == cap) {
            cap = cap != 0 ? cap * 2 : 16;
            uint32_t *groups = reallocarray(l->groups, cap, sizeof *groups);
            if (groups == NULL)
                return ERR_NO_MEMORY;
            l->groups = groups;
        }
        if (l->list->group != 0) {
            l->groups[l->groups_len++] = l->list->group;
            return ERR_OK;
        }
        store_reset(stmt);
        store_bind_i64(stmt, 1, last);
        enum err err = store_get_row(stmt, l->detail);
        if (err == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(err);
        last = store_column_i64(stmt, 0);
        l->groups[l->groups_len++] = (uint32_t)last;
    }
}

/* ---- a search ---- */

/* Rows of `stmt` to the ids; false in `ret_all` where they are too many. */
static enum err gather(struct lister *l, struct store_stmt *stmt, bool *ret_all)
{
    bool row = true;
    while (*ret_all) {
        TRY(store_step(stmt, &row, l->detail));
        if (!row)
            return ERR_OK;
        *ret_all = l->ids_len < SEARCH_MAX;
        if (*ret_all)
            l->ids[l->ids_len++] = store_column_u64(stmt, 0);
    }
    return ERR_OK;
}

static enum err gather_uids(struct lister *l, bool *ret_all)
{
    char end[VAULT_UID_MAX + 2];
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    if (strlen(l->list->uid) > VAULT_UID_MAX)
        return ERR_OK;
    /* no text has this byte */
    (void)snprintf(end, sizeof end, "%s\xff", l->list->uid);
    TRY(store_prepare(l->conn, "SELECT id FROM object WHERE uid >= ? AND uid < ?", &stmt,
                      l->detail));
    store_bind_text(stmt, 1, l->list->uid);
    store_bind_text(stmt, 2, end);
    return gather(l, stmt, ret_all);
}

static enum err gather_term(struct lister *l, const struct vault_term *term, uint32_t group,
                            bool *ret_all)
{
    struct vault_key end = term->key;
    const char *sql = "SELECT object FROM object_key WHERE grp = ? AND attribute = ? AND "
                      "value >= ? AND value <= ?";
    if (term->compare == VAULT_PREFIX && key_after_prefix(&term->key, &end))
        sql = "SELECT object FROM object_key WHERE grp = ? AND attribute = ? AND "
              "value >= ? AND value < ?";
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(l->conn, sql, &stmt, l->detail));
    store_bind_i64(stmt, 1, group);
    store_bind_i64(stmt, 2, term->key.attribute);
    store_bind_bytes(stmt, 3, bytes_of(term->key.value, term->key.len));
    store_bind_bytes(stmt, 4, bytes_of(end.value, end.len));
    return gather(l, stmt, ret_all);
}

/* All that it finds, newest first; false in `ret_all`: too much to be sorted. */
static enum err search(struct lister *l, bool *ret_all)
{
    l->ids = calloc(SEARCH_MAX, sizeof *l->ids);
    if (l->ids == NULL)
        return ERR_NO_MEMORY;
    TRY(gather_uids(l, ret_all));
    for (size_t g = 0; g < l->groups_len && *ret_all; g++)
        for (size_t i = 0; i < l->list->search_len && *ret_all; i++)
            TRY(gather_term(l, &l->list->search[i], l->groups[g], ret_all));
    if (!*ret_all)
        return ERR_OK;
    qsort(l->ids, l->ids_len, sizeof *l->ids, falling);
    return take_ids(l, l->ids, l->ids_len);
}

/* ---- a filter that the index knows ---- */

/* The newest CHUNK below `below` of all ranges of one filter: ranges that have nothing so new give
 * nothing. */
struct newest {
    uint64_t ids[2 * CHUNK];
    size_t len;
    uint64_t below, floor;
};

static enum err add_range(struct lister *l, uint32_t group, const struct vault_key *key,
                          struct newest *n)
{
    bool row = true;
    size_t before = n->len;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(l->conn,
                      "SELECT object FROM object_key WHERE grp = ? AND attribute = ? AND "
                      "value = ? AND object < ? AND object > ? ORDER BY object DESC LIMIT ?",
                      &stmt, l->detail));
    store_bind_i64(stmt, 1, group);
    store_bind_i64(stmt, 2, key->attribute);
    store_bind_bytes(stmt, 3, bytes_of(key->value, key->len));
    store_bind_u64(stmt, 4, n->below);
    store_bind_u64(stmt, 5, n->floor);
    store_bind_i64(stmt, 6, CHUNK);
    for (;;) {
        TRY(store_step(stmt, &row, l->detail));
        if (!row)
            break;
        n->ids[n->len++] = store_column_u64(stmt, 0);
    }
    if (n->len == before)
        return ERR_OK;
    qsort(n->ids, n->len, sizeof n->ids[0], falling);
    if (n->len >= CHUNK) {
        n->len = CHUNK;
        n->floor = n->ids[CHUNK - 1];
    }
    return ERR_OK;
}

/* `key` NULL: all objects, as every one has an entry of State. */
static enum err add_ranges(struct lister *l, const struct vault_key *key, struct newest *n)
{
    for (size_t g = 0; g < l->groups_len; g++) {
        if (key != NULL)
            TRY(add_range(l, l->groups[g], key, n));
        for (int64_t state = 0; key == NULL && state < STATES; state++) {
            struct vault_key one = vault_key_number(VAULT_KEY_STATE, state);
            TRY(add_range(l, l->groups[g], &one, n));
        }
    }
    return ERR_OK;
}

static enum err walk_index(struct lister *l, const struct vault_key *key)
{
    uint64_t below = l->below;
    while (!l->end) {
        struct newest n = {.below = below};
        TRY(add_ranges(l, key, &n));
        TRY(take_ids(l, n.ids, n.len));
        if (n.len < CHUNK)
            return ERR_OK;
        below = n.ids[n.len - 1];
    }
    return ERR_OK;
}

/* ---- the table ---- */

static enum err walk_table(struct lister *l, bool in_token)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(l->conn,
                      in_token ? "SELECT " COLUMNS " FROM object WHERE placement = 2 AND id < ? "
                                 "ORDER BY id DESC"
                               : "SELECT " COLUMNS " FROM object WHERE id < ? ORDER BY id DESC",
                      &stmt, l->detail));
    store_bind_u64(stmt, 1, l->below);
    while (!l->end) {
        bool row = true;
        TRY(store_step(stmt, &row, l->detail));
        if (!row)
            return ERR_OK;
        TRY(take(l, stmt));
    }
    return ERR_OK;
}

/* ---- which of them ---- */

static enum err count_key(struct lister *l, const struct vault_key *key, uint64_t *ret_count)
{
    uint64_t count = 0;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(l->conn,
                      "SELECT count(*) FROM (SELECT 1 FROM object_key WHERE grp = ? AND "
                      "attribute = ? AND value = ? LIMIT ?)",
                      &stmt, l->detail));
    for (size_t g = 0; g < l->groups_len && count < COUNT_MAX; g++) {
        store_reset(stmt);
        store_bind_i64(stmt, 1, l->groups[g]);
        store_bind_i64(stmt, 2, key->attribute);
        store_bind_bytes(stmt, 3, bytes_of(key->value, key->len));
        store_bind_i64(stmt, 4, COUNT_MAX);
        TRY(store_get_row(stmt, l->detail));
        count += store_column_u64(stmt, 0);
    }
    *ret_count = count;
    return ERR_OK;
}

static enum err count_in_token(struct lister *l, uint64_t *ret_count)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(l->conn,
                      "SELECT count(*) FROM (SELECT 1 FROM object WHERE placement = 2 LIMIT ?)",
                      &stmt, l->detail));
    store_bind_i64(stmt, 1, COUNT_MAX);
    TRY(store_get_row(stmt, l->detail));
    *ret_count = store_column_u64(stmt, 0);
    return ERR_OK;
}

static enum err walk(struct lister *l)
{
    const struct vault_list *list = l->list;
    const struct vault_key *best = NULL;
    uint64_t fewest = UINT64_MAX, count = 0;
    bool in_token = list->placement == VAULT_IN_TOKEN;
    for (size_t i = 0; i < list->terms_len; i++) {
        if (list->terms_len > 1 || in_token)
            TRY(count_key(l, &list->terms[i].key, &count));
        if (count < fewest) {
            fewest = count;
            best = &list->terms[i].key;
        }
    }
    if (in_token && best != NULL)
        TRY(count_in_token(l, &count));
    if (in_token && (best == NULL || count < fewest))
        return walk_table(l, true);
    return best == NULL && list->group == 0 ? walk_table(l, false) : walk_index(l, best);
}

static enum err run(struct lister *l)
{
    bool all = true;
    TRY(read_groups(l));
    if (l->list->uid != NULL) {
        TRY(search(l, &all));
        if (all)
            return ERR_OK;
    }
    return walk(l);
}

enum err vault_object_list(struct store_conn *conn, const struct vault_list *list, int64_t now,
                           vault_listed_fn *each, void *ctx, uint64_t *ret_next,
                           struct err_detail *detail)
{
    if (list->terms_len > VAULT_LIST_TERMS_MAX || list->search_len > VAULT_LIST_TERMS_MAX)
        return err_set(detail, ERR_LIMIT, "%zu filters", list->terms_len);
    struct lister l = {
        .conn = conn,
        .list = list,
        .now = now,
        .each = each,
        .ctx = ctx,
        .detail = detail,
        .below = list->below > 0 && list->below < INT64_MAX ? list->below : INT64_MAX,
    };
    enum err err = run(&l);
    free(l.groups);
    free(l.ids);
    TRY(err);
    *ret_next = l.next;
    return ERR_OK;
}

/* ---- one, and how many ---- */

enum err vault_object_look(struct store_conn *conn, struct bytes uid, struct arena *arena,
                           struct vault_object *ret_object, struct err_detail *detail)
{
    struct vault_object object;
    TRY(object_read(conn, NULL, uid, arena, &object, detail));
    object.sealed = (struct bytes){0};
    *ret_object = object;
    return ERR_OK;
}

bool vault_object_was_served(struct vault *vault, uint64_t id, bool *ret_served)
{
    pthread_mutex_lock(&vault->mutex);
    bool known = vault->objects != NULL;
    if (known)
        *ret_served = vault_served_is(vault->objects->served, id);
    pthread_mutex_unlock(&vault->mutex);
    return known;
}

static enum err count_group(struct lister *l, uint32_t attribute, uint32_t group,
                            vault_count_fn *each)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(l->conn,
                      "SELECT value, count(*) FROM object_key WHERE grp = ? AND attribute = ? "
                      "GROUP BY value",
                      &stmt, l->detail));
    store_bind_i64(stmt, 1, group);
    store_bind_i64(stmt, 2, attribute);
    for (;;) {
        bool row = true;
        TRY(store_step(stmt, &row, l->detail));
        if (!row)
            return ERR_OK;
        struct bytes value = store_column_bytes(stmt, 0);
        if (value.len == 8)
            TRY(each(l->ctx, group, (int64_t)(be64_load(value.data) ^ (uint64_t)1 << 63),
                     store_column_u64(stmt, 1)));
    }
}

enum err vault_object_count(struct store_conn *conn, uint32_t attribute, vault_count_fn *each,
                            void *ctx, struct err_detail *detail)
{
    const struct vault_list all = {0};
    struct lister l = {.conn = conn, .list = &all, .ctx = ctx, .detail = detail};
    enum err err = read_groups(&l);
    for (size_t g = 0; g < l.groups_len && err == ERR_OK; g++)
        err = count_group(&l, attribute, l.groups[g], each);
    free(l.groups);
    return err;
}

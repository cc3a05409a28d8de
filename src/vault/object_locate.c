#include "vault/object_row.h"

#include <stdlib.h>

#include "base/workers.h"
#include "vault/object_list.h"
#include "vault/state.h"

/* Locate reads one term's rows of the index, the driver's, newest first, and looks at each
 * candidate's own entries for the other terms. Which term drives: the first whose rows are few.
 * Where all have many, the newest rows of one are tried, which answers a question for few objects
 * that many match; then a larger number counts as few; and at last all rows of one are looked at.
 */

#define FEW_ROWS  256
#define MANY_ROWS 65536
#define TRY_ROWS  4096

struct locate {
    struct store_conn *conn;
    const struct vault_eyes *eyes;
    const struct vault_query *query;
    struct arena *arena;
    struct err_detail *detail;
    struct store_stmt *row; /* of candidates */
    uint64_t *ids;          /* candidates of a driver with few rows */
    size_t ids_len, ids_cap;
    struct vault_located *found;
    size_t found_len, found_cap;
    size_t matched; /* those before the offset, too */
    size_t wanted;  /* matches after which nobody looks on */
    size_t looked;  /* candidates */
    int64_t below;
};

static void locate_done(struct locate *locate)
{
    store_stmt_free(locate->row);
    free(locate->ids);
}

static enum err add_id(struct locate *locate, uint64_t id)
{
    if (locate->ids_len == locate->ids_cap) {
        size_t cap = locate->ids_cap > 0 ? locate->ids_cap * 4 : FEW_ROWS;
        uint64_t *ids = reallocarray(locate->ids, cap, sizeof(*ids));
        if (ids == NULL)
            return ERR_NO_MEMORY;
        locate->ids = ids;
        locate->ids_cap = cap;
    }
    locate->ids[locate->ids_len++] = id;
    return ERR_OK;
}

/* ---- one term ---- */

/* The statement borrows `term` and `end`, which is filled here. */
static enum err prepare_term(struct locate *locate, const struct vault_term *term,
                             struct vault_key *end, uint32_t group, size_t limit,
                             struct store_stmt **ret_stmt)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    bool ranged = term->compare == VAULT_RANGE ||
                  (term->compare == VAULT_PREFIX && key_after_prefix(&term->key, end));
    if (term->compare == VAULT_RANGE)
        *end = term->to;
    const char *sql = "SELECT object FROM object_key WHERE grp = ? AND attribute = ? AND "
                      "value >= ? LIMIT ?";
    if (term->compare == VAULT_EQUAL)
        sql = "SELECT object FROM object_key WHERE grp = ? AND attribute = ? AND value = ? "
              "AND object < ? ORDER BY object DESC LIMIT ?";
    else if (term->compare == VAULT_RANGE)
        sql = "SELECT object FROM object_key WHERE grp = ? AND attribute = ? AND "
              "value >= ? AND value <= ? LIMIT ?";
    else if (ranged)
        sql = "SELECT object FROM object_key WHERE grp = ? AND attribute = ? AND "
              "value >= ? AND value < ? LIMIT ?";
    TRY(store_prepare(locate->conn, sql, &stmt, locate->detail));
    unsigned at = 1;
    store_bind_i64(stmt, at++, group);
    store_bind_i64(stmt, at++, term->key.attribute);
    store_bind_bytes(stmt, at++, bytes_of(term->key.value, term->key.len));
    if (ranged)
        store_bind_bytes(stmt, at++, bytes_of(end->value, end->len));
    if (term->compare == VAULT_EQUAL)
        store_bind_i64(stmt, at++, locate->below);
    store_bind_i64(stmt, at, (int64_t)limit);
    *ret_stmt = TAKE(stmt);
    return ERR_OK;
}

/* ---- candidates ---- */

static bool storage_wanted(const struct vault_query *query, int64_t state, bool archived)
{
    if (state == VAULT_DESTROYED || state == VAULT_DESTROYED_COMPROMISED)
        return query->destroyed;
    return archived ? query->archived : query->online;
}

/* All terms in one walk over the object's entries. */
static bool entries_match(const struct vault_query *query, struct bytes entries)
{
    uint64_t open = query->count < 64 ? ((uint64_t)1 << query->count) - 1 : UINT64_MAX;
    struct reader reader = reader_of(entries);
    uint32_t attribute;
    struct bytes value;
    while (open != 0 && vault_key_read(&reader, &attribute, &value))
        for (size_t i = 0; i < query->count; i++)
            if (query->terms[i].key.attribute == attribute && term_holds(&query->terms[i], value))
                open &= ~((uint64_t)1 << i);
    return open == 0;
}

static enum err add_found(struct locate *locate, uint64_t id, const char *uid)
{
    if (locate->found_len == locate->found_cap) {
        size_t cap = locate->found_cap > 0 ? locate->found_cap * 4 : 16;
        struct vault_located *found = arena_take(locate->arena, cap * sizeof(*found));
        if (found == NULL)
            return ERR_NO_MEMORY;
        if (locate->found_len > 0)
            memcpy(found, locate->found, locate->found_len * sizeof(*found));
        locate->found = found;
        locate->found_cap = cap;
    }
    const char *copy = arena_strndup(locate->arena, uid, strlen(uid));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    locate->found[locate->found_len++] = (struct vault_located){id, copy};
    return ERR_OK;
}

static enum err look_at(struct locate *locate, uint64_t id)
{
    const struct vault_query *query = locate->query;
    if ((int64_t)id >= locate->below)
        return ERR_OK;
    if (query->effort > 0 && ++locate->looked > query->effort)
        return err_set(locate->detail, ERR_BUSY, "a search through many objects");
    store_reset(locate->row);
    store_bind_u64(locate->row, 1, id);
    enum err err = store_get_row(locate->row, locate->detail);
    if (err == ERR_NOT_FOUND)
        return err_set(locate->detail, ERR_CORRUPT, "table object_key names an object that is not");
    TRY(err);
    if (!storage_wanted(query, store_column_i64(locate->row, 1),
                        store_column_i64(locate->row, 2) != 0) ||
        !entries_match(query, store_column_bytes(locate->row, 3)))
        return ERR_OK;
    size_t place = locate->matched++;
    size_t max = query->max > 0 ? query->max : VAULT_LOCATE_MAX;
    if (place < query->offset || place - query->offset >= max)
        return ERR_OK;
    return add_found(locate, id, store_column_text(locate->row, 0));
}

static bool enough(const struct locate *locate)
{
    return locate->matched >= locate->wanted;
}

/* ---- a driver with few rows: all of them, sorted ---- */

static enum err gather(struct locate *locate, const struct vault_term *term, size_t limit,
                       bool *ret_all)
{
    locate->ids_len = 0;
    for (unsigned g = 0; g < locate->eyes->count; g++) {
        struct vault_key end;
        AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
        size_t room = limit + 1 - locate->ids_len;
        TRY(prepare_term(locate, term, &end, locate->eyes->groups[g], room, &stmt));
        for (;;) {
            bool row;
            TRY(store_step(stmt, &row, locate->detail));
            if (!row)
                break;
            TRY(add_id(locate, store_column_u64(stmt, 0)));
            if (locate->ids_len > limit) {
                *ret_all = false;
                return ERR_OK;
            }
        }
    }
    *ret_all = true;
    return ERR_OK;
}

static int falling(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static enum err look_at_gathered(struct locate *locate)
{
    locate->matched = 0;
    locate->found_len = 0;
    if (locate->ids_len > 1)
        qsort(locate->ids, locate->ids_len, sizeof(*locate->ids), falling);
    uint64_t last = 0;
    for (size_t i = 0; i < locate->ids_len && !enough(locate); i++) {
        /* a range may hold several values of one object */
        if (locate->ids[i] != last)
            TRY(look_at(locate, locate->ids[i]));
        last = locate->ids[i];
    }
    return ERR_OK;
}

/* Whether a term with at most `limit` rows answered. The protocol's guess comes first. */
static enum err try_few(struct locate *locate, size_t limit, bool *ret_answered)
{
    const struct vault_query *query = locate->query;
    *ret_answered = false;
    for (size_t i = 0; i < query->count && !*ret_answered; i++) {
        size_t first = query->selective < query->count ? query->selective : 0;
        TRY(gather(locate,
                   &query->terms[i == 0       ? first
                                 : i <= first ? i - 1
                                              : i],
                   limit, ret_answered));
    }
    return *ret_answered ? look_at_gathered(locate) : ERR_OK;
}

/* ---- a driver with many rows: newest first from several ranges at once ---- */

#define STATES      8 /* State has the values 0 (none) to 6; one more for what may come */
#define STREAMS_MAX (VAULT_GROUPS_MAX * STATES)

struct streams {
    struct {
        struct store_stmt *stmt;
        uint64_t id; /* the row it stands on; 0: at its end */
        struct vault_term term;
    } stream[STREAMS_MAX];
    size_t count;
};

static void streams_freep(struct streams **streams)
{
    for (size_t i = 0; *streams != NULL && i < (*streams)->count; i++)
        store_stmt_free((*streams)->stream[i].stmt);
    free(*streams);
}

static enum err advance(struct locate *locate, struct streams *streams, size_t i)
{
    bool row;
    TRY(store_step(streams->stream[i].stmt, &row, locate->detail));
    streams->stream[i].id = row ? store_column_u64(streams->stream[i].stmt, 0) : 0;
    return ERR_OK;
}

static enum err open_streams(struct locate *locate, struct streams *streams)
{
    const struct vault_query *query = locate->query;
    const struct vault_term *term = NULL;
    for (size_t i = 0; i < query->count; i++)
        if (query->terms[i].compare == VAULT_EQUAL && (term == NULL || i == query->selective))
            term = &query->terms[i];
    for (unsigned g = 0; g < locate->eyes->count; g++) {
        /* every object has one entry of State: all of them together are all objects */
        for (uint32_t state = 0; state < (term != NULL ? 1 : STATES); state++) {
            size_t at = streams->count;
            struct vault_term *one = &streams->stream[at].term;
            *one = (struct vault_term){.compare = VAULT_EQUAL,
                                       .key = vault_key_number(VAULT_KEY_STATE, state)};
            TRY(prepare_term(locate, term != NULL ? term : one, &one->to, locate->eyes->groups[g],
                             INT64_MAX, &streams->stream[at].stmt));
            streams->count++;
            TRY(advance(locate, streams, at));
        }
    }
    return ERR_OK;
}

/* Looks at up to `most` candidates. `ret_end`: no more are wanted, or there are none. */
static enum err look_at_streams(struct locate *locate, struct streams *streams, size_t most,
                                bool *ret_end)
{
    *ret_end = false;
    for (size_t looked = 0; looked < most; looked++) {
        size_t newest = 0;
        for (size_t i = 1; i < streams->count; i++)
            if (streams->stream[i].id > streams->stream[newest].id)
                newest = i;
        if (enough(locate) || streams->count == 0 || streams->stream[newest].id == 0) {
            *ret_end = true;
            return ERR_OK;
        }
        TRY(look_at(locate, streams->stream[newest].id));
        TRY(advance(locate, streams, newest));
    }
    return ERR_OK;
}

static enum err try_many(struct locate *locate)
{
    bool end = false;
    AUTO(streams_freep)
    struct streams *streams = calloc(1, sizeof(*streams)); /* for a small stack */
    if (streams == NULL)
        return ERR_NO_MEMORY;
    locate->matched = 0;
    locate->found_len = 0;
    TRY(open_streams(locate, streams));
    TRY(look_at_streams(locate, streams, TRY_ROWS, &end));
    if (end)
        return ERR_OK;
    bool answered = false;
    TRY(try_few(locate, MANY_ROWS, &answered));
    return answered ? ERR_OK : look_at_streams(locate, streams, SIZE_MAX, &end);
}

static enum err locate_run(struct locate *locate)
{
    TRY(store_prepare(locate->conn, "SELECT uid, state, archived, entries FROM object WHERE id = ?",
                      &locate->row, locate->detail));
    bool answered = false;
    TRY(try_few(locate, FEW_ROWS, &answered));
    return answered ? ERR_OK : try_many(locate);
}

enum err vault_object_locate(struct store_conn *conn, const struct vault_eyes *eyes,
                             const struct vault_query *query, struct arena *arena,
                             struct vault_located **ret_found, size_t *ret_count, size_t *ret_total,
                             struct err_detail *detail)
{
    if (query->count > VAULT_TERMS_MAX || eyes->count > VAULT_GROUPS_MAX)
        return err_set(detail, ERR_LIMIT, "%zu terms", query->count);
    size_t max = query->max > 0 ? query->max : VAULT_LOCATE_MAX;
    struct locate locate = {
        .conn = conn,
        .eyes = eyes,
        .query = query,
        .arena = arena,
        .detail = detail,
        .wanted = query->total ? SIZE_MAX : query->offset + max,
        .below = query->below > 0 && query->below <= INT64_MAX ? (int64_t)query->below : INT64_MAX};
    enum err err = locate_run(&locate);
    locate_done(&locate);
    TRY(err);
    *ret_found = locate.found;
    *ret_count = locate.found_len;
    *ret_total = locate.matched;
    return ERR_OK;
}

struct apart {
    struct store *store;
    const struct vault_eyes *eyes;
    struct vault_query query;
    struct arena *arena;
    struct vault_located *found;
    size_t count, total;
    enum err err;
    struct err_detail detail;
};

static enum err locate_apart(struct apart *apart)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(apart->store, STORE_READER_SCAN, &reader, &apart->detail));
    TRY(store_reader_begin(reader, &apart->detail));
    enum err err =
        vault_object_locate(store_reader_conn(reader), apart->eyes, &apart->query, apart->arena,
                            &apart->found, &apart->count, &apart->total, &apart->detail);
    store_reader_end(reader);
    return err;
}

static void run_apart(void *arg)
{
    struct apart *apart = arg;
    apart->err = locate_apart(apart);
}

enum err vault_object_locate_apart(struct store *store, struct workers *workers,
                                   const struct vault_eyes *eyes, const struct vault_query *query,
                                   struct arena *arena, struct vault_located **ret_found,
                                   size_t *ret_count, size_t *ret_total, struct err_detail *detail)
{
    struct apart apart = {.store = store, .eyes = eyes, .query = *query, .arena = arena};
    apart.query.effort = 0;
    TRY(workers_run(workers, run_apart, &apart));
    if (apart.err != ERR_OK) {
        if (detail != NULL)
            *detail = apart.detail;
        return apart.err;
    }
    *ret_found = apart.found;
    *ret_count = apart.count;
    *ret_total = apart.total;
    return ERR_OK;
}

#include "kmip/attr/index.h"
#include "kmip/codec/table.h"
#include "kmip/op/make.h"
#include "kmip/op/ops.h"
#include "kmip/server/config.h"

/* Locate (KMIP 1.4, 4.9; 2.1, 6.1.28). What the index knows becomes terms of one query; what it
 * does not know is compared on each candidate the terms leave. */

#define TERMS_MAX 64

struct locate {
    struct kmip_attrs filters;
    struct vault_term terms[TERMS_MAX];
    size_t count;
    struct vault_query query;
    struct bytes uid; /* filter by Unique Identifier */
    bool nothing;     /* the filters contradict, or ask for what is not understood */
    bool compare;     /* candidates have to be looked at */
    bool fresh;       /* Object Group Member: Fresh */
    uint32_t offset, max;
};

static enum err read_filters(struct kmip_call *call, struct locate *l)
{
    const struct kmip_node *from = call->in;
    if (call->request->version >= KMIP_2_0)
        from = kmip_child(call->in, KMIP_TAG_ATTRIBUTES);
    for (const struct kmip_node *n = from != NULL ? from->first : NULL; n != NULL; n = n->next) {
        if (from == call->in && n->tag != KMIP_TAG_ATTRIBUTE)
            continue;
        const enum err err = kmip_attr_read(&l->filters, n);
        if (err == ERR_NO_MEMORY || err == ERR_LIMIT)
            return err;
        /* a filter that is not understood matches nothing: never more than was asked for */
        if (err != ERR_OK)
            l->nothing = true;
    }
    return ERR_OK;
}

static bool is_date(const struct kmip_attr *a)
{
    return a->value->type == KMIP_DATE_TIME;
}

/* Two of one date are a range (KMIP 1.4, 4.9), in whatever order; three match nothing. */
static void add_range(struct locate *l, const struct kmip_attr *a, const struct kmip_attr *b)
{
    const int64_t from = a->value->num < b->value->num ? a->value->num : b->value->num;
    const int64_t to = a->value->num < b->value->num ? b->value->num : a->value->num;
    if (kmip_attr_again(b) != NULL)
        l->nothing = true;
    struct vault_term term = {.compare = VAULT_RANGE};
    if (a->tag == KMIP_ATTR_CUSTOM) {
        struct vault_term both[2 * KMIP_TERMS_MAX];
        size_t n = 0;
        kmip_attr_terms(from == a->value->num ? a : b, both, &n);
        kmip_attr_terms(from == a->value->num ? b : a, both, &n);
        if (n != 2) {
            l->nothing = true;
            return;
        }
        term.key = both[0].key;
        term.to = both[1].key;
    } else {
        term.key = vault_key_number(a->tag, from);
        term.to = vault_key_number(a->tag, to);
    }
    l->terms[l->count++] = term;
}

static bool in_index(uint32_t tag)
{
    const struct kmip_attr probe = {.tag = tag};
    return kmip_attr_selectivity(&probe) != 9;
}

/* Filters that are neither entries of the index nor to be compared: what the row itself says. */
static bool by_row(struct locate *l, const struct kmip_attr *a)
{
    if (a->tag != KMIP_TAG_UNIQUE_IDENTIFIER)
        return false;
    if (a->value->type != KMIP_TEXT_STRING) {
        l->nothing = true;
        return true;
    }
    if (l->uid.data != NULL && !bytes_equal(l->uid, a->value->bytes))
        l->nothing = true;
    l->uid = a->value->bytes;
    return true;
}

static void make_terms(struct locate *l)
{
    unsigned best = 100;
    for (const struct kmip_attr *a = l->filters.first; a != NULL; a = a->next) {
        const struct kmip_attr_ref ref = {a->tag, a->vendor, a->name};
        const struct kmip_attr *twin = is_date(a) ? kmip_attr_again(a) : NULL;
        if (is_date(a) && kmip_attr_find_ref(&l->filters, &ref) != a)
            continue; /* the second end of a range */
        if (by_row(l, a))
            continue;
        if (a->tag == KMIP_TAG_FRESH) {
            l->compare = true; /* vault/served.h knows, the index does not */
            continue;
        }
        if (l->count + KMIP_TERMS_MAX > TERMS_MAX) {
            l->compare = true;
            continue;
        }
        const size_t before = l->count;
        if (twin != NULL && (a->tag == KMIP_ATTR_CUSTOM || in_index(a->tag)))
            add_range(l, a, twin);
        else if (twin != NULL || !kmip_attr_terms(a, l->terms, &l->count))
            l->compare = true;
        if (l->count > before && kmip_attr_selectivity(a) < best) {
            best = kmip_attr_selectivity(a);
            l->query.selective = (unsigned)before;
        }
    }
}

static enum err read_options(struct kmip_call *call, struct locate *l)
{
    const int64_t mask =
        kmip_num(call->in, KMIP_TAG_STORAGE_STATUS_MASK, KMIP_STORAGE_STATUS_MASK_ON_LINE_STORAGE);
    const int64_t max = kmip_num(call->in, KMIP_TAG_MAXIMUM_ITEMS, -1);
    const int64_t offset = kmip_num(call->in, KMIP_TAG_OFFSET_ITEMS, 0);
    const uint32_t limit = call->request->env->config->locate_max;
    if (max < -1 || offset < 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a negative number of items");
    l->query.online = (mask & KMIP_STORAGE_STATUS_MASK_ON_LINE_STORAGE) != 0;
    l->query.archived = (mask & KMIP_STORAGE_STATUS_MASK_ARCHIVAL_STORAGE) != 0;
    l->query.destroyed = (mask & KMIP_STORAGE_STATUS_MASK_DESTROYED_STORAGE) != 0;
    l->max = max < 0 || max > limit ? limit : (uint32_t)max;
    l->offset = (uint32_t)offset;
    /* the default member of a group is any: which, is the server's to say (2.1, 6.1.28) */
    if (kmip_enum(call->in, KMIP_TAG_OBJECT_GROUP_MEMBER, 0) ==
        KMIP_OBJECT_GROUP_MEMBER_GROUP_MEMBER_FRESH)
        l->fresh = l->compare = true;
    return ERR_OK;
}

static bool dates_match(const struct kmip_attrs *attrs, const struct kmip_attr *a,
                        const struct kmip_attr *b)
{
    const int64_t from = a->value->num < b->value->num ? a->value->num : b->value->num;
    const int64_t to = a->value->num < b->value->num ? b->value->num : a->value->num;
    const struct kmip_attr_ref ref = {a->tag, a->vendor, a->name};
    const struct kmip_attr *have = kmip_attr_find_ref(attrs, &ref);
    return have != NULL && have->value->num >= from && have->value->num <= to;
}

static bool matches(const struct locate *l, const struct kmip_attrs *attrs)
{
    if (l->fresh && kmip_attr_num(attrs, KMIP_TAG_FRESH, 0) == 0)
        return false;
    for (const struct kmip_attr *a = l->filters.first; a != NULL; a = a->next) {
        const struct kmip_attr_ref ref = {a->tag, a->vendor, a->name};
        const struct kmip_attr *first = kmip_attr_find_ref(&l->filters, &ref);
        const struct kmip_attr *twin = is_date(a) ? kmip_attr_again(first) : NULL;
        if (twin != NULL ? !dates_match(attrs, first, twin) : !kmip_attr_matches(attrs, a))
            return false;
    }
    return true;
}

/* The object itself, where the client sees it and its storage status is asked for. */
static enum err look(struct kmip_call *call, const struct locate *l, struct bytes uid,
                     bool *ret_match)
{
    struct vault_object object;
    struct kmip_attrs attrs;
    *ret_match = false;
    const enum err err = kmip_get_object(call, uid, &object);
    if (err != ERR_OK) {
        if (call->reason != KMIP_REASON_OBJECT_NOT_FOUND)
            return err;
        call->reason = 0;
        call->message = NULL;
        call->detail = (struct err_detail){0};
        return ERR_OK;
    }
    const bool gone =
        object.state == KMIP_STATE_DESTROYED || object.state == KMIP_STATE_DESTROYED_COMPROMISED;
    if (!(gone ? l->query.destroyed : object.archived ? l->query.archived : l->query.online))
        return ERR_OK;
    TRY(kmip_object_attrs(call, &object, &attrs));
    *ret_match = matches(l, &attrs);
    return ERR_OK;
}

struct found {
    const char **uids;
    size_t count; /* given out */
    size_t total;
};

static enum err by_uid(struct kmip_call *call, const struct locate *l, struct found *found)
{
    bool match = false;
    TRY(look(call, l, l->uid, &match));
    if (!match)
        return ERR_OK;
    found->total = 1;
    if (l->offset == 0 && l->max > 0)
        found->uids[found->count++] = kmip_text(call, l->uid);
    return ERR_OK;
}

/* On the loop where it is little work, on a worker where it is much: a further page has let others
 * wait for the candidates before it, and they have their turn while a worker finds it. */
static enum err ask(struct kmip_call *call, struct locate *l, struct vault_located **ret_located,
                    size_t *ret_count, size_t *ret_total)
{
    struct kmip_env *env = call->request->env;
    const struct vault_eyes *eyes = &call->request->client->eyes;
    struct store_conn *conn = NULL;
    if (l->query.below != 0 && env->workers != NULL)
        return vault_object_locate_apart(env->store, env->workers, eyes, &l->query,
                                         kmip_arena(call), ret_located, ret_count, ret_total,
                                         &call->detail);
    l->query.effort = VAULT_LOCATE_EFFORT;
    TRY(env->read(env, &conn, &call->detail));
    enum err err = vault_object_locate(conn, eyes, &l->query, kmip_arena(call), ret_located,
                                       ret_count, ret_total, &call->detail);
    if (err != ERR_BUSY)
        return err;
    call->detail = (struct err_detail){0};
    return vault_object_locate_apart(env->store, env->workers, eyes, &l->query, kmip_arena(call),
                                     ret_located, ret_count, ret_total, &call->detail);
}

/* All candidates in pages, each looked at; `found` takes those behind the offset. */
static enum err by_comparing(struct kmip_call *call, struct locate *l, struct found *found)
{
    const uint32_t page = 500;
    l->query.max = page;
    while (found->count < l->max) {
        struct vault_located *located = NULL;
        size_t count = 0, total = 0;
        TRY(ask(call, l, &located, &count, &total));
        for (size_t i = 0; i < count && found->count < l->max; i++) {
            bool match = false;
            TRY(look(call, l, bytes_str(located[i].uid), &match));
            if (match && found->total++ >= l->offset)
                found->uids[found->count++] = located[i].uid;
        }
        if (count < page)
            break;
        l->query.below = located[count - 1].id;
    }
    return ERR_OK;
}

static enum err by_index(struct kmip_call *call, struct locate *l, struct found *found)
{
    struct vault_located *located = NULL;
    size_t count = 0;
    l->query.offset = l->offset;
    l->query.max = l->max;
    if (l->max == 0)
        return ERR_OK;
    TRY(ask(call, l, &located, &count, &found->total));
    for (size_t i = 0; i < count && i < l->max; i++)
        found->uids[found->count++] = located[i].uid;
    return ERR_OK;
}

static enum err locate(struct kmip_call *call, struct locate *l, struct found *found)
{
    found->uids = arena_take(kmip_arena(call), ((size_t)l->max + 1) * sizeof(char *));
    if (found->uids == NULL)
        return ERR_NO_MEMORY;
    if (l->nothing)
        return ERR_OK;
    l->query.terms = l->terms;
    l->query.count = l->count;
    if (l->uid.data != NULL)
        return by_uid(call, l, found);
    return l->compare ? by_comparing(call, l, found) : by_index(call, l, found);
}

enum err kmip_op_locate(struct kmip_call *call)
{
    struct locate *l = arena_take(kmip_arena(call), sizeof(*l));
    struct found found = {0};
    if (l == NULL)
        return ERR_NO_MEMORY;
    l->filters.arena = kmip_arena(call);
    TRY(kmip_may(call, 0));
    TRY(read_filters(call, l));
    TRY(read_options(call, l));
    make_terms(l);
    /* KMIP 1.3, 4.9: how many there are in all is said to those who page through them */
    const bool paged = call->request->version >= KMIP_1_3 &&
                       kmip_child(call->in, KMIP_TAG_OFFSET_ITEMS) != NULL && !l->compare;
    l->query.total = paged;
    TRY(locate(call, l, &found));
    if (paged)
        kmip_put_int(kmip_out(call), call->out, KMIP_TAG_LOCATED_ITEMS, (int32_t)found.total);
    for (size_t i = 0; i < found.count; i++)
        kmip_put_text(kmip_out(call), call->out, KMIP_TAG_UNIQUE_IDENTIFIER, found.uids[i]);
    /* KMIP 1.4, 4.9: exactly one becomes the ID Placeholder, otherwise there is none */
    kmip_set_placeholder(call->request, found.count == 1 ? found.uids[0] : "");
    return ERR_OK;
}

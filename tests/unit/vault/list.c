/* The administrator's list against a model that looks at everything, on random objects. */

#include <stdio.h>

#include "site.h"
#include "vault/object_list.h"
#include "vault/state.h"

#define NAME    0x420053u
#define TYPE    0x420057u
#define ALG     0x420028u
#define OBJECTS 6000 /* more than a search gathers */
#define GROUPS  40   /* more than a client may be in */

static struct site site;

struct model {
    struct vault_object object;
    char name[32];
};
static struct model models[OBJECTS];

static uint64_t random_below(uint64_t limit)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x % limit;
}

static void fill(struct model *model, size_t i)
{
    model->object = site_object(&site);
    model->object.group = 1 + (uint32_t)random_below(GROUPS);
    model->object.state = random_below(100) == 0 ? VAULT_DESTROYED : 1 + (uint32_t)random_below(2);
    model->object.type = random_below(50) == 0 ? 1 : 2;
    model->object.alg = 3 + (uint32_t)random_below(2);
    model->object.placement = random_below(200) == 0 ? VAULT_IN_TOKEN : VAULT_IN_STORE;
    (void)snprintf(model->name, sizeof model->name, "%s-%zu", i % 7 == 0 ? "tape" : "disk", i);
}

static enum err insert_all(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    (void)ctx;
    for (size_t i = 0; i < OBJECTS; i++) {
        const struct vault_object *object = &models[i].object;
        const struct vault_key keys[] = {vault_key_number(TYPE, object->type),
                                         vault_key_number(ALG, object->alg),
                                         vault_key_bytes(NAME, bytes_str(models[i].name))};
        TRY(vault_tx_insert(tx, object, keys, ARRAY_LEN(keys), detail));
    }
    return ERR_OK;
}

static int begin(void **state)
{
    (void)state;
    site_begin(&site);
    for (size_t i = 0; i < OBJECTS; i++)
        fill(&models[i], i);
    assert_ok(vault_objects_run(site.objects, NULL, NULL, insert_all, NULL, NULL));
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_check(&site);
    site_end(&site);
    return 0;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int64_t number_of(const struct vault_key *key)
{
    return (int64_t)(be64_load(key->value) ^ (uint64_t)1 << 63);
}

static bool holds(const struct vault_term *term, const struct vault_object *object)
{
    int64_t wanted = number_of(&term->key);
    return term->key.attribute == TYPE  ? object->type == wanted
           : term->key.attribute == ALG ? object->alg == wanted
                                        : object->state == wanted;
}

static bool model_matches(const struct vault_list *list, const struct model *model)
{
    const struct vault_object *object = &model->object;
    bool wanted = (list->group == 0 || object->group == list->group) &&
                  (list->placement == 0 || object->placement == list->placement) &&
                  (list->below == 0 || object->id < list->below);
    for (size_t i = 0; i < list->terms_len; i++)
        wanted = wanted && holds(&list->terms[i], object);
    return wanted &&
           (list->uid == NULL || begins(object->uid, list->uid) || begins(model->name, list->uid));
}

struct seen {
    size_t at; /* the model after it; going down */
    const struct vault_list *list;
    unsigned rows;
};

/* The next one that the model has, and none between. */
static enum err see(void *ctx, const struct vault_listed *row)
{
    struct seen *seen = ctx;
    while (seen->at > 0 && !model_matches(seen->list, &models[seen->at - 1]))
        seen->at--;
    assert_true(seen->at > 0);
    const struct vault_object *object = &models[--seen->at].object;
    assert_int_equal(row->id, object->id);
    assert_string_equal(row->uid, object->uid);
    assert_int_equal(row->state, object->state);
    assert_int_equal(row->type, object->type);
    assert_int_equal(row->group, object->group);
    assert_int_equal(row->placement, object->placement);
    seen->rows++;
    return ERR_OK;
}

/* Up to `pages` pages, each where the one before ended; all of them where it ends before. Gives how
 * many pages there were. */
static unsigned compare(struct vault_list list, unsigned pages)
{
    struct seen seen = {.at = OBJECTS, .list = &list};
    uint64_t next = 0;
    unsigned page = 0;
    do {
        seen.rows = 0;
        struct store_conn *conn = site_read(&site);
        assert_ok(vault_object_list(conn, &list, 0, see, &seen, &next, NULL));
        store_reader_end(site.reader);
        assert_true(seen.rows <= list.limit);
        assert_true(next == 0 || list.below == 0 || next < list.below);
        list.below = next;
    } while (next != 0 && ++page < pages);
    list.below = 0;
    while (next == 0 && seen.at > 0)
        assert_false(model_matches(&list, &models[--seen.at]));
    return page + 1;
}

static void pages_have_what_the_model_has(void **state)
{
    (void)state;
    const char *const searches[] = {"disk-", "tape-1", "disk-4711", "x", "0"};
    for (unsigned round = 0; round < 150; round++) {
        struct vault_term terms[3], search;
        size_t count = 0;
        struct vault_list list = {.terms = terms,
                                  .search = &search,
                                  .limit = 1 + (unsigned)random_below(400),
                                  .group = random_below(3) ? 0 : 1 + (uint32_t)random_below(GROUPS),
                                  .placement = random_below(3) ? 0 : 1 + (uint32_t)random_below(2)};
        if (random_below(3) == 0)
            terms[count++].key = vault_key_number(TYPE, 1 + (int64_t)random_below(3));
        if (random_below(3) == 0)
            terms[count++].key = vault_key_number(ALG, 3 + (int64_t)random_below(3));
        if (random_below(3) == 0)
            terms[count++].key =
                vault_key_number(VAULT_KEY_STATE, random_below(2) ? VAULT_DESTROYED : VAULT_ACTIVE);
        for (size_t i = 0; i < count; i++)
            terms[i].compare = VAULT_EQUAL;
        list.terms_len = count;
        if (random_below(2) == 0) {
            list.uid = searches[random_below(ARRAY_LEN(searches))];
            search = (struct vault_term){.compare = VAULT_PREFIX,
                                         .key = vault_key_bytes(NAME, bytes_str(list.uid))};
            list.search_len = 1;
        }
        (void)compare(list, 1 + (unsigned)random_below(40));
    }
}

/* Where little fits among many, a page gives what it found, and the next one goes on behind what
 * was looked at: nothing is left out, nothing comes twice. */
static void a_page_looks_at_so_many(void **state)
{
    (void)state;
    struct vault_term terms[] = {
        {.compare = VAULT_EQUAL, .key = vault_key_number(ALG, 3)},
        {.compare = VAULT_EQUAL, .key = vault_key_number(VAULT_KEY_STATE, VAULT_ACTIVE)}};
    const struct vault_list all = {.terms = terms, .terms_len = 2, .limit = OBJECTS};
    assert_int_equal(compare(all, 1), 1);
    struct vault_list little = all;
    little.effort = 100;
    assert_true(compare(little, OBJECTS) > 20);
    little.terms_len = 0;
    little.placement = VAULT_IN_STORE;
    assert_true(compare(little, OBJECTS) >= OBJECTS / 100);
    /* what nothing has is known at once */
    terms[0].key = vault_key_number(ALG, 99);
    little.terms_len = 2;
    assert_int_equal(compare(little, OBJECTS), 1);
}

struct counted {
    uint64_t of[2][GROUPS + 1];
};

static enum err add(void *ctx, uint32_t group, int64_t value, uint64_t count)
{
    struct counted *counted = ctx;
    assert_true(group >= 1 && group <= GROUPS && (value == 1 || value == 2));
    counted->of[value - 1][group] += count;
    return ERR_OK;
}

static void they_are_counted_by_group_and_value(void **state)
{
    (void)state;
    struct counted counted = {0};
    struct store_conn *conn = site_read(&site);
    assert_ok(vault_object_count(conn, TYPE, add, &counted, NULL));
    store_reader_end(site.reader);
    for (size_t i = 0; i < OBJECTS; i++)
        counted.of[models[i].object.type - 1][models[i].object.group]--;
    for (size_t i = 0; i <= GROUPS; i++)
        assert_true(counted.of[0][i] == 0 && counted.of[1][i] == 0);
}

static void one_is_seen_whatever_its_group_and_without_its_key(void **state)
{
    (void)state;
    struct vault_object object;
    const struct vault_object *wanted = &models[17].object;
    struct store_conn *conn = site_read(&site);
    assert_true(wanted->sealed.len > 0);
    assert_ok(vault_object_look(conn, bytes_str(wanted->uid), site.arena, &object, NULL));
    assert_int_equal(object.id, wanted->id);
    assert_int_equal(object.group, wanted->group);
    assert_int_equal(object.sealed.len, 0);
    assert_err(vault_object_look(conn, bytes_str("nobody"), site.arena, &object, NULL),
               ERR_NOT_FOUND);
    store_reader_end(site.reader);
    bool served = true;
    assert_true(vault_object_was_served(site.vault, wanted->id, &served));
    assert_false(served);
}

static void too_many_filters_are_refused(void **state)
{
    (void)state;
    struct vault_term terms[VAULT_LIST_TERMS_MAX + 1] = {0};
    const struct vault_list list = {.terms = terms, .terms_len = ARRAY_LEN(terms), .limit = 1};
    uint64_t next = 0;
    struct store_conn *conn = site_read(&site);
    assert_err(vault_object_list(conn, &list, 0, see, NULL, &next, NULL), ERR_LIMIT);
    store_reader_end(site.reader);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(pages_have_what_the_model_has), CASE(a_page_looks_at_so_many),
          CASE(they_are_counted_by_group_and_value),
          CASE(one_is_seen_whatever_its_group_and_without_its_key),
          CASE(too_many_filters_are_refused))

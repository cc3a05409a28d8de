/* Locate against a model that looks at everything, on random objects. */

#include <stdio.h>

#include "site.h"
#include "vault/object_row.h"
#include "vault/state.h"

#define NAME    0x420053u
#define TYPE    0x420057u
#define DATE    0x420039u
#define OBJECTS 1500
#define KEYS    8
#define GROUPS  3

static struct site site;

struct model {
    struct vault_object object;
    struct vault_key keys[KEYS];
    size_t count;
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

static struct bytes random_name(void)
{
    static char name[200];
    /* some long enough to be cut, alike at their beginning */
    if (random_below(4) == 0) {
        memset(name, 'n', sizeof(name));
        int len = snprintf(name + 100, 50, "%u", (unsigned)random_below(40));
        return bytes_of(name, 100 + (size_t)len);
    }
    int len = snprintf(name, sizeof(name), "%c%u", 'a' + (int)random_below(3),
                       (unsigned)random_below(300));
    return bytes_of(name, (size_t)len);
}

static struct vault_key random_key(void)
{
    switch (random_below(5)) {
    case 0: return vault_key_number(TYPE, (int64_t)random_below(3));
    case 1: return vault_key_number(DATE, (int64_t)random_below(2000) - 1000);
    case 2: return vault_key_custom(bytes_str("x-site"), random_name());
    case 3:
        return vault_key_custom_number(bytes_str("x-a-number-with-a-rather-long-name-of-its-own"),
                                       (int64_t)random_below(100) - 50);
    default: return vault_key_bytes(NAME, random_name());
    }
}

static void fill(struct model *model)
{
    model->object = site_object(&site);
    model->object.group = GROUP + (uint32_t)random_below(GROUPS);
    model->object.state = 1 + (uint32_t)random_below(6);
    model->object.archived = random_below(8) == 0;
    model->count = random_below(KEYS + 1);
    for (size_t i = 0; i < model->count; i++)
        model->keys[i] = random_key();
}

struct all {
    size_t from, to;
};

static enum err insert_all(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    const struct all *all = ctx;
    for (size_t i = all->from; i < all->to; i++)
        TRY(vault_tx_insert(tx, &models[i].object, models[i].keys, models[i].count, detail));
    return ERR_OK;
}

static int begin(void **state)
{
    (void)state;
    site_begin(&site);
    for (size_t i = 0; i < OBJECTS; i++)
        fill(&models[i]);
    struct all all = {0, OBJECTS};
    assert_ok(vault_objects_run(site.objects, NULL, NULL, insert_all, &all, NULL));
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_check(&site);
    site_end(&site);
    return 0;
}

static bool key_holds(const struct vault_term *term, const struct vault_key *key)
{
    if (key->attribute != term->key.attribute)
        return false;
    if (term->compare == VAULT_EQUAL)
        return key_compare(key, &term->key) == 0;
    if (term->compare == VAULT_RANGE)
        return key_compare(&term->key, key) <= 0 && key_compare(key, &term->to) <= 0;
    return key->len >= term->key.len && memcmp(key->value, term->key.value, term->key.len) == 0;
}

static bool holds(const struct vault_term *term, const struct model *model)
{
    struct vault_key state = vault_key_number(VAULT_KEY_STATE, model->object.state);
    bool any = key_holds(term, &state);
    for (size_t i = 0; i < model->count; i++)
        any = any || key_holds(term, &model->keys[i]);
    return any;
}

static bool model_matches(const struct vault_query *query, const struct vault_eyes *eyes,
                          const struct model *model)
{
    bool gone = model->object.state >= VAULT_DESTROYED;
    bool wanted = gone                     ? query->destroyed
                  : model->object.archived ? query->archived
                                           : query->online;
    for (size_t i = 0; i < query->count; i++)
        wanted = wanted && holds(&query->terms[i], model);
    if (query->below > 0 && model->object.id >= query->below)
        return false;
    return wanted && eyes_see(eyes, model->object.group);
}

static void compare(const struct vault_query *query, const struct vault_eyes *eyes)
{
    struct vault_located *found = NULL;
    size_t count = 0, total = 0, place = 0, at = 0;
    struct store_conn *conn = site_read(&site);
    assert_ok(vault_object_locate(conn, eyes, query, site.arena, &found, &count, &total, NULL));
    store_reader_end(site.reader);
    size_t max = query->max ? query->max : VAULT_LOCATE_MAX;
    for (size_t i = OBJECTS; i-- > 0;) {
        if (!model_matches(query, eyes, &models[i]))
            continue;
        if (place >= query->offset && place - query->offset < max) {
            assert_true(at < count);
            assert_int_equal(found[at].id, models[i].object.id);
            assert_string_equal(found[at].uid, models[i].object.uid);
            at++;
        }
        place++;
    }
    assert_int_equal(at, count);
    if (query->total)
        assert_int_equal(total, place);
    arena_reset(site.arena);
}

static struct vault_term random_term(void)
{
    struct vault_term term = {.compare = VAULT_EQUAL, .key = random_key()};
    if (random_below(5) == 0)
        term.key = vault_key_number(VAULT_KEY_STATE, (int64_t)random_below(7));
    else if (random_below(3) > 0) /* of an object that is there */
        for (size_t i = random_below(OBJECTS); i < OBJECTS; i++)
            if (models[i].count > 0) {
                term.key = models[i].keys[0];
                break;
            }
    uint32_t attribute = term.key.attribute;
    if (attribute == DATE && random_below(2) == 0) {
        int64_t from = (int64_t)random_below(2000) - 1000;
        term.compare = VAULT_RANGE;
        term.key = vault_key_number(DATE, from);
        term.to = vault_key_number(DATE, from + (int64_t)random_below(800));
    } else if (attribute == NAME && random_below(2) == 0) {
        term.compare = VAULT_PREFIX;
        term.key.len = (uint8_t)random_below(3);
    }
    return term;
}

static void as_the_model_says(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct vault_term terms[4];
        struct vault_query query = {.terms = terms,
                                    .count = random_below(5),
                                    .selective = (unsigned)random_below(5),
                                    .online = random_below(4) > 0,
                                    .archived = random_below(2) == 0,
                                    .destroyed = random_below(2) == 0,
                                    .offset = random_below(2) ? 0 : (uint32_t)random_below(20),
                                    .max = random_below(3) ? 0 : (uint32_t)random_below(20),
                                    .total = random_below(2) == 0,
                                    .below = random_below(4) ? 0 : 1 + random_below(OBJECTS)};
        struct vault_eyes eyes = {.client = 1, .count = (unsigned)random_below(GROUPS + 1)};
        for (unsigned i = 0; i < eyes.count; i++)
            eyes.groups[i] = GROUP + (i + (unsigned)round) % GROUPS;
        for (size_t i = 0; i < query.count; i++)
            terms[i] = random_term();
        compare(&query, &eyes);
    }
}

static enum err change_some(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    struct model *changed = ctx;
    struct vault_object object;
    TRY(vault_tx_get(tx, bytes_str(changed->object.uid), &object, detail));
    object.state = changed->object.state;
    object.group = changed->object.group;
    object.archived = changed->object.archived;
    return vault_tx_update(tx, &object, changed->keys, changed->count, detail);
}

static void after_changes_too(void **state)
{
    for (int i = 0; i < 400; i++) {
        struct model *model = &models[random_below(OBJECTS)], changed;
        fill(&changed);
        memcpy(changed.object.uid, model->object.uid, sizeof(changed.object.uid));
        changed.object.id = model->object.id;
        assert_ok(vault_objects_run(site.objects, NULL, NULL, change_some, &changed, NULL));
        *model = changed;
    }
    as_the_model_says(state);
}

static void what_takes_long_is_left_to_others(void **state)
{
    (void)state;
    struct vault_query query = {.online = true, .archived = true, .destroyed = true, .effort = 100};
    struct vault_eyes eyes = {.client = 1, .groups = {GROUP, GROUP + 1, GROUP + 2}, .count = 3};
    struct vault_located *found;
    size_t count, total;
    struct store_conn *conn = site_read(&site);
    assert_err(vault_object_locate(conn, &eyes, &query, site.arena, &found, &count, &total, NULL),
               ERR_BUSY);
    query.max = 100;
    assert_ok(vault_object_locate(conn, &eyes, &query, site.arena, &found, &count, &total, NULL));
    assert_int_equal(count, 100);
    store_reader_end(site.reader);
    query.max = 0;
    assert_ok(vault_object_locate_apart(site.store, NULL, &eyes, &query, site.arena, &found, &count,
                                        &total, NULL));
    assert_int_equal(count, OBJECTS);
    assert_int_equal(found[0].id, models[OBJECTS - 1].object.id);
    query.count = VAULT_TERMS_MAX + 1;
    assert_err(vault_object_locate_apart(site.store, NULL, &eyes, &query, site.arena, &found,
                                         &count, &total, NULL),
               ERR_LIMIT);
}

static void too_many_terms(void **state)
{
    (void)state;
    static struct vault_term terms[VAULT_TERMS_MAX + 1];
    struct vault_query query = {.terms = terms, .count = ARRAY_LEN(terms), .online = true};
    struct vault_eyes eyes = site_eyes(GROUP);
    struct vault_located *found;
    size_t count, total;
    struct store_conn *conn = site_read(&site);
    assert_err(vault_object_locate(conn, &eyes, &query, site.arena, &found, &count, &total, NULL),
               ERR_LIMIT);
    query.count = VAULT_TERMS_MAX;
    assert_ok(vault_object_locate(conn, &eyes, &query, site.arena, &found, &count, &total, NULL));
    assert_int_equal(count, 0);
    store_reader_end(site.reader);
}

static void keys_order_as_values_do(void **state)
{
    (void)state;
    static const int64_t numbers[] = {INT64_MIN, -256, -1, 0, 1, 255, 256, INT64_MAX};
    for (size_t i = 1; i < ARRAY_LEN(numbers); i++) {
        struct vault_key a = vault_key_number(DATE, numbers[i - 1]),
                         b = vault_key_number(DATE, numbers[i]);
        assert_true(key_compare(&a, &b) < 0);
    }
    char longer[100];
    memset(longer, 'x', sizeof(longer));
    struct vault_key whole = vault_key_bytes(NAME, bytes_of(longer, VAULT_KEY_MAX)),
                     cut = vault_key_bytes(NAME, bytes_of(longer, VAULT_KEY_MAX + 1)),
                     other = vault_key_bytes(NAME, bytes_of(longer, VAULT_KEY_MAX + 2)),
                     empty = vault_key_bytes(NAME, bytes_str(""));
    assert_int_equal(whole.len, VAULT_KEY_MAX);
    assert_int_equal(cut.len, VAULT_KEY_MAX);
    assert_int_equal(empty.len, 0);
    assert_memory_equal(cut.value, longer, VAULT_KEY_CUT);
    assert_true(key_compare(&cut, &other) != 0);
    assert_true(key_compare(&cut, &whole) != 0);
    struct vault_key custom = vault_key_custom(bytes_str("x-a"), bytes_str("v")),
                     elsewhere = vault_key_custom(bytes_str("x-b"), bytes_str("v"));
    assert_int_equal(custom.attribute, VAULT_KEY_CUSTOM);
    assert_true(key_compare(&custom, &elsewhere) != 0);
}

static void entries_come_back_as_they_went(void **state)
{
    (void)state;
    struct vault_key keys[] = {
        vault_key_bytes(NAME, bytes_str("b")), vault_key_bytes(NAME, bytes_str("a")),
        vault_key_bytes(NAME, bytes_str("b")), vault_key_number(VAULT_KEY_STATE, 4)};
    struct key_list list, again;
    struct bytes blob;
    assert_ok(key_list_make(keys, ARRAY_LEN(keys), 2, site.arena, &list));
    assert_int_equal(list.count, 3);
    assert_ok(key_list_encode(&list, site.arena, &blob));
    assert_ok(key_list_decode(blob, site.arena, &again));
    assert_int_equal(again.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(key_compare(&list.keys[i], &again.keys[i]), 0);
    struct vault_key active = vault_key_number(VAULT_KEY_STATE, 2);
    assert_int_equal(key_compare(&again.keys[2], &active), 0);
    for (size_t cut = 1; cut < blob.len; cut++) {
        enum err err = key_list_decode(bytes_of(blob.data, cut), site.arena, &again);
        assert_true(err == ERR_CORRUPT || (err == ERR_OK && again.count < 3));
    }
    static const uint8_t wild[] = {0, 0, 0, 1, 255, 1, 2};
    assert_err(key_list_decode(BYTES(wild), site.arena, &again), ERR_CORRUPT);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(as_the_model_says), CASE(after_changes_too), CASE(what_takes_long_is_left_to_others),
          CASE(too_many_terms), CASE(keys_order_as_values_do), CASE(entries_come_back_as_they_went))

#include "api/audit_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../keeper/chain.h"
#include "../keeper/rig.h"
#include "api/json.h"

#define TEXT                                                                                       \
    "a note that is somewhat longer, so that some thousand of them fill more than a segment"
#define NODE UINT64_C(0xfedcba9876543210) /* beyond what a JSON number holds */

static struct rig rig;

static int begin(void **state)
{
    (void)state;
    rig_begin(&rig, NULL);
    for (unsigned i = 0; i < 30; i++)
        assert_ok(
            keeper_note(rig_client(&rig, 0), i % 3 == 0 ? "cli:odd" : RIG_ACTOR, "a note", NULL));
    struct rig_key key = rig_generate(&rig, KEEPER_NODE, NODE);
    (void)key;
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_ok(rig_end(&rig));
    return 0;
}

static size_t count(const struct audit_filter *filter, json_t **ret_json)
{
    struct err_detail detail = {0};
    json_decref(*ret_json);
    *ret_json = NULL;
    if (audit_show_json(rig.dir, filter, ret_json, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    return json_array_size(json_object_get(*ret_json, "records"));
}

static json_int_t seq(const json_t *json, size_t n)
{
    return json_integer_value(
        json_object_get(json_array_get(json_object_get(json, "records"), n), "seq"));
}

static void records_are_chosen_and_in_order(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *json = NULL;
    size_t all = count(&(struct audit_filter){0}, &json);
    assert_true(all > 31);
    json_int_t last = seq(json, all - 1);
    assert_int_equal(count(&(struct audit_filter){.last = 5}, &json), 5);
    assert_int_equal(seq(json, 0), last - 4);
    assert_int_equal(seq(json, 4), last);
    assert_int_equal(count(&(struct audit_filter){.last = 5, .head = (uint64_t)last}, &json), 5);
    assert_int_equal(seq(json, 0), last - 4);
    assert_int_equal(count(&(struct audit_filter){.actor = "cli:odd"}, &json), 10);
    assert_int_equal(count(&(struct audit_filter){.actor = "cli:odd", .last = 3}, &json), 3);
    assert_int_equal(count(&(struct audit_filter){.kind = "note", .actor = "nobody"}, &json), 0);
    assert_int_equal(count(&(struct audit_filter){.last = 5, .before = 11}, &json), 5);
    assert_int_equal(seq(json, 4), 10);
    struct audit_filter page = {.last = 5, .before = 11, .head = (uint64_t)last};
    assert_int_equal(count(&page, &json), 5);
    assert_int_equal(seq(json, 0), 6);
    page.before = 3;
    assert_int_equal(count(&page, &json), 2);
    json_t *none = NULL;
    assert_err(audit_show_json(rig.dir, &(struct audit_filter){.kind = "odd"}, &none, NULL),
               ERR_ARGUMENT);
    assert_err(audit_show_json("/nonexistent", &(struct audit_filter){0}, &none, NULL),
               ERR_NOT_FOUND);
}

/* Whatever a record shows is found, in the whole chain and not only at its end. */
static void records_are_searched(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *json = NULL;
    size_t all = count(&(struct audit_filter){0}, &json);
    AUTO(json_freep)
    json_t *first = json_incref(json_array_get(json_object_get(json, "records"), 0));
    static const struct {
        const char *text;
        size_t found;
    } cases[] = {{"cli:odd", 10},      {"CLI:Odd", 10}, {"a note", 30},      {"A NOTE", 30},
                 {"0xfedcba98765", 1}, {"generate", 1}, {"no such thing", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(count(&(struct audit_filter){.text = cases[i].text}, &json),
                         cases[i].found);
    assert_int_equal(count(&(struct audit_filter){.text = "odd", .kind = "generate"}, &json), 0);
    assert_int_equal(count(&(struct audit_filter){.text = "note", .last = 4}, &json), 4);
    char hash[13];
    (void)snprintf(hash, sizeof hash, "%s", json_string_value(json_object_get(first, "hash")));
    assert_int_equal(count(&(struct audit_filter){.text = hash, .head = all, .last = 20}, &json),
                     1);
    assert_int_equal(seq(json, 0), json_integer_value(json_object_get(first, "seq")));
    int64_t now = time(NULL);
    assert_int_equal(count(&(struct audit_filter){.from = now - 3600}, &json), all);
    assert_int_equal(count(&(struct audit_filter){.from = now + 3600}, &json), 0);
    assert_int_equal(count(&(struct audit_filter){.to = now - 3600}, &json), 0);
    assert_int_equal(count(&(struct audit_filter){.from = now - 3600, .to = now + 3600}, &json),
                     all);
    AUTO(json_freep) json_t *kinds = audit_kinds_json();
    assert_true(json_array_size(kinds) > 40);
    assert_string_equal(json_string_value(json_array_get(kinds, 0)), "start");
}

static json_int_t row(const json_t *json, size_t n)
{
    return json_integer_value(
        json_object_get(json_array_get(json_object_get(json, "records"), n), "row"));
}

static size_t search(const struct chain *chain, const struct audit_filter *filter,
                     json_t **ret_json)
{
    json_decref(*ret_json);
    *ret_json = NULL;
    assert_ok(audit_show_json(chain->dir, filter, ret_json, NULL));
    return json_array_size(json_object_get(*ret_json, "records"));
}

/* From the newest segment backwards: the same as looking through all of them. */
static void many_segments_are_searched(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *json = NULL;
    struct chain chain = chain_begin();
    for (unsigned i = 1; i <= 600; i++) {
        if (audit_wants_spare(chain.audit))
            assert_ok(audit_add_spare(chain.audit, chain_new_file(&chain, CHAIN_SEGMENT), NULL));
        const struct audit_event event = {
            .kind = AUDIT_RELEASE, .row = i, .actor = bytes_str(i % 60 == 0 ? "rare" : "often")};
        assert_ok(audit_append(chain.audit, &event));
    }
    chain_close(&chain);
    size_t all = search(&chain, &(struct audit_filter){0}, &json);
    assert_true(all >= 600);
    for (size_t i = 0; i < all; i++)
        assert_int_equal(seq(json, i), i + 1);
    json_t *record = json_array_get(json_object_get(json, "records"), all - 1);
    assert_true(json_integer_value(json_object_get(record, "segment")) > 3);
    assert_int_equal(search(&chain, &(struct audit_filter){.actor = "rare"}, &json), 10);
    assert_int_equal(row(json, 0), 60);
    assert_int_equal(row(json, 9), 600);
    assert_int_equal(search(&chain, &(struct audit_filter){.actor = "rare", .last = 4}, &json), 4);
    assert_int_equal(row(json, 0), 420);
    assert_int_equal(row(json, 3), 600);
    assert_int_equal(search(&chain, &(struct audit_filter){.actor = "often", .last = 300}, &json),
                     300);
    assert_int_equal(row(json, 0), 295);
    assert_int_equal(row(json, 299), 599);
    assert_int_equal(search(&chain, &(struct audit_filter){.kind = "release", .last = 7}, &json),
                     7);
    assert_int_equal(search(&chain, &(struct audit_filter){.actor = "nobody"}, &json), 0);
    assert_int_equal(search(&chain, &(struct audit_filter){.actor = "rare"}, &json), 10);
    const struct audit_filter page = {
        .actor = "rare", .last = 4, .before = (uint64_t)seq(json, 6), .head = all};
    assert_int_equal(search(&chain, &page, &json), 4);
    assert_int_equal(row(json, 0), 180);
    assert_int_equal(row(json, 3), 360);
    assert_int_equal(search(&chain, &(struct audit_filter){.actor = "rare", .before = 1}, &json),
                     0);
    const struct audit_filter tail = {.last = 5, .before = 100, .head = all};
    assert_int_equal(search(&chain, &tail, &json), 5);
    assert_int_equal(seq(json, 0), 95);
    assert_int_equal(seq(json, 4), 99);
    /* the oldest segments were put elsewhere */
    char *path = chain_path(&chain, 1);
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_int_equal(search(&chain, &(struct audit_filter){.actor = "nobody"}, &json), 0);
    assert_true(search(&chain, &(struct audit_filter){0}, &json) < all);
    assert_int_equal(seq(json, 0) + (json_int_t)json_array_size(json_object_get(json, "records")),
                     all + 1);
    chain_end(&chain);
}

static void a_nodes_id_is_text(void **state)
{
    (void)state;
    AUTO(json_freep) json_t *json = NULL;
    assert_int_equal(count(&(struct audit_filter){.last = 1}, &json), 1);
    const json_t *record = json_array_get(json_object_get(json, "records"), 0);
    assert_string_equal(json_string_value(json_object_get(record, "node")), "0xfedcba9876543210");
    assert_null(json_object_get(record, "row"));
}

static void a_verdict_names_the_problem(void **state)
{
    (void)state;
    struct audit_verify_result *result = calloc(1, sizeof *result);
    result->records = 3;
    AUTO(json_freep) json_t *good = audit_verify_json(result);
    assert_true(json_is_true(json_object_get(good, "verified")));
    result->problem.err = ERR_AUDIT;
    result->problem.seq = 2;
    AUTO(json_freep) json_t *bad = audit_verify_json(result);
    assert_true(json_is_false(json_object_get(bad, "verified")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(bad, "problem"), "seq")),
                     2);
    free(result);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(records_are_chosen_and_in_order, begin, end),
          cmocka_unit_test_setup_teardown(records_are_searched, begin, end),
          cmocka_unit_test(many_segments_are_searched),
          cmocka_unit_test_setup_teardown(a_nodes_id_is_text, begin, end),
          cmocka_unit_test(a_verdict_names_the_problem))

/* Batches that are undone as one, and what transactions see. */

#include "vault/object_tx.h"

#include "site.h"

#define NAME 0x420053u

static struct site site;
static struct vault_eyes eyes;
static struct vault_deferred *deferred;

static int begin(void **state)
{
    (void)state;
    site_begin(&site);
    eyes = site_eyes(GROUP);
    assert_ok(vault_deferred_new(site.objects, site.arena, &deferred));
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_check(&site);
    site_end(&site);
    return 0;
}

/* What one transaction does, step by step. */
struct step {
    enum { INSERT, UPDATE, RENAME, USE, FAIL } what;
    struct vault_object *object;
    const char *name;
    int64_t units;
};
struct steps {
    const struct step *steps;
    size_t count;
};

static enum err do_step(struct vault_tx *tx, const struct step *step, struct err_detail *detail)
{
    struct vault_key key = vault_key_bytes(NAME, bytes_str(step->name ? step->name : ""));
    struct vault_object object;
    if (step->what == FAIL)
        return ERR_DENIED;
    if (step->what == INSERT)
        return vault_tx_insert(tx, step->object, &key, 1, detail);
    TRY(vault_tx_get(tx, bytes_str(step->object->uid), &object, detail));
    if (step->what == USE)
        return vault_tx_use(tx, object.id, step->units, detail);
    object.attributes = bytes_str(step->name);
    return vault_tx_update(tx, &object, step->what == RENAME ? &key : NULL, 1, detail);
}

static enum err steps_fn(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    const struct steps *steps = ctx;
    for (size_t i = 0; i < steps->count; i++)
        TRY(do_step(tx, &steps->steps[i], detail));
    return ERR_OK;
}

static enum err run(struct vault_deferred *in, const struct step *steps, size_t count)
{
    struct steps all = {steps, count};
    return vault_objects_run(site.objects, in, &eyes, steps_fn, &all, NULL);
}
#define RUN(in, ...)                                                                               \
    run(in, (const struct step[]){__VA_ARGS__}, ARRAY_LEN(((const struct step[]){__VA_ARGS__})))

static enum err seen_in_batch(const char *uid, struct vault_object *ret_object)
{
    struct store_conn *conn = site_read(&site);
    enum err err =
        vault_deferred_get(deferred, conn, &eyes, bytes_str(uid), site.arena, ret_object, NULL);
    store_reader_end(site.reader);
    return err;
}

static size_t named(const char *name)
{
    return site_count(&site, GROUP, vault_key_bytes(NAME, bytes_str(name)));
}

static void a_batch_is_written_at_its_end(void **state)
{
    (void)state;
    struct vault_object old = site_object(&site), new = site_object(&site), got;
    assert_ok(RUN(NULL, {INSERT, &old, "old"}));
    assert_ok(RUN(deferred, {INSERT, &new, "new"}, {UPDATE, &new, "again"}));
    assert_ok(RUN(deferred, {RENAME, &old, "renamed"}));
    assert_ok(RUN(deferred, {UPDATE, &new, "third"}, {UPDATE, &old, "fourth"}));
    assert_err(site_get(&site, GROUP, new.uid, &got), ERR_NOT_FOUND);
    assert_ok(seen_in_batch(new.uid, &got));
    assert_true(bytes_equal(got.attributes, bytes_str("third")));
    assert_true(bytes_equal(got.sealed, new.sealed));
    assert_ok(seen_in_batch(old.uid, &got));
    assert_true(bytes_equal(got.attributes, bytes_str("fourth")));
    assert_ok(site_get(&site, GROUP, old.uid, &got));
    assert_true(bytes_equal(got.attributes, bytes_str("attributes")));
    assert_int_equal(named("new"), 0);
    assert_ok(vault_deferred_commit(deferred, NULL));
    assert_ok(site_get(&site, GROUP, new.uid, &got));
    assert_true(bytes_equal(got.attributes, bytes_str("third")));
    assert_ok(site_get(&site, GROUP, old.uid, &got));
    assert_true(bytes_equal(got.attributes, bytes_str("fourth")));
    assert_int_equal(named("new"), 1);
    assert_int_equal(named("old"), 0);
    assert_int_equal(named("renamed"), 1);
    assert_ok(vault_deferred_commit(deferred, NULL)); /* nothing is left to do */
}

static void a_dropped_one_leaves_nothing(void **state)
{
    (void)state;
    struct vault_object old = site_object(&site), new = site_object(&site), got;
    assert_ok(RUN(NULL, {INSERT, &old, "old"}));
    assert_ok(RUN(deferred, {INSERT, &new, "new"}, {RENAME, &old, "renamed"}));
    vault_deferred_drop(deferred);
    assert_err(seen_in_batch(new.uid, &got), ERR_NOT_FOUND);
    assert_ok(vault_deferred_commit(deferred, NULL));
    assert_err(site_get(&site, GROUP, new.uid, &got), ERR_NOT_FOUND);
    assert_int_equal(named("old"), 1);
}

static void a_transaction_that_fails_counts_for_nothing(void **state)
{
    (void)state;
    struct vault_object first = site_object(&site), second = site_object(&site), got;
    assert_err(RUN(NULL, {INSERT, &first, "a"}, {FAIL, NULL, NULL}), ERR_DENIED);
    assert_err(site_get(&site, GROUP, first.uid, &got), ERR_NOT_FOUND);
    assert_ok(RUN(deferred, {INSERT, &first, "a"}));
    assert_err(RUN(deferred, {INSERT, &second, "b"}, {RENAME, &first, "c"}, {FAIL, NULL, NULL}),
               ERR_DENIED);
    assert_err(seen_in_batch(second.uid, &got), ERR_NOT_FOUND);
    assert_err(RUN(deferred, {INSERT, &first, "a"}), ERR_EXISTS);
    assert_ok(vault_deferred_commit(deferred, NULL));
    assert_int_equal(named("a"), 1);
    assert_int_equal(named("b"), 0);
    assert_int_equal(named("c"), 0);
    assert_err(RUN(deferred, {INSERT, &first, "a"}), ERR_EXISTS);
}

static void who_comes_second_loses(void **state)
{
    (void)state;
    struct vault_object old = site_object(&site), new = site_object(&site), got;
    assert_ok(RUN(NULL, {INSERT, &old, "old"}));
    assert_ok(RUN(deferred, {RENAME, &old, "mine"}, {INSERT, &new, "new"}));
    assert_ok(RUN(NULL, {RENAME, &old, "theirs"}));
    assert_err(vault_deferred_commit(deferred, NULL), ERR_CONFLICT);
    assert_int_equal(named("theirs"), 1);
    assert_int_equal(named("mine"), 0);
    assert_err(site_get(&site, GROUP, new.uid, &got), ERR_NOT_FOUND);
}

static enum err update_stale(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    return vault_tx_update(tx, ctx, NULL, 0, detail);
}

static void an_old_copy_is_not_written_back(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site), copy;
    assert_ok(RUN(NULL, {INSERT, &object, "a"}));
    assert_ok(site_get(&site, GROUP, object.uid, &copy));
    assert_ok(RUN(NULL, {RENAME, &object, "b"}));
    assert_err(vault_objects_run(site.objects, NULL, &eyes, update_stale, &copy, NULL),
               ERR_CONFLICT);
    assert_err(vault_objects_run(site.objects, deferred, &eyes, update_stale, &copy, NULL),
               ERR_CONFLICT);
    copy = site_object(&site);
    assert_err(vault_objects_run(site.objects, NULL, &eyes, update_stale, &copy, NULL),
               ERR_CONFLICT);
}

static void others_objects_are_not_there(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site), got;
    assert_ok(RUN(deferred, {INSERT, &object, "a"}));
    eyes = site_eyes(GROUP + 1);
    assert_err(seen_in_batch(object.uid, &got), ERR_NOT_FOUND);
    assert_err(RUN(deferred, {RENAME, &object, "b"}), ERR_NOT_FOUND);
}

static void usage_is_counted_with_the_batch(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site), got;
    object.usage_total = 10;
    object.usage_left = 10;
    assert_ok(RUN(NULL, {INSERT, &object, "a"}));
    assert_ok(RUN(deferred, {USE, &object, NULL, 4}, {USE, &object, NULL, 3}));
    assert_err(RUN(deferred, {USE, &object, NULL, 4}), ERR_LIMIT);
    assert_ok(seen_in_batch(object.uid, &got));
    assert_int_equal(got.usage_left, 3);
    assert_ok(RUN(deferred, {UPDATE, &object, "changed"}));
    assert_ok(seen_in_batch(object.uid, &got));
    assert_int_equal(got.usage_left, 3);
    assert_err(RUN(deferred, {USE, &object, NULL, 4}), ERR_LIMIT);
    assert_ok(vault_deferred_commit(deferred, NULL));
    assert_ok(site_get(&site, GROUP, object.uid, &got));
    assert_int_equal(got.usage_left, 3);
    assert_ok(RUN(deferred, {USE, &object, NULL, 2}));
    assert_ok(vault_object_use(site.objects, object.id, 2, NULL));
    assert_err(vault_deferred_commit(deferred, NULL), ERR_LIMIT);
    vault_deferred_drop(deferred);
    assert_ok(RUN(deferred, {UPDATE, &object, "changed again"}));
    assert_ok(vault_object_use(site.objects, object.id, 1, NULL));
    assert_err(vault_deferred_commit(deferred, NULL), ERR_CONFLICT);
    assert_ok(site_get(&site, GROUP, object.uid, &got));
    assert_int_equal(got.usage_left, 0);
}

static void usage_of_a_new_object(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site), got;
    object.usage_total = 5;
    object.usage_left = 5;
    assert_ok(RUN(deferred, {INSERT, &object, "a"}, {USE, &object, NULL, 4}));
    assert_err(RUN(deferred, {USE, &object, NULL, 2}), ERR_LIMIT);
    assert_ok(RUN(deferred, {UPDATE, &object, "b"}, {USE, &object, NULL, 1}));
    assert_ok(vault_deferred_commit(deferred, NULL));
    assert_ok(site_get(&site, GROUP, object.uid, &got));
    assert_int_equal(got.usage_left, 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(a_batch_is_written_at_its_end), CASE(a_dropped_one_leaves_nothing),
          CASE(a_transaction_that_fails_counts_for_nothing), CASE(who_comes_second_loses),
          CASE(an_old_copy_is_not_written_back), CASE(others_objects_are_not_there),
          CASE(usage_is_counted_with_the_batch), CASE(usage_of_a_new_object))

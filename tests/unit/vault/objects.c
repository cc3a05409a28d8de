#include "vault/objects.h"

#include <pthread.h>
#include <stdio.h>

#include "site.h"
#include "vault/object_tx.h"
#include "vault/state.h"

#define NAME 0x420053u

static struct site site;

static int begin(void **state)
{
    (void)state;
    site_begin(&site);
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_check(&site);
    site_end(&site);
    return 0;
}

static struct vault_key name_key(const char *name)
{
    return vault_key_bytes(NAME, bytes_str(name));
}

static void what_is_inserted_is_there(void **state)
{
    (void)state;
    static const uint8_t value[3000] = {9, 8, 7};
    struct vault_object object = site_object(&site), got;
    object.value = BYTES(value);
    object.activation = 5;
    object.deactivation = INT64_C(1) << 40;
    object.process_start = -3;
    object.protect_stop = 0;
    object.compromise_occurred = 12;
    object.archive_date = 13;
    object.original_created = 14;
    object.archived = true;
    object.usage_total = 100;
    object.usage_left = 60;
    object.usage_unit = 1;
    struct vault_key keys[] = {name_key("a"), name_key("b"), name_key("a")};
    assert_ok(site_insert(&site, &object, keys, ARRAY_LEN(keys)));
    for (int round = 0; round < 2; round++) {
        assert_ok(site_get(&site, GROUP, object.uid, &got));
        assert_int_equal(got.id, object.id);
        assert_string_equal(got.uid, object.uid);
        assert_int_equal(got.type, 2);
        assert_int_equal(got.state, 2);
        assert_int_equal(got.group, GROUP);
        assert_int_equal(got.owner, 1);
        assert_int_equal(got.placement, VAULT_IN_STORE);
        assert_int_equal(got.alg, 3);
        assert_int_equal(got.bits, 256);
        assert_int_equal(got.mask, 12);
        assert_int_equal(got.domain, vault_objects_domain(site.objects));
        assert_int_equal(got.epoch, 1);
        assert_int_equal(got.version, 1);
        assert_true(got.archived);
        assert_true(bytes_equal(got.sealed, object.sealed));
        assert_true(bytes_equal(got.value, object.value));
        assert_true(bytes_equal(got.attributes, object.attributes));
        assert_int_equal(got.initial, 1000);
        assert_int_equal(got.activation, 5);
        assert_int_equal(got.process_start, -3);
        assert_int_equal(got.protect_stop, 0);
        assert_int_equal(got.deactivation, INT64_C(1) << 40);
        assert_true(got.destroyed == VAULT_NO_DATE);
        assert_true(got.compromised == VAULT_NO_DATE);
        assert_int_equal(got.compromise_occurred, 12);
        assert_int_equal(got.archive_date, 13);
        assert_int_equal(got.last_change, 1000);
        assert_int_equal(got.original_created, 14);
        assert_int_equal(got.usage_total, 100);
        assert_int_equal(got.usage_left, 60);
        assert_int_equal(got.usage_unit, 1);
        struct keeper_row row = vault_object_row(&got);
        assert_int_equal(row.table, KEEPER_OBJECT);
        assert_int_equal(row.row, object.id);
        assert_int_equal(row.epoch, 1);
        assert_int_equal(site_count(&site, GROUP, keys[0]), 1);
        site_close(&site);
        site_open(&site);
    }
}

static void refusals(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site), again = site_object(&site), got;
    assert_ok(site_insert(&site, &object, NULL, 0));
    memcpy(again.uid, object.uid, sizeof(again.uid));
    assert_err(site_insert(&site, &again, NULL, 0), ERR_EXISTS);
    again = object;
    again.uid[3] = 'x';
    assert_err(site_insert(&site, &again, NULL, 0), ERR_EXISTS);
    again = site_object(&site);
    again.uid[0] = '\0';
    assert_err(site_insert(&site, &again, NULL, 0), ERR_ARGUMENT);
    again = site_object(&site);
    again.group = 0;
    assert_err(site_insert(&site, &again, NULL, 0), ERR_ARGUMENT);
    again = site_object(&site);
    again.attributes = bytes_of(object.uid, VAULT_OBJECT_BLOB_MAX + 1);
    assert_err(site_insert(&site, &again, NULL, 0), ERR_LIMIT);
    static struct vault_key many[VAULT_KEYS_MAX + 1];
    again = site_object(&site);
    assert_err(site_insert(&site, &again, many, ARRAY_LEN(many)), ERR_LIMIT);
    assert_err(site_get(&site, GROUP, again.uid, &got), ERR_NOT_FOUND);
    assert_err(site_get(&site, GROUP, "", &got), ERR_NOT_FOUND);
    char longer[VAULT_UID_MAX + 2];
    memset(longer, 'u', sizeof(longer));
    longer[VAULT_UID_MAX + 1] = '\0';
    assert_err(site_get(&site, GROUP, longer, &got), ERR_NOT_FOUND);
    struct vault_eyes eyes = site_eyes(GROUP);
    struct store_conn *conn = site_read(&site);
    /* a name that goes on behind a NUL is another one */
    assert_err(vault_object_get(conn, &eyes, bytes_of(object.uid, strlen(object.uid) + 1),
                                site.arena, &got, NULL),
               ERR_NOT_FOUND);
    store_reader_end(site.reader);
    assert_err(site_update(&site, "not-there", NULL, NULL, 0), ERR_NOT_FOUND);
}

static void other_groups_see_nothing(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site), got;
    struct vault_key key = name_key("disk");
    assert_ok(site_insert(&site, &object, &key, 1));
    assert_ok(site_get(&site, GROUP, object.uid, &got));
    assert_err(site_get(&site, GROUP + 1, object.uid, &got), ERR_NOT_FOUND);
    assert_int_equal(site_count(&site, GROUP, key), 1);
    assert_int_equal(site_count(&site, GROUP + 1, key), 0);
    struct vault_eyes none = {.client = 1};
    struct store_conn *conn = site_read(&site);
    assert_err(vault_object_get(conn, &none, bytes_str(object.uid), site.arena, &got, NULL),
               ERR_NOT_FOUND);
    store_reader_end(site.reader);
    object = site_object(&site);
    object.group = GROUP + 1;
    assert_ok(site_insert(&site, &object, NULL, 0));
    assert_err(site_update(&site, object.uid, NULL, NULL, 0), ERR_NOT_FOUND);
}

static void rename_it(struct vault_object *object)
{
    object->last_change = 2000;
    object->attributes = bytes_str("other");
}

static void an_update_changes_row_and_index(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site), got;
    struct vault_key keys[] = {name_key("one"), name_key("both")},
                     after[] = {name_key("both"), name_key("two")};
    assert_ok(site_insert(&site, &object, keys, ARRAY_LEN(keys)));
    assert_ok(site_update(&site, object.uid, rename_it, after, ARRAY_LEN(after)));
    assert_ok(site_get(&site, GROUP, object.uid, &got));
    assert_int_equal(got.version, 2);
    assert_int_equal(got.last_change, 2000);
    assert_true(bytes_equal(got.attributes, bytes_str("other")));
    assert_int_equal(site_count(&site, GROUP, name_key("one")), 0);
    assert_int_equal(site_count(&site, GROUP, name_key("both")), 1);
    assert_int_equal(site_count(&site, GROUP, name_key("two")), 1);
    assert_ok(site_update(&site, object.uid, NULL, NULL, 0));
    assert_int_equal(site_count(&site, GROUP, name_key("two")), 1);
}

static void destroy_it(struct vault_object *object)
{
    object->state = VAULT_DESTROYED;
    object->sealed = (struct bytes){NULL, 0};
    object->destroyed = 3000;
}

static void what_is_destroyed_is_overwritten(void **state)
{
    (void)state;
    static const char mark[64] = "the sealed record of a key that has to go, found by this text..";
    struct vault_object object = site_object(&site), got;
    object.sealed = BYTES(mark);
    assert_ok(site_insert(&site, &object, NULL, 0));
    assert_ok(site_update(&site, object.uid, destroy_it, NULL, 0));
    assert_ok(site_get(&site, GROUP, object.uid, &got));
    assert_int_equal(got.sealed.len, 0);
    assert_int_equal(got.state, VAULT_DESTROYED);
    assert_int_equal(site_count(&site, GROUP, vault_key_number(VAULT_KEY_STATE, VAULT_DESTROYED)),
                     1);
    assert_int_equal(site_count(&site, GROUP, vault_key_number(VAULT_KEY_STATE, VAULT_ACTIVE)), 0);
    /* the log is copied into the file when the store is closed */
    char path[600], content[4096 + 64] = {0};
    snprintf(path, sizeof(path), "%s/store.db", site.dir);
    site_close(&site);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t kept = 0, len;
    while ((len = fread(content + kept, 1, 4096, file)) > 0) {
        assert_null(memmem(content, kept + len, mark, sizeof(mark)));
        memmove(content, content + kept + len - (len < 64 ? len : 64), len < 64 ? len : 64);
        kept = len < 64 ? len : 64;
    }
    (void)fclose(file);
    site_open(&site);
}

static void numbers_are_given_once(void **state)
{
    (void)state;
    uint64_t last = 0;
    char before[VAULT_UID_MAX + 1] = "";
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 70000; i++) {
            uint64_t id;
            char uid[VAULT_UID_MAX + 1];
            assert_ok(vault_object_next(site.objects, &id, uid));
            assert_true(id > last);
            last = id;
            if (i % 10000 != 0)
                continue;
            assert_int_equal(strlen(uid), 36);
            assert_int_equal(uid[14], '7');
            assert_true(strchr("89ab", uid[19]) != NULL);
            assert_true(strncmp(uid, before, 18) >= 0); /* they grow */
            memcpy(before, uid, sizeof(before));
        }
        site_close(&site);
        site_open(&site);
    }
}

static struct vault_object dated(int64_t activation, int64_t deactivation)
{
    struct vault_object object = site_object(&site);
    object.state = VAULT_PRE_ACTIVE;
    object.activation = activation;
    object.deactivation = deactivation;
    return object;
}

static void dates_make_the_state(void **state)
{
    (void)state;
    struct vault_object object = dated(100, 200);
    assert_int_equal(vault_object_state(&object, 99), VAULT_PRE_ACTIVE);
    assert_int_equal(vault_object_state(&object, 100), VAULT_ACTIVE);
    assert_int_equal(vault_object_state(&object, 200), VAULT_DEACTIVATED);
    object.state = VAULT_COMPROMISED;
    assert_int_equal(vault_object_state(&object, 300), VAULT_COMPROMISED);
    object = dated(VAULT_NO_DATE, 200);
    assert_int_equal(vault_object_state(&object, 300), VAULT_PRE_ACTIVE);
}

static uint32_t stored_state(const char *uid)
{
    struct vault_object got;
    assert_ok(site_get(&site, GROUP, uid, &got));
    assert_int_equal(site_count(&site, GROUP, vault_key_number(VAULT_KEY_STATE, got.state)),
                     site_ask(&site, got.state == 1 ? "SELECT count(*) FROM object WHERE state = 1"
                                     : got.state == 2
                                         ? "SELECT count(*) FROM object WHERE state = 2"
                                         : "SELECT count(*) FROM object WHERE state = 3"));
    return got.state;
}

static void put_off(struct vault_object *object)
{
    object->deactivation = 500;
}

static void a_sweep_writes_what_the_dates_say(void **state)
{
    (void)state;
    size_t count;
    struct vault_key key = name_key("kept");
    struct vault_object first = dated(100, 200), second = dated(150, VAULT_NO_DATE),
                        third = dated(120, 130), never = site_object(&site);
    assert_ok(site_insert(&site, &first, &key, 1));
    assert_ok(site_insert(&site, &second, &key, 1));
    assert_ok(site_insert(&site, &third, &key, 1));
    assert_ok(site_insert(&site, &never, &key, 1));
    assert_ok(vault_objects_sweep(site.objects, 99, &count, NULL));
    assert_int_equal(count, 0);
    assert_ok(vault_objects_sweep(site.objects, 140, &count, NULL));
    assert_int_equal(count, 2);
    assert_int_equal(stored_state(first.uid), VAULT_ACTIVE);
    assert_int_equal(stored_state(second.uid), VAULT_PRE_ACTIVE);
    assert_int_equal(stored_state(third.uid), VAULT_DEACTIVATED);
    assert_int_equal(stored_state(never.uid), VAULT_ACTIVE);
    assert_ok(site_update(&site, first.uid, put_off, NULL, 0));
    assert_ok(vault_objects_sweep(site.objects, 499, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(stored_state(first.uid), VAULT_ACTIVE);
    assert_int_equal(stored_state(second.uid), VAULT_ACTIVE);
    assert_ok(vault_objects_sweep(site.objects, 500, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(stored_state(first.uid), VAULT_DEACTIVATED);
    assert_int_equal(site_count(&site, GROUP, key), 4);
    assert_int_equal(site_ask(&site, "SELECT count(*) FROM object_due"), 0);
    for (int i = 0; i < 450; i++) {
        struct vault_object many = dated(1000 + i, VAULT_NO_DATE);
        assert_ok(site_insert(&site, &many, NULL, 0));
    }
    assert_ok(vault_objects_sweep(site.objects, 2000, &count, NULL));
    assert_int_equal(count, 450);
}

static void usage_runs_out(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site), free = site_object(&site), got;
    object.usage_total = 10;
    object.usage_left = 10;
    assert_ok(site_insert(&site, &object, NULL, 0));
    assert_ok(site_insert(&site, &free, NULL, 0));
    assert_ok(vault_object_use(site.objects, object.id, 7, NULL));
    assert_err(vault_object_use(site.objects, object.id, 4, NULL), ERR_LIMIT);
    assert_err(vault_object_use(site.objects, object.id, -1, NULL), ERR_ARGUMENT);
    assert_ok(vault_object_use(site.objects, object.id, 3, NULL));
    assert_err(vault_object_use(site.objects, object.id, 1, NULL), ERR_LIMIT);
    assert_ok(vault_object_use(site.objects, free.id, INT64_MAX, NULL));
    assert_ok(site_get(&site, GROUP, object.uid, &got));
    assert_int_equal(got.usage_left, 0);
    assert_int_equal(got.version, 1);
}

/* ---- at once ---- */

static char shared_uid[VAULT_UID_MAX + 1];
static uint64_t shared_id;
#define THREADS 4
#define ROUNDS  100

static void count_up(struct vault_object *object)
{
    object->last_change++;
}

static void *change_and_use(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d", i);
        struct vault_key key = name_key(name);
        if (site_update(&site, shared_uid, count_up, &key, 1) != ERR_OK)
            return NULL;
        enum err err = vault_object_use(site.objects, shared_id, 1, NULL);
        if (err != ERR_OK && err != ERR_LIMIT)
            return NULL;
    }
    return &site;
}

static void *take_numbers(void *arg)
{
    (void)arg;
    for (int i = 0; i < 30000; i++) {
        uint64_t id;
        char uid[VAULT_UID_MAX + 1];
        if (vault_object_next(site.objects, &id, uid) != ERR_OK)
            return NULL;
    }
    return &site;
}

static void a_block_of_numbers_is_reserved_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_numbers, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    assert_int_equal(site_ask(&site, "SELECT reserved FROM serial WHERE kind = 'object'"),
                     2 * 65536); /* of 120,000 */
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct vault_object object = site_object(&site), got;
    object.last_change = 0;
    object.usage_total = ROUNDS * THREADS - 50;
    object.usage_left = object.usage_total;
    memcpy(shared_uid, object.uid, sizeof(shared_uid));
    shared_id = object.id;
    assert_ok(site_insert(&site, &object, NULL, 0));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change_and_use, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    assert_ok(site_get(&site, GROUP, object.uid, &got));
    assert_int_equal(got.last_change, ROUNDS * THREADS);
    assert_int_equal(got.version, 1 + ROUNDS * THREADS);
    assert_int_equal(got.usage_left, 0); /* no update brought back what was used */
    assert_int_equal(site_ask(&site, "SELECT count(*) FROM object_key"), 2);
}

static void no_limit(struct vault_object *object)
{
    object->usage_total = -1;
}

static void limits_come_and_go(void **state)
{
    (void)state;
    struct vault_object object = site_object(&site);
    object.usage_total = 1;
    object.usage_left = 1;
    assert_ok(site_insert(&site, &object, NULL, 0));
    assert_ok(site_update(&site, object.uid, no_limit, NULL, 0));
    assert_ok(vault_object_use(site.objects, object.id, 5, NULL));
    assert_int_equal(site_ask(&site, "SELECT count(*) FROM object_usage"), 0);
}

static size_t sweep_promises(void)
{
    size_t count = 99;
    assert_ok(vault_token_promises_sweep(site.objects, site.keeper, "test", &count, NULL));
    return count;
}

static struct bytes before;

static void replace_key(struct vault_object *object)
{
    object->doomed = before;
    object->doomed_epoch = object->epoch;
}

static void keep_key(struct vault_object *object)
{
    object->mask = 4;
}

/* A key that is made in the token is written down before: with the commit of its object that ends,
 * and what a crash left is destroyed at the next start. */
static void promises_are_kept_or_ended(void **state)
{
    (void)state;
    static const struct keeper_object_spec spec = {CRYPTO_SYMMETRIC, ALG_AES, 256, 0, 0,
                                                   KEEPER_IN_TOKEN};
    struct vault_object kept = site_object(&site), lost = site_object(&site);
    uint64_t promises[2];
    struct vault_object *const objects[] = {&kept, &lost};
    AUTO(buf_done) struct buf sealed = {0};
    for (size_t i = 0; i < 2; i++) {
        struct keeper_object key = {.row = vault_object_row(objects[i]),
                                    .name = bytes_str(objects[i]->uid)};
        sealed.len = 0;
        assert_ok(keeper_object_reserve(site.keeper, "test", &key, &spec, &sealed, NULL));
        key.sealed = buf_view(&sealed);
        assert_ok(vault_token_promise(site.objects, &key, &promises[i], NULL));
    }
    kept.placement = VAULT_IN_TOKEN;
    kept.sealed = buf_view(&sealed);
    kept.promise = promises[0];
    assert_ok(site_insert(&site, &kept, NULL, 0));
    assert_int_equal(site_ask(&site, "SELECT count(*) FROM token_promise"), 1);
    /* it may be under way still */
    assert_int_equal(sweep_promises(), 0);
    site_close(&site);
    site_open(&site);
    assert_int_equal(sweep_promises(), 1);
    assert_int_equal(sweep_promises(), 0);
    /* what is replaced goes in this run */
    assert_ok(site_update(&site, kept.uid, keep_key, NULL, 0));
    assert_int_equal(sweep_promises(), 0);
    struct keeper_object key = {.row = vault_object_row(&kept), .name = bytes_str(kept.uid)};
    sealed.len = 0;
    assert_ok(keeper_object_reserve(site.keeper, "test", &key, &spec, &sealed, NULL));
    before = buf_view(&sealed);
    assert_ok(site_update(&site, kept.uid, replace_key, NULL, 0));
    assert_int_equal(sweep_promises(), 1);
    /* and one that was given up */
    key.sealed = buf_view(&sealed);
    assert_ok(vault_token_promise(site.objects, &key, &promises[0], NULL));
    assert_ok(vault_token_promise_end(site.objects, promises[0], NULL));
    assert_int_equal(site_ask(&site, "SELECT count(*) FROM token_promise"), 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(what_is_inserted_is_there), CASE(refusals), CASE(other_groups_see_nothing),
          CASE(an_update_changes_row_and_index), CASE(what_is_destroyed_is_overwritten),
          CASE(numbers_are_given_once), CASE(dates_make_the_state),
          CASE(a_sweep_writes_what_the_dates_say), CASE(usage_runs_out),
          CASE(nothing_is_lost_between_threads), CASE(a_block_of_numbers_is_reserved_once),
          CASE(limits_come_and_go), CASE(promises_are_kept_or_ended))

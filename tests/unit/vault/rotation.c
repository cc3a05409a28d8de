/* A rotation of the objects' domain: every record opens afterwards, and none comes too late. */

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "site.h"

#define ACTOR   "db-cluster"
#define OBJECTS 300

static struct site site;
static uint8_t keys[OBJECTS][32];
static char uids[OBJECTS][VAULT_UID_MAX + 1];

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

static enum err release(const struct vault_object *object, struct buf *to)
{
    struct keeper_object wanted = {
        .row = vault_object_row(object), .sealed = object->sealed, .name = bytes_str(object->uid)};
    return keeper_object_release(site.keeper, ACTOR, &wanted, to, NULL);
}

/* Sealed, not yet in the store. */
static void seal(struct keeper_client *keeper, struct vault_object *object, struct buf *sealed)
{
    struct keeper_object_spec spec = {.class = CRYPTO_SYMMETRIC, .alg = ALG_AES, .bits = 256};
    struct keeper_object_made made = {.sealed = sealed};
    *object = site_object(&site);
    struct keeper_object wanted = {.row = vault_object_row(object), .name = bytes_str(object->uid)};
    assert_ok(keeper_object_generate(keeper, ACTOR, &wanted, &spec, &made, NULL));
    object->sealed = buf_view(sealed);
}

static void create(size_t i)
{
    struct vault_object object;
    struct buf sealed = {0}, key = {0};
    seal(site.keeper, &object, &sealed);
    assert_ok(release(&object, &key));
    assert_int_equal(key.len, sizeof(keys[i]));
    memcpy(keys[i], buf_view(&key).data, sizeof(keys[i]));
    memcpy(uids[i], object.uid, sizeof(uids[i]));
    assert_ok(site_insert(&site, &object, NULL, 0));
    buf_done(&sealed);
    buf_done(&key);
}

static void check_key(size_t i, uint16_t version)
{
    struct vault_object got;
    struct buf key = {0};
    assert_ok(site_get(&site, GROUP, uids[i], &got));
    assert_int_equal(be16_load(got.sealed.data + 1), version);
    assert_ok(release(&got, &key));
    assert_true(bytes_equal(buf_view(&key), BYTES(keys[i])));
    buf_done(&key);
    arena_reset(site.arena);
}

static void rotate(uint16_t wanted)
{
    uint16_t version;
    assert_ok(vault_domain_rotate(site.vault, site.keeper, ACTOR,
                                  vault_objects_domain(site.objects), NULL, &version));
    assert_int_equal(version, wanted);
}

static enum err reseal(struct keeper_client *keeper)
{
    return vault_domain_reseal(site.vault, keeper, ACTOR, vault_objects_domain(site.objects), NULL,
                               NULL, NULL);
}

static void every_record_moves(void **state)
{
    (void)state;
    struct vault_object bare = site_object(&site), before, after;
    struct vault_domain domain;
    bare.sealed = (struct bytes){NULL, 0};
    assert_ok(site_insert(&site, &bare, NULL, 0));
    for (size_t i = 0; i < OBJECTS; i++)
        create(i);
    assert_ok(site_get(&site, GROUP, uids[7], &before));
    rotate(2);
    check_key(7, 1);
    site_close(&site); /* as after a stop in between */
    site_open(&site);
    uint32_t ids[2];
    assert_int_equal(vault_domains_unfinished(site.vault, ids, 2), 1);
    assert_ok(reseal(site.keeper));
    for (size_t i = 0; i < OBJECTS; i++)
        check_key(i, 2);
    assert_ok(vault_domain_get(site.vault, vault_objects_domain(site.objects), &domain));
    assert_int_equal(domain.oldest, 2);
    /* whoever kept a copy can neither use nor write it */
    struct buf key = {0};
    assert_err(release(&before, &key), ERR_SEAL);
    buf_done(&key);
    assert_ok(site_get(&site, GROUP, uids[7], &after));
    assert_int_equal(after.version, before.version + 1);
}

/* The service was switched off in the middle. */
static void a_rotation_goes_on_without_the_service(void **state)
{
    (void)state;
    struct vault_objects *objects = site.objects;
    uint32_t domain = vault_objects_domain(objects);
    create(0);
    rotate(2);
    vault_objects_close(objects);
    site.objects = NULL;
    assert_ok(vault_domain_reseal(site.vault, site.keeper, ACTOR, domain, NULL, NULL, NULL));
    check_key(0, 2);
}

static void what_comes_late_is_refused(void **state)
{
    (void)state;
    struct vault_object late, stays;
    struct buf sealed = {0}, again = {0};
    seal(site.keeper, &late, &sealed);
    create(0);
    rotate(2);
    seal(site.keeper, &stays, &again);
    assert_ok(reseal(site.keeper));
    assert_err(site_insert(&site, &late, NULL, 0), ERR_CONFLICT);
    assert_ok(site_insert(&site, &stays, NULL, 0));
    check_key(0, 2);
    buf_done(&sealed);
    buf_done(&again);
}

static enum err stage(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    struct vault_object object;
    TRY(vault_tx_get(tx, bytes_str(ctx), &object, detail));
    object.last_change = 5000;
    return vault_tx_update(tx, &object, NULL, 0, detail);
}

static void a_batch_can_not_bring_an_old_record_back(void **state)
{
    (void)state;
    struct vault_deferred *deferred;
    struct vault_eyes eyes = site_eyes(GROUP);
    create(0);
    assert_ok(vault_deferred_new(site.objects, site.arena, &deferred));
    assert_ok(vault_objects_run(site.objects, deferred, &eyes, stage, uids[0], NULL));
    rotate(2);
    assert_ok(reseal(site.keeper));
    assert_err(vault_deferred_commit(deferred, NULL), ERR_CONFLICT);
    check_key(0, 2);
}

static _Atomic bool over;

static void *rotate_on(void *arg)
{
    struct keeper_client *keeper = arg;
    for (int i = 0; i < 5; i++) {
        uint16_t version;
        assert_ok(vault_domain_rotate(site.vault, keeper, ACTOR, vault_objects_domain(site.objects),
                                      NULL, &version));
        assert_ok(reseal(keeper));
    }
    over = true;
    return NULL;
}

static void objects_are_made_meanwhile(void **state)
{
    (void)state;
    pthread_t thread;
    size_t made = 0;
    vault_set_grace_ms(site.vault, 10);
    over = false;
    assert_int_equal(pthread_create(&thread, NULL, rotate_on, rig_client(&site.rig, 1)), 0);
    while (!over || made == 0) {
        struct vault_object object;
        struct buf sealed = {0}, key = {0};
        seal(site.keeper, &object, &sealed);
        size_t i = made % OBJECTS;
        enum err err = release(&object, &key);
        if (err == ERR_OK)
            err = site_insert(&site, &object, NULL, 0);
        /* sealed under a version that is gone or about to go: the client is told, and asks again */
        assert_true(err == ERR_OK || err == ERR_CONFLICT || err == ERR_SEAL);
        if (err == ERR_OK) {
            memcpy(keys[i], buf_view(&key).data, sizeof(keys[i]));
            memcpy(uids[i], object.uid, sizeof(uids[i]));
            made++;
        }
        buf_done(&sealed);
        buf_done(&key);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t i = 0; i < made && i < OBJECTS; i++)
        check_key(i, 6);
    print_message("%zu objects\n", made);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(every_record_moves), CASE(a_rotation_goes_on_without_the_service),
          CASE(what_comes_late_is_refused), CASE(a_batch_can_not_bring_an_old_record_back),
          CASE(objects_are_made_meanwhile))

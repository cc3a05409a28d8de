/* SIGKILL while objects are made, changed and destroyed: what was acknowledged is there, nothing is
 * there by half. The children write without a keeper: the store is what this is about. */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "site.h"
#include "vault/object_domain.h"
#include "vault/state.h"

#define NAME    0x420053u
#define ROUNDS  25
#define THREADS 3

static char *dir;

/* One acknowledged step. */
struct ack {
    char uid[40];
    uint32_t version, state;
};

static enum err open_store(struct store **ret_store)
{
    char url[600];
    snprintf(url, sizeof(url), "sqlite:%s/store.db", dir);
    struct store_config config = {.url = url, .create = true};
    return store_open(&config, ret_store, NULL);
}

struct victim {
    struct vault_objects *objects;
    int acks;
};

struct pair {
    struct vault_object objects[2];
    struct vault_key keys[2][3];
};

static enum err insert_pair(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    const struct pair *pair = ctx;
    for (int i = 0; i < 2; i++)
        TRY(vault_tx_insert(tx, &pair->objects[i], pair->keys[i], 3, detail));
    return ERR_OK;
}

static enum err change_pair(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    struct pair *pair = ctx;
    for (int i = 0; i < 2; i++) {
        struct vault_object object;
        TRY(vault_tx_get(tx, bytes_str(pair->objects[i].uid), &object, detail));
        object.state++; /* active, deactivated, compromised, destroyed */
        if (object.state == VAULT_DESTROYED)
            object.sealed = (struct bytes){NULL, 0};
        TRY(vault_tx_update(tx, &object, pair->keys[i], 3, detail));
        pair->objects[i].state = object.state;
        pair->objects[i].version = object.version + 1;
    }
    return ERR_OK;
}

static void acknowledge(const struct victim *victim, const struct pair *pair)
{
    struct ack acks[2] = {{.uid = ""}, {.uid = ""}};
    for (int i = 0; i < 2; i++) {
        memcpy(acks[i].uid, pair->objects[i].uid, 37);
        acks[i].version = pair->objects[i].version;
        acks[i].state = pair->objects[i].state;
    }
    if (write(victim->acks, acks, sizeof(acks)) != sizeof(acks))
        _exit(4);
}

static void make_pair(struct victim *victim, struct pair *pair)
{
    static const uint8_t sealed[90] = {1, 0, 1};
    for (int i = 0; i < 2; i++) {
        struct vault_object *object = &pair->objects[i];
        *object = (struct vault_object){.type = 2,
                                        .state = 1,
                                        .group = GROUP,
                                        .owner = 1,
                                        .domain = 1,
                                        .sealed = BYTES(sealed),
                                        .activation = 1000,
                                        .deactivation = 2000,
                                        .version = 1,
                                        .usage_total = i == 0 ? -1 : 10,
                                        .usage_left = 10};
        if (vault_object_next(victim->objects, &object->id, object->uid) != ERR_OK)
            _exit(5);
    }
    /* each names the other, as the links of a key pair do */
    for (int i = 0; i < 2; i++) {
        pair->keys[i][0] = vault_key_bytes(NAME, bytes_str(pair->objects[i].uid));
        pair->keys[i][1] = vault_key_bytes(NAME + 1, bytes_str(pair->objects[1 - i].uid));
        pair->keys[i][2] = vault_key_number(NAME + 2, i);
    }
}

static void *victim_main(void *arg)
{
    struct victim *victim = arg;
    struct vault_eyes eyes = site_eyes(GROUP);
    for (;;) {
        struct pair pair;
        make_pair(victim, &pair);
        if (vault_objects_run(victim->objects, NULL, &eyes, insert_pair, &pair, NULL) != ERR_OK)
            _exit(1);
        acknowledge(victim, &pair);
        for (int i = 0; i < 4; i++) {
            if (vault_objects_run(victim->objects, NULL, &eyes, change_pair, &pair, NULL) != ERR_OK)
                _exit(2);
            acknowledge(victim, &pair);
        }
    }
    return NULL;
}

static void be_victim(int acks)
{
    static struct vault_objects objects = {.domain = 1, .mutex = PTHREAD_MUTEX_INITIALIZER};
    struct victim victim = {&objects, acks};
    pthread_t threads[THREADS];
    if (open_store(&objects.store) != ERR_OK || object_numbers_begin(&objects, NULL) != ERR_OK)
        _exit(6);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, victim_main, &victim) != 0)
            _exit(7);
    for (;;)
        (void)pause();
}

/* Later acknowledgements of an object are of later versions; the last ones may be followed by a
 * change that was not acknowledged any more. */
static unsigned check_acks(struct site *site, int acks, const struct ack *first)
{
    struct ack ack = *first;
    unsigned seen = 0;
    do {
        struct vault_object got;
        assert_ok(site_get(site, GROUP, ack.uid, &got));
        assert_true(got.version >= ack.version);
        assert_true(got.state >= ack.state);
        assert_int_equal(got.state, got.version);
        assert_int_equal(got.sealed.len, got.state == VAULT_DESTROYED ? 0 : 90);
        assert_int_equal(site_count(site, GROUP, vault_key_bytes(NAME, bytes_str(ack.uid))), 1);
        assert_int_equal(site_count(site, GROUP, vault_key_bytes(NAME + 1, bytes_str(ack.uid))), 1);
        arena_reset(site->arena);
        seen++;
    } while (read(acks, &ack, sizeof(ack)) == sizeof(ack));
    return seen;
}

static void check_halves(struct site *site)
{
    assert_int_equal(site_ask(site, "SELECT count(*) FROM object") * 4 -
                         site_ask(site, "SELECT count(*) FROM object_key"),
                     0); /* three entries and that of State each */
    assert_int_equal(site_ask(site, "SELECT count(*) FROM object") % 2, 0);
    assert_int_equal(site_ask(site, "SELECT count(*) FROM object_key WHERE attribute = 4325460 AND "
                                    "value NOT IN (SELECT CAST(uid AS BLOB) FROM object)"),
                     0);
    assert_int_equal(site_ask(site, "SELECT (SELECT count(*) FROM object WHERE usage_total >= 0) - "
                                    "(SELECT count(*) FROM object_usage)"),
                     0);
    assert_int_equal(site_ask(site, "SELECT (SELECT count(*) FROM object WHERE state < 3) - "
                                    "(SELECT count(*) FROM object_due)"),
                     0);
    assert_int_equal(site_ask(site, "SELECT (SELECT max(id) FROM object) <= (SELECT reserved FROM "
                                    "serial WHERE kind = 'object')"),
                     1);
}

static unsigned kill_once(void)
{
    int acks[2];
    struct ack first;
    assert_int_equal(pipe(acks), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(acks[0]);
        be_victim(acks[1]);
    }
    (void)close(acks[1]);
    assert_int_equal(read(acks[0], &first, sizeof(first)), sizeof(first));
    (void)usleep((useconds_t)(random() % 15000));
    assert_int_equal(kill(child, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    struct site site = {.dir = dir};
    assert_ok(open_store(&site.store));
    assert_ok(store_reader_open(site.store, STORE_READER_LOOKUP, &site.reader, NULL));
    assert_ok(arena_new((size_t)1024 * 1024, &site.arena));
    unsigned seen = check_acks(&site, acks[0], &first);
    check_halves(&site);
    site_check(&site);
    assert_ok(store_check(site.store, NULL));
    arena_free(site.arena);
    store_reader_close(site.reader);
    store_close(site.store);
    (void)close(acks[0]);
    return seen;
}

static void killed_at_any_point(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL), seen = 0;
    print_message("seed %u\n", seed);
    srandom(seed);
    dir = test_tempdir();
    for (int round = 0; round < ROUNDS; round++)
        seen += kill_once();
    print_message("%u acknowledged steps are there\n", seen);
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(killed_at_any_point))

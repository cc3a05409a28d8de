#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "site.h"

/* SIGKILL to keeper and engine at random points of an import and of a rotation: all or nothing is
 * there afterwards, and the rest can be done again. Everything runs in children of this process,
 * which has no threads of its own. */

#define NETWORK "metro-east"
#define REALM   "metro-east.example"
#define NODES   10000
#define ROUNDS  10

static struct site a;
static char *dir;

static unsigned random_below(uint64_t limit)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (unsigned)(x % (limit + 1));
}

static const char *file(const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *to = paths[next++ % 4];
    snprintf(to, sizeof(paths[0]), "%s/%s", dir, name);
    return to;
}

/* In a child: all of it over the store that is there. */
static void attach(void)
{
    setenv("TMPDIR", dir, 1);
    a = (struct site){0};
    rig_begin(&a.rig, NULL);
    a.dir = strdup(dir);
    a.spool = strdup(file("spool"));
    a.backup = strdup(file("backup"));
    site_open(&a);
}

static void prepare(void)
{
    static struct site factory;
    (void)mkdir(file("spool"), 0700);
    (void)mkdir(file("backup"), 0700);
    attach();
    site_begin(&factory, NULL);
    site_network(&a, NETWORK, REALM, 32);
    site_hand_over(&a, &factory, NETWORK);
    site_generate(&factory, NETWORK, 1, NODES, 7);
    assert_ok(site_export(&factory, &a, NETWORK, 7, file("batch"), NULL));
    site_end(&factory);
    site_close(&a);
}

static void import_all(void)
{
    struct fleet_import_result result;
    assert_ok(site_import(&a, NETWORK, file("batch"), NULL, &result));
}

static void rotate_all(void)
{
    enum err err = fleet_network_rotate_domain(&a.call, NETWORK, NULL);
    assert_true(err == ERR_OK || err == ERR_STATE);
    assert_ok(fleet_network_reseal(&a.call, NETWORK, NULL));
}

static void all_keys_open(void)
{
    uint8_t key[16];
    for (uint64_t id = 1; id <= NODES; id += 83)
        assert_ok(site_node_key(&a, REALM, id, key));
}

static void check_import(void)
{
    uint64_t nodes = site_nodes(&a, NETWORK);
    assert_true(nodes == 0 || nodes == NODES);
    import_all();
    assert_int_equal(site_nodes(&a, NETWORK), NODES);
    all_keys_open();
    site_close(&a);
}

static void check_rotation(void)
{
    all_keys_open();
    site_generate(&a, NETWORK, NODES + 1, NODES + 5, 8); /* the base opens, too */
    rotate_all();
    all_keys_open();
    site_close(&a);
}

/* Runs `work` in a child, killed `us` microseconds after its store is open (0: never). Gives the
 * microseconds it took. */
static uint64_t in_child(void (*open)(void), void (*work)(void), unsigned us)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ready[0]);
        if (open)
            open();
        if (write(ready[1], "x", 1) != 1)
            _exit(2);
        work();
        _exit(0);
    }
    close(ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    uint64_t from = clock_mono_ns();
    if (us) {
        usleep(us);
        kill(child, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!us || WIFEXITED(status))
        assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    return (clock_mono_ns() - from) / 1000;
}

static void restore(const char *from)
{
    (void)unlink(file("store.db-wal"));
    (void)unlink(file("store.db-shm"));
    site_copy(file(from), file("store.db"));
}

static int begin(void **state)
{
    (void)state;
    struct fake_token token; /* its keys are made once, here, for all children */
    assert_ok(fake_token_init(&token));
    fake_token_done(&token);
    dir = test_tempdir();
    (void)in_child(NULL, prepare, 0);
    site_copy(file("store.db"), file("empty.db"));
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_tempdir_remove(dir);
    return 0;
}

static void an_import_is_whole_or_nothing(void **state)
{
    (void)state;
    uint64_t whole = in_child(attach, import_all, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        restore("empty.db");
        (void)in_child(attach, import_all, 1 + random_below(whole));
        (void)in_child(attach, check_import, 0);
    }
}

static void a_rotation_goes_on(void **state)
{
    (void)state;
    (void)in_child(attach, check_import, 0);
    site_copy(file("store.db"), file("full.db"));
    uint64_t whole = in_child(attach, rotate_all, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        restore("full.db");
        for (unsigned kill = 0; kill < 2; kill++)
            (void)in_child(attach, rotate_all, 1 + random_below(whole));
        (void)in_child(attach, check_rotation, 0);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(an_import_is_whole_or_nothing), CASE(a_rotation_goes_on))

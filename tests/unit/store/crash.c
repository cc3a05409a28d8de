/* Killed at any point: what was acknowledged is there, and nothing is there by half. For every
 * engine, as conformance.c. */

#include "bed.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_ROUNDS 40
#define THREADS     3

struct victim {
    struct store *store;
    int acks;
    int64_t first;
};

static enum err twin_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    int64_t id = *(int64_t *)ctx;
    TRY(bed_insert(conn, id, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "INSERT INTO twin (id, value) VALUES (?, ?)", &stmt, detail));
    store_bind_i64(stmt, 1, id);
    return store_exec_stmt(stmt, detail);
}

static void *victim_main(void *arg)
{
    struct victim *victim = arg;
    for (int64_t id = victim->first;; id++) {
        if (store_run(victim->store, twin_fn, &id, NULL) != ERR_OK ||
            write(victim->acks, &id, sizeof id) != sizeof id)
            _exit(1);
    }
    return NULL;
}

static void be_victim(const struct bed *bed, int acks, int64_t round)
{
    struct store_config config = {.url = bed->url};
    struct victim victims[THREADS];
    pthread_t threads[THREADS];
    struct store *store = NULL;
    if (store_open(&config, &store, NULL) != ERR_OK)
        _exit(2);
    for (int i = 0; i < THREADS; i++) {
        victims[i] = (struct victim){store, acks, round * 1000000 + i * 100000};
        if (pthread_create(&threads[i], NULL, victim_main, &victims[i]) != 0)
            _exit(3);
    }
    for (;;)
        (void)pause();
}

static unsigned check_acked(struct bed *bed, int acks, int64_t first)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    assert_ok(store_reader_open(bed->store, STORE_READER_LOOKUP, &reader, NULL));
    assert_ok(store_reader_begin(reader, NULL));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    assert_ok(store_prepare(
        store_reader_conn(reader),
        "SELECT item.id FROM item, twin WHERE item.id = ? AND twin.id = item.id", &stmt, NULL));
    unsigned seen = 0;
    int64_t id = first;
    do {
        store_bind_i64(stmt, 1, id);
        assert_ok(store_get_row(stmt, NULL));
        store_reset(stmt);
        seen++;
    } while (read(acks, &id, sizeof id) == sizeof id);
    struct store_conn *conn = store_reader_conn(reader);
    assert_int_equal(
        bed_ask_on(conn, "SELECT count(*) FROM item WHERE id NOT IN (SELECT id FROM twin)"), 0);
    assert_int_equal(
        bed_ask_on(conn, "SELECT count(*) FROM twin WHERE id NOT IN (SELECT id FROM item)"), 0);
    store_reader_end(reader);
    return seen;
}

static unsigned kill_once(struct bed *bed, int64_t round)
{
    int acks[2];
    int64_t first = 0;
    assert_int_equal(pipe(acks), 0);
    bed_close(bed);
    pid_t child = fork();
    if (child == 0) {
        (void)close(acks[0]);
        be_victim(bed, acks[1], round);
    }
    assert_true(child > 0);
    (void)close(acks[1]);
    assert_int_equal(read(acks[0], &first, sizeof first), sizeof first);
    (void)usleep((useconds_t)(random() % 12000));
    assert_int_equal(kill(child, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    bed_open(bed);
    unsigned seen = check_acked(bed, acks[0], first);
    (void)close(acks[0]);
    return seen;
}

static void killed_at_any_point(void **state)
{
    (void)state;
    struct bed bed;
    unsigned seed = (unsigned)time(NULL);
    unsigned seen = 0;
    print_message("seed %u\n", seed);
    srandom(seed);
    bed_setup(&bed);
    for (int round = 1; round <= KILL_ROUNDS; round++)
        seen += kill_once(&bed, round);
    print_message("%u acknowledged transactions are there\n", seen);
    assert_ok(store_check(bed.store, NULL));
    bed_teardown(&bed);
}

TEST_MAIN(cmocka_unit_test(killed_at_any_point))

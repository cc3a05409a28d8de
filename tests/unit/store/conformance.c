/* What every engine must do. $CLAVIGER_STORE_URL names the database; without it an SQLite file in a
 * temporary folder. */

#include "bed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct bed bed;
    bed_setup(&bed);
    *state = &bed;
    return 0;
}

static int teardown(void **state)
{
    bed_teardown(*state);
    return 0;
}

static enum err values_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    (void)ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "INSERT INTO item (id, value) VALUES (?, ?)", &stmt, detail));
    store_bind_u64(stmt, 1, UINT64_MAX - 1);
    store_bind_bytes(stmt, 2, bytes_of("\0\1\0", 3));
    TRY(store_exec_stmt(stmt, detail));
    if (store_changes(conn) != 1)
        return ERR_INTERNAL;
    store_bind_i64(stmt, 1, 1); /* the value of the first row must not come back */
    TRY(store_exec_stmt(stmt, detail));
    store_bind_i64(stmt, 1, 2);
    store_bind_bytes(stmt, 2, bytes_of(NULL, 0));
    TRY(store_exec_stmt(stmt, detail));
    store_bind_i64(stmt, 1, 3);
    store_bind_text(stmt, 2, "text");
    return store_exec_stmt(stmt, detail);
}

static void values_come_back(void **state)
{
    struct bed *bed = *state;
    assert_ok(store_run(bed->store, values_fn, NULL, NULL));
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    assert_ok(store_reader_open(bed->store, STORE_READER_LOOKUP, &reader, NULL));
    assert_ok(store_reader_begin(reader, NULL));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    assert_ok(store_prepare(store_reader_conn(reader), "SELECT id, value FROM item ORDER BY id",
                            &stmt, NULL));
    bool has_row = false;
    assert_ok(store_step(stmt, &has_row, NULL));
    assert_true(has_row);
    assert_true(store_column_u64(stmt, 0) == UINT64_MAX - 1);
    assert_true(bytes_equal(store_column_bytes(stmt, 1), bytes_of("\0\1\0", 3)));
    assert_ok(store_step(stmt, &has_row, NULL));
    assert_true(store_column_null(stmt, 1));
    assert_null(store_column_text(stmt, 1));
    assert_ok(store_step(stmt, &has_row, NULL));
    assert_false(store_column_null(stmt, 1));
    assert_int_equal(store_column_bytes(stmt, 1).len, 0);
    assert_ok(store_step(stmt, &has_row, NULL));
    assert_string_equal(store_column_text(stmt, 1), "text");
    assert_ok(store_step(stmt, &has_row, NULL));
    assert_false(has_row);
    store_reader_end(reader);
}

static void statements_are_refused(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    assert_ok(store_reader_open(bed->store, STORE_READER_LOOKUP, &reader, NULL));
    struct store_conn *conn = store_reader_conn(reader);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    assert_err(store_prepare(conn, "SELECT nothing FROM nowhere", &stmt, &detail), ERR_STORE);
    assert_non_null(strstr(detail.text, "nowhere"));
    assert_ok(store_prepare(conn, "SELECT id FROM item WHERE id = ?", &stmt, NULL));
    store_bind_i64(stmt, 2, 1);
    store_bind_i64(stmt, 1, 1);
    bool has_row = false;
    assert_err(store_step(stmt, &has_row, &detail), ERR_INTERNAL);
    store_reset(stmt);
    store_bind_i64(stmt, 1, 1);
    assert_err(store_get_row(stmt, NULL), ERR_NOT_FOUND);
    /* a reader reads */
    assert_err(store_exec(conn, "DELETE FROM item", &detail), ERR_STORE);
}

static void statements_are_cached_by_text(void **state)
{
    struct bed *bed = *state;
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    assert_ok(store_reader_open(bed->store, STORE_READER_LOOKUP, &reader, NULL));
    struct store_conn *conn = store_reader_conn(reader);
    char sql[64];
    /* one buffer, many texts: the address alone must not decide */
    for (int i = 0; i < 300; i++) {
        (void)snprintf(sql, sizeof sql, "SELECT %d", i);
        assert_int_equal(bed_ask_on(conn, sql), i);
    }
    AUTO(store_stmt_freep) struct store_stmt *outer = NULL;
    AUTO(store_stmt_freep) struct store_stmt *inner = NULL;
    assert_ok(store_prepare(conn, "SELECT 1", &outer, NULL));
    assert_ok(store_prepare(conn, "SELECT 1", &inner, NULL));
    assert_ptr_not_equal(outer, inner);
    struct store_stmt *before = inner;
    store_stmt_free(TAKE(inner));
    assert_ok(store_prepare(conn, "SELECT 1", &inner, NULL));
    assert_ptr_equal(inner, before);
}

static enum err insert_then_fail(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    TRY(bed_insert_fn(conn, ctx, detail));
    return err_set(detail, ERR_STATE, "changed my mind");
}

static enum err insert_twice(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    int64_t id = *(int64_t *)ctx;
    TRY(bed_insert(conn, id, detail));
    if (bed_insert(conn, id, detail) != ERR_EXISTS)
        return ERR_INTERNAL;
    return bed_insert(conn, id + 1, detail); /* the transaction goes on */
}

static void transactions_commit_or_vanish(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    int64_t id = 10;
    assert_ok(store_run(bed->store, bed_insert_fn, &id, &detail));
    assert_err(store_run(bed->store, bed_insert_fn, &id, &detail), ERR_EXISTS);
    id = 20;
    assert_err(store_run(bed->store, insert_then_fail, &id, &detail), ERR_STATE);
    assert_string_equal(detail.text, "changed my mind");
    assert_err(store_run_alone(bed->store, insert_then_fail, &id, &detail), ERR_STATE);
    id = 30;
    assert_ok(store_run(bed->store, insert_twice, &id, &detail));
    assert_int_equal(bed_ask(bed, "SELECT count(*) FROM item"), 3);
    bed_close(bed);
    bed_open(bed);
    assert_int_equal(bed_ask(bed, "SELECT sum(id) FROM item"), 10 + 30 + 31);
}

struct answers {
    _Atomic unsigned good;
    _Atomic unsigned bad;
    _Atomic int last;
};

static void count_answer(void *ctx, enum err err, const struct err_detail *detail)
{
    struct answers *answers = ctx;
    (void)detail;
    atomic_store(&answers->last, (int)err);
    atomic_fetch_add(err == ERR_OK ? &answers->good : &answers->bad, 1);
}

static enum err do_nothing(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    (void)conn;
    (void)ctx;
    (void)detail;
    return ERR_OK;
}

/* Alone, so in a batch behind all that was submitted before: those are answered. */
static void drain(struct bed *bed)
{
    assert_ok(store_run_alone(bed->store, do_nothing, NULL, NULL));
}

static void one_commit_takes_many(void **state)
{
    struct bed *bed = *state;
    struct gate gate;
    struct answers answers = {0};
    struct store_stats before, after;
    int64_t ids[100];
    gate_close(bed, &gate);
    store_stats(bed->store, &before);
    for (int i = 0; i < 100; i++) {
        ids[i] = i;
        /* every third fails after it wrote */
        assert_ok(store_submit(bed->store, i % 3 == 0 ? insert_then_fail : bed_insert_fn, &ids[i],
                               count_answer, &answers));
    }
    store_stats(bed->store, &after);
    assert_int_equal(after.queued, 100);
    assert_int_equal(atomic_load(&answers.good), 0);
    gate_open(&gate);
    drain(bed);
    store_stats(bed->store, &after);
    assert_int_equal(atomic_load(&answers.good), 66);
    assert_int_equal(atomic_load(&answers.bad), 34);
    /* the gate's, the hundred's, the drain's */
    assert_int_equal(after.commits - before.commits, 3);
    assert_int_equal(after.transactions - before.transactions, 1 + 66 + 1);
    assert_int_equal(after.failed - before.failed, 34);
    assert_int_equal(after.batch_largest, 66);
    assert_int_equal(bed_ask(bed, "SELECT count(*) FROM item"), 66);
    assert_int_equal(bed_ask(bed, "SELECT count(*) FROM item WHERE id IN (0, 3, 99)"), 0);
}

struct stubborn {
    int64_t id;
    int conflicts; /* to report before it goes well */
    int runs;
};

static enum err stubborn_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct stubborn *s = ctx;
    s->runs++;
    TRY(bed_insert(conn, s->id, detail));
    return s->runs <= s->conflicts ? err_set(detail, ERR_CONFLICT, "try again") : ERR_OK;
}

static void conflicts_are_rerun(void **state)
{
    struct bed *bed = *state;
    struct stubborn twice = {.id = 1, .conflicts = 2};
    assert_ok(store_run(bed->store, stubborn_fn, &twice, NULL));
    assert_int_equal(twice.runs, 3);
    struct store_stats stats;
    store_stats(bed->store, &stats);
    assert_int_equal(stats.reruns, 2);

    /* one that never ends is answered with the conflict, and its neighbours are not */
    struct gate gate;
    struct answers good = {0};
    struct answers bad = {0};
    struct stubborn never = {.id = 2, .conflicts = 1000000};
    int64_t ids[] = {3, 4};
    gate_close(bed, &gate);
    assert_ok(store_submit(bed->store, bed_insert_fn, &ids[0], count_answer, &good));
    assert_ok(store_submit(bed->store, stubborn_fn, &never, count_answer, &bad));
    assert_ok(store_submit(bed->store, bed_insert_fn, &ids[1], count_answer, &good));
    gate_open(&gate);
    drain(bed);
    assert_int_equal(atomic_load(&good.good), 2);
    assert_int_equal(atomic_load(&bad.bad), 1);
    assert_int_equal(atomic_load(&bad.last), ERR_CONFLICT);
    assert_int_equal(bed_ask(bed, "SELECT sum(id) FROM item"), 1 + 3 + 4);
}

struct held {
    struct gate gate;
    int64_t id;
};

static enum err insert_and_wait(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct held *held = ctx;
    char byte = 0;
    TRY(bed_insert(conn, held->id, detail));
    if (write(held->gate.entered[1], "", 1) != 1 || read(held->gate.leave[0], &byte, 1) != 1)
        return err_errno(detail, "gate");
    return ERR_OK;
}

static void readers_see_commits_only(void **state)
{
    struct bed *bed = *state;
    struct held held = {.id = 5};
    struct answers answers = {0};
    char byte = 0;
    assert_int_equal(pipe(held.gate.entered), 0);
    assert_int_equal(pipe(held.gate.leave), 0);
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    assert_ok(store_reader_open(bed->store, STORE_READER_LOOKUP, &reader, NULL));
    struct store_conn *conn = store_reader_conn(reader);
    assert_ok(store_submit(bed->store, insert_and_wait, &held, count_answer, &answers));
    assert_int_equal(read(held.gate.entered[0], &byte, 1), 1);
    assert_ok(store_reader_begin(reader, NULL));
    assert_int_equal(bed_ask_on(conn, "SELECT count(*) FROM item"), 0);
    gate_open(&held.gate);
    drain(bed);
    assert_int_equal(atomic_load(&answers.good), 1);
    /* the snapshot stands though the commit is there */
    assert_int_equal(bed_ask_on(conn, "SELECT count(*) FROM item"), 0);
    store_reader_end(reader);
    assert_ok(store_reader_begin(reader, NULL));
    assert_int_equal(bed_ask_on(conn, "SELECT count(*) FROM item"), 1);
    store_reader_end(reader);
}

static void a_snapshot_begins_with_begin(void **state)
{
    struct bed *bed = *state;
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    assert_ok(store_reader_open(bed->store, STORE_READER_SCAN, &reader, NULL));
    struct store_conn *conn = store_reader_conn(reader);
    assert_ok(store_reader_begin(reader, NULL));
    for (int64_t id = 0; id < 20; id++)
        assert_ok(store_run(bed->store, bed_insert_fn, &id, NULL));
    assert_int_equal(bed_ask_on(conn, "SELECT count(*) FROM item"), 0);
    store_reader_end(reader);
    /* a statement left in the middle of its rows does not keep the snapshot */
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    assert_ok(store_prepare(conn, "SELECT id FROM item", &stmt, NULL));
    assert_ok(store_reader_begin(reader, NULL));
    assert_ok(store_get_row(stmt, NULL));
    store_reader_end(reader);
    int64_t id = 100;
    assert_ok(store_run(bed->store, bed_insert_fn, &id, NULL));
    assert_ok(store_reader_begin(reader, NULL));
    assert_int_equal(bed_ask_on(conn, "SELECT count(*) FROM item"), 21);
    store_reader_end(reader);
}

struct nested {
    struct store *store;
    enum err err;
};

static enum err nested_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct nested *nested = ctx;
    (void)conn;
    nested->err = store_run(nested->store, do_nothing, NULL, detail);
    return ERR_OK;
}

static void waiting_inside_is_refused(void **state)
{
    struct bed *bed = *state;
    struct nested nested = {.store = bed->store};
    assert_ok(store_run(bed->store, nested_fn, &nested, NULL));
    assert_int_equal(nested.err, ERR_STATE);
}

static void a_full_queue_is_busy(void **state)
{
    struct bed *bed = *state;
    struct gate gate;
    struct answers answers = {0};
    bed_close(bed);
    struct store_config config = {.url = bed->url, .queue_max = 3};
    assert_ok(store_open(&config, &bed->store, NULL));
    gate_close(bed, &gate);
    for (int i = 0; i < 3; i++)
        assert_ok(store_submit(bed->store, do_nothing, NULL, count_answer, &answers));
    assert_err(store_submit(bed->store, do_nothing, NULL, count_answer, &answers), ERR_BUSY);
    gate_open(&gate);
    bed_close(bed); /* finishes what is queued */
    assert_int_equal(atomic_load(&answers.good), 3);
}

static enum err bulk_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    int64_t len = *(int64_t *)ctx;
    for (int64_t id = 0; id < len; id++)
        TRY(bed_insert(conn, id, detail));
    return ERR_OK;
}

static void long_work_runs_alone(void **state)
{
    struct bed *bed = *state;
    int64_t len = 50000;
    assert_ok(store_run_alone(bed->store, bulk_fn, &len, NULL));
    assert_int_equal(bed_ask(bed, "SELECT count(*) FROM item"), len);
}

struct client {
    struct store *store;
    int64_t first;
    enum err err;
};

static void *client_main(void *arg)
{
    struct client *client = arg;
    for (int64_t i = 0; i < 60 && client->err == ERR_OK; i++) {
        int64_t id = client->first + i;
        client->err = store_run(client->store, bed_insert_fn, &id, NULL);
    }
    return NULL;
}

static void eight_threads_write(void **state)
{
    struct bed *bed = *state;
    struct client clients[8];
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        clients[i] = (struct client){.store = bed->store, .first = 1000 * i};
        assert_int_equal(pthread_create(&threads[i], NULL, client_main, &clients[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(clients[i].err);
    }
    assert_int_equal(bed_ask(bed, "SELECT count(*) FROM item"), 480);
    struct store_stats stats;
    store_stats(bed->store, &stats);
    assert_true(stats.commits < stats.transactions);
}

static void schema_is_recorded(void **state)
{
    struct bed *bed = *state;
    struct store_stats stats;
    store_stats(bed->store, &stats);
    assert_true(stats.schema_version >= 1);
    assert_int_equal(bed_ask(bed, "SELECT max(number) FROM migration"), stats.schema_version);
    assert_int_equal(bed_ask(bed, "SELECT count(*) FROM migration"), stats.schema_version);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(CASE(values_come_back), CASE(statements_are_refused), CASE(statements_are_cached_by_text),
          CASE(transactions_commit_or_vanish), CASE(one_commit_takes_many),
          CASE(conflicts_are_rerun), CASE(readers_see_commits_only),
          CASE(a_snapshot_begins_with_begin), CASE(waiting_inside_is_refused),
          CASE(a_full_queue_is_busy), CASE(long_work_runs_alone), CASE(eight_threads_write),
          CASE(schema_is_recorded))

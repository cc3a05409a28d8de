/* Fibers of one thread wait for the store together. */

#include "bed.h"

#include <pthread.h>
#include <stdio.h>

#include "base/fiber.h"

#define FIBERS 50

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some = PTHREAD_COND_INITIALIZER;
static struct fiber *woken[FIBERS];
static unsigned woken_len;

static void on_wake(void *ctx, struct fiber *fiber)
{
    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    woken[woken_len++] = fiber;
    (void)pthread_cond_signal(&some);
    (void)pthread_mutex_unlock(&lock);
}

static void run_until_done(struct fiber_pool *pool)
{
    while (fiber_pool_active(pool) > 0) {
        (void)pthread_mutex_lock(&lock);
        while (woken_len == 0)
            (void)pthread_cond_wait(&some, &lock);
        struct fiber *fiber = woken[--woken_len];
        (void)pthread_mutex_unlock(&lock);
        fiber_resume(fiber);
    }
}

struct insert {
    struct bed *bed;
    int64_t id;
    enum err first, second;
    struct err_detail detail;
};

static enum err refuse(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    TRY(bed_insert(conn, -1, detail));
    return err_set(detail, ERR_DENIED, "no %d", (int)*(int64_t *)ctx);
}

static void write_some(void *arg)
{
    struct insert *w = arg;
    w->first = store_run(w->bed->store, bed_insert_fn, &w->id, &w->detail);
    w->second = w->id % 2 ? store_run(w->bed->store, refuse, &w->id, &w->detail)
                          : store_run_alone(w->bed->store, refuse, &w->id, &w->detail);
}

static void many_wait_in_one_thread(void **state)
{
    (void)state;
    struct bed bed;
    struct gate gate;
    struct fiber_pool *pool = NULL;
    static struct insert inserts[FIBERS];
    struct store_stats before, after;
    bed_setup(&bed);
    assert_ok(fiber_pool_new((struct fiber_owner){on_wake, NULL}, FIBERS, 4, &pool));
    store_stats(bed.store, &before);
    gate_close(&bed, &gate);
    for (int i = 0; i < FIBERS; i++) {
        inserts[i] = (struct insert){.bed = &bed, .id = i};
        assert_ok(fiber_start(pool, write_some, &inserts[i]));
    }
    assert_int_equal(fiber_pool_active(pool), FIBERS); /* all wait: none blocked the thread */
    gate_open(&gate);
    run_until_done(pool);
    store_stats(bed.store, &after);
    assert_true(after.commits - before.commits <= 4); /* the gate's, and one of all fibers */
    for (int i = 0; i < FIBERS; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "no %d", i);
        assert_int_equal(inserts[i].first, ERR_OK);
        assert_int_equal(inserts[i].second, ERR_DENIED);
        assert_string_equal(inserts[i].detail.text, text);
    }
    assert_int_equal(bed_ask(&bed, "SELECT count(*) FROM item"), FIBERS);
    fiber_pool_free(pool);
    bed_teardown(&bed);
}

TEST_MAIN(cmocka_unit_test(many_wait_in_one_thread))

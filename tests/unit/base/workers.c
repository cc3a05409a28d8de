#include "base/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/fiber.h"
#include "support/test.h"

static _Atomic int ran;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void count(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    atomic_fetch_add(&ran, 1);
}

static void everything_queued_runs_before_the_end(void **state)
{
    (void)state;
    struct workers *pool = NULL;
    assert_ok(workers_new(3, 64, &pool));
    for (int i = 0; i < 64; i++)
        assert_ok(workers_submit(pool, count, NULL));
    workers_free(pool);
    assert_int_equal(ran, 64);
    workers_free(NULL);
}

static void a_full_queue_says_busy(void **state)
{
    (void)state;
    struct workers *pool = NULL;
    assert_ok(workers_new(1, 2, &pool));
    (void)pthread_mutex_lock(&gate);
    int taken = 0;
    while (taken < 10 && workers_submit(pool, count, NULL) == ERR_OK)
        taken++;
    struct workers_load load;
    do /* until the one thread has taken one */
        workers_load(pool, &load);
    while (load.running == 0);
    assert_int_equal(load.running, 1);
    assert_int_equal(load.waiting, taken - 1);
    assert_int_equal(load.waiting_max, 2);
    (void)pthread_mutex_unlock(&gate);
    assert_in_range(taken, 2, 3); /* two wait, one may have started */
    do
        workers_load(pool, &load);
    while (load.running + load.waiting > 0);
    workers_free(pool);
}

static pthread_cond_t some = PTHREAD_COND_INITIALIZER;
static struct fiber *woken;
static struct workers *slow;
static pthread_t elsewhere;
static bool ended;

static void on_wake(void *ctx, struct fiber *fiber)
{
    (void)ctx;
    (void)pthread_mutex_lock(&gate);
    woken = fiber;
    (void)pthread_cond_signal(&some);
    (void)pthread_mutex_unlock(&gate);
}

static void note_thread(void *arg)
{
    (void)arg;
    elsewhere = pthread_self();
}

static void wait_in_fiber(void *arg)
{
    (void)arg;
    assert_ok(workers_run(slow, note_thread, NULL));
    ended = true;
}

static void a_fiber_waits_for_its_work(void **state)
{
    (void)state;
    struct fiber_pool *pool = NULL;
    assert_ok(workers_new(1, 2, &slow));
    assert_ok(workers_run(slow, note_thread, NULL)); /* no fiber: here and now */
    assert_true(pthread_equal(elsewhere, pthread_self()));
    assert_ok(fiber_pool_new((struct fiber_owner){on_wake, NULL}, 1, 1, &pool));
    assert_ok(fiber_start(pool, wait_in_fiber, NULL));
    while (!ended) {
        (void)pthread_mutex_lock(&gate);
        while (woken == NULL)
            (void)pthread_cond_wait(&some, &gate);
        struct fiber *fiber = woken;
        woken = NULL;
        (void)pthread_mutex_unlock(&gate);
        fiber_resume(fiber);
    }
    assert_false(pthread_equal(elsewhere, pthread_self()));
    fiber_pool_free(pool);
    workers_free(slow);
}

TEST_MAIN(cmocka_unit_test(a_fiber_waits_for_its_work),
          cmocka_unit_test(everything_queued_runs_before_the_end),
          cmocka_unit_test(a_full_queue_says_busy))

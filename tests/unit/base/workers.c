#include "base/workers.h"

#include <pthread.h>
#include <stdatomic.h>

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
    (void)pthread_mutex_unlock(&gate);
    assert_in_range(taken, 2, 3); /* two wait, one may have started */
    workers_free(pool);
}

TEST_MAIN(cmocka_unit_test(everything_queued_runs_before_the_end),
          cmocka_unit_test(a_full_queue_says_busy))

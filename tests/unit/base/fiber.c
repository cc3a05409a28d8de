#include "base/fiber.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "support/test.h"

/* An owner whose woken fibers wait in a list until the test lets them run. */
struct owner {
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct fiber *woken[64];
    unsigned len;
    unsigned wakes;
};

static void on_wake(void *ctx, struct fiber *fiber)
{
    struct owner *owner = ctx;
    (void)pthread_mutex_lock(&owner->lock);
    owner->woken[owner->len++] = fiber;
    owner->wakes++;
    (void)pthread_cond_signal(&owner->some);
    (void)pthread_mutex_unlock(&owner->lock);
}

static void resume_one(struct owner *owner)
{
    (void)pthread_mutex_lock(&owner->lock);
    while (owner->len == 0)
        (void)pthread_cond_wait(&owner->some, &owner->lock);
    struct fiber *fiber = owner->woken[0];
    memmove(owner->woken, owner->woken + 1, --owner->len * sizeof(struct fiber *));
    (void)pthread_mutex_unlock(&owner->lock);
    fiber_resume(fiber);
}

static struct owner owner = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};
static struct fiber_pool *pool;

static int set_up(void **state)
{
    (void)state;
    owner.len = 0;
    owner.wakes = 0;
    return fiber_pool_new((struct fiber_owner){on_wake, &owner}, 8, 2, &pool) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fiber_pool_free(pool);
    return 0;
}

struct job {
    struct fiber *self;
    int steps;
    int pauses;
    bool done;
};

static void step(void *arg)
{
    struct job *job = arg;
    job->self = fiber_current();
    int kept = 41;
    double also = 0.5;
    for (int i = 0; i < job->pauses; i++) {
        job->steps++;
        fiber_pause();
        assert_ptr_equal(fiber_current(), job->self);
        kept++;
        also += 1.0;
    }
    assert_int_equal(kept, 41 + job->pauses);
    assert_true(also == 0.5 + job->pauses);
    job->done = true;
}

static void one_that_never_pauses_is_over_at_once(void **state)
{
    (void)state;
    struct job job = {0};
    assert_null(fiber_current());
    assert_ok(fiber_start(pool, step, &job));
    assert_true(job.done);
    assert_non_null(job.self);
    assert_null(fiber_current());
    assert_int_equal(fiber_pool_active(pool), 0);
}

static void pauses_keep_what_a_function_has(void **state)
{
    (void)state;
    struct job a = {.pauses = 3}, b = {.pauses = 2};
    assert_ok(fiber_start(pool, step, &a));
    assert_ok(fiber_start(pool, step, &b));
    assert_int_equal(fiber_pool_active(pool), 2);
    for (int i = 0; i < 3; i++) {
        fiber_wake(a.self);
        if (i < 2)
            fiber_wake(b.self);
        while (owner.len > 0)
            resume_one(&owner);
    }
    assert_true(a.done && b.done);
    assert_int_equal(a.steps, 3);
    assert_int_equal(b.steps, 2);
    assert_int_equal(fiber_pool_active(pool), 0);
}

static void wakes_count_as_one(void **state)
{
    (void)state;
    struct job job = {.pauses = 2};
    assert_ok(fiber_start(pool, step, &job));
    fiber_wake(job.self);
    fiber_wake(job.self);
    fiber_wake(job.self);
    assert_int_equal(owner.wakes, 1);
    resume_one(&owner);
    assert_false(job.done);
    assert_int_equal(owner.len, 0);
    fiber_wake(job.self);
    resume_one(&owner);
    assert_true(job.done);
    fiber_wake(job.self); /* late: it has ended, and nothing comes of it */
    assert_int_equal(owner.len, 0);
}

static void wake_first(void *arg)
{
    struct job *job = arg;
    job->self = fiber_current();
    fiber_wake(job->self);
    fiber_pause();
    job->steps++;
    fiber_pause();
    job->done = true;
}

static void a_wake_before_the_pause_is_not_lost(void **state)
{
    (void)state;
    struct job job = {0};
    assert_ok(fiber_start(pool, wake_first, &job));
    assert_int_equal(job.steps, 1);
    assert_false(job.done);
    assert_int_equal(owner.wakes, 0); /* it never stopped */
    fiber_wake(job.self);
    resume_one(&owner);
    assert_true(job.done);
}

struct handover {
    struct fiber *fiber;
    _Atomic bool ready;
    bool ended;
};

static void *wake_it(void *arg)
{
    struct handover *h = arg;
    atomic_store(&h->ready, true);
    fiber_wake(h->fiber);
    return NULL;
}

static void wait_for_thread(void *arg)
{
    struct handover *h = arg;
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        h->fiber = fiber_current();
        atomic_store(&h->ready, false);
        assert_int_equal(pthread_create(&thread, NULL, wake_it, h), 0);
        while (!atomic_load(&h->ready))
            fiber_pause();
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    h->ended = true;
}

static void another_thread_may_wake(void **state)
{
    (void)state;
    struct handover h = {0};
    assert_ok(fiber_start(pool, wait_for_thread, &h));
    while (!h.ended)
        resume_one(&owner);
    assert_int_equal(owner.len, 0);
}

static void no_more_than_was_said(void **state)
{
    (void)state;
    struct job jobs[8], over = {0};
    for (int i = 0; i < 8; i++) {
        jobs[i] = (struct job){.pauses = 1};
        assert_ok(fiber_start(pool, step, &jobs[i]));
    }
    assert_int_equal(fiber_start(pool, step, &over), ERR_BUSY);
    assert_null(over.self); /* was not called */
    for (int i = 0; i < 8; i++)
        fiber_wake(jobs[i].self);
    while (owner.len > 0)
        resume_one(&owner);
    assert_ok(fiber_start(pool, step, &over));
    assert_true(over.done);
}

#define DEEP ((size_t)200 * 1024)

struct trace {
    uintptr_t at; /* a number: what is there outlives the function on purpose */
    uintptr_t frame;
};

static void leave_traces(void *arg)
{
    struct trace *trace = arg;
    volatile uint8_t secret[DEEP];
    trace->frame = (uintptr_t)__builtin_frame_address(0);
    for (size_t i = 0; i < DEEP; i++)
        secret[i] = 0xA5;
    trace->at = (uintptr_t)secret;
}

static void stacks_are_used_again_and_wiped_before(void **state)
{
    (void)state;
    struct trace first = {0}, again = {0};
    assert_ok(fiber_start(pool, leave_traces, &first));
    const volatile uint8_t *at = (const volatile uint8_t *)first.at; /* NOLINT */
    size_t left = 0;
    for (size_t i = 0; i < DEEP; i++)
        left += at[i] != 0;
    assert_int_equal(left, 0);
    assert_ok(fiber_start(pool, leave_traces, &again));
    assert_int_equal(first.frame, again.frame);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(one_that_never_pauses_is_over_at_once, set_up, tear_down),
          cmocka_unit_test_setup_teardown(pauses_keep_what_a_function_has, set_up, tear_down),
          cmocka_unit_test_setup_teardown(wakes_count_as_one, set_up, tear_down),
          cmocka_unit_test_setup_teardown(a_wake_before_the_pause_is_not_lost, set_up, tear_down),
          cmocka_unit_test_setup_teardown(another_thread_may_wake, set_up, tear_down),
          cmocka_unit_test_setup_teardown(no_more_than_was_said, set_up, tear_down),
          cmocka_unit_test_setup_teardown(stacks_are_used_again_and_wiped_before, set_up,
                                          tear_down))

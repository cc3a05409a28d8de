#include "net/loop.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/test.h"

#define THREADS 4
#define POSTS   4998 /* whole rounds of seven */

static struct net_loop *loop;
static unsigned ran, hooks_ran, hook_saw;
static unsigned next_of[THREADS];

struct numbered {
    struct net_post post;
    unsigned thread, number;
};

static struct numbered items[THREADS][POSTS];

static int setup(void **state)
{
    (void)state;
    ran = hooks_ran = hook_saw = 0;
    return net_loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    net_loop_free(loop);
    return 0;
}

static void take_item(void *arg)
{
    const struct numbered *item = arg;
    assert_int_equal(item->number, next_of[item->thread]);
    next_of[item->thread]++;
    if (++ran == THREADS * POSTS)
        net_loop_stop(loop);
}

static void *post_all(void *arg)
{
    struct numbered *mine = arg;
    for (unsigned i = 0; i < POSTS; i++) {
        mine[i].post = (struct net_post){NULL, take_item, &mine[i]};
        mine[i].thread = (unsigned)((mine - items[0]) / POSTS);
        mine[i].number = i;
        if (i % 7 == 6) {
            /* the last three as one list */
            mine[i - 2].post.next = &mine[i - 1].post;
            mine[i - 1].post.next = &mine[i].post;
            net_loop_post_list(loop, &mine[i - 2].post, &mine[i].post);
        } else if (i % 7 < 4) {
            net_loop_post_item(loop, &mine[i].post);
        }
    }
    return NULL;
}

static void four_threads_post_in_order(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, items[i]), 0);
    assert_ok(net_loop_run(loop));
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(ran, THREADS * POSTS);
}

static void count_and_post(void *arg)
{
    (void)arg;
    if (++ran < 100)
        assert_ok(net_loop_post(loop, count_and_post, NULL));
}

static void hook(void *arg)
{
    (void)arg;
    hooks_ran++;
    hook_saw = ran;
    if (ran == 100)
        net_loop_stop(loop);
}

static void the_hook_runs_once_an_iteration_after_what_was_posted(void **state)
{
    (void)state;
    assert_ok(net_loop_on_iteration(loop, hook, NULL));
    assert_ok(net_loop_post(loop, count_and_post, NULL));
    assert_ok(net_loop_run(loop));
    assert_int_equal(hook_saw, 100);
    assert_int_equal(hooks_ran, 100);
}

static void stop_loop(void *arg)
{
    (void)arg;
    ran++;
    net_loop_stop(loop);
}

static void timers_fire_when_due(void **state)
{
    (void)state;
    struct net_timer *once = NULL, *every = NULL, *never = NULL;
    assert_ok(net_timer_new(loop, stop_loop, NULL, &once));
    assert_ok(net_timer_new(loop, count_and_post, NULL, &every));
    assert_ok(net_timer_new(loop, stop_loop, NULL, &never));
    net_timer_set(never, 1);
    net_timer_stop(never);
    net_timer_set(once, 30);
    uint64_t start = clock_mono_ns();
    assert_ok(net_loop_run(loop));
    assert_true(clock_mono_ns() - start >= 29000000);
    assert_int_equal(ran, 1);
    net_timer_free(once);
    net_timer_free(every);
    net_timer_free(never);
    net_timer_free(NULL);
}

static void saw_ready(void *ctx, unsigned ready)
{
    unsigned *seen = ctx;
    *seen |= ready;
    net_loop_stop(loop);
}

static void a_watch_reports_what_it_wants(void **state)
{
    (void)state;
    int pair[2];
    unsigned seen = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct net_watch *watch = NULL;
    assert_ok(net_watch_new(loop, pair[0], saw_ready, &seen, &watch));
    net_watch_want(watch, NET_WRITABLE);
    assert_ok(net_loop_run(loop));
    assert_int_equal(seen, NET_WRITABLE);
    net_watch_want(watch, NET_READABLE);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_ok(net_loop_run(loop));
    assert_int_equal(seen, NET_READABLE | NET_WRITABLE);
    net_watch_free(watch);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void a_stop_before_the_run_counts(void **state)
{
    (void)state;
    net_loop_stop(loop);
    assert_ok(net_loop_run(loop));
    assert_true(net_loop_is_mine(loop));
}

static _Atomic unsigned on_loops;

static void count_here(void *arg)
{
    if (net_loop_is_mine(arg))
        on_loops++;
}

static void loops_run_on_threads_of_their_own(void **state)
{
    (void)state;
    struct net_loops *loops = NULL;
    assert_ok(net_loops_new(3, &loops));
    assert_ok(net_loops_start(loops));
    for (unsigned i = 0; i < 300; i++) {
        struct net_loop *next = net_loops_next(loops);
        assert_ptr_equal(next, net_loops_get(loops, i % 3));
        assert_ok(net_loop_post(next, count_here, next));
    }
    for (unsigned i = 0; i < 500 && on_loops < 300; i++)
        (void)usleep(10000);
    net_loops_free(loops);
    assert_int_equal(on_loops, 300);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(four_threads_post_in_order, setup, teardown),
          cmocka_unit_test_setup_teardown(the_hook_runs_once_an_iteration_after_what_was_posted,
                                          setup, teardown),
          cmocka_unit_test_setup_teardown(timers_fire_when_due, setup, teardown),
          cmocka_unit_test_setup_teardown(a_watch_reports_what_it_wants, setup, teardown),
          cmocka_unit_test_setup_teardown(a_stop_before_the_run_counts, setup, teardown),
          cmocka_unit_test_setup_teardown(loops_run_on_threads_of_their_own, setup, teardown))

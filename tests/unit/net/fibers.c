#include "net/fibers.h"

#include <stdatomic.h>

#include "base/workers.h"
#include "support/test.h"

struct rig {
    struct net_loop *loop;
    struct net_fibers *fibers;
    struct workers *workers;
    unsigned hooks, hooks_at_pause, hooks_at_resume;
    unsigned done;
    bool resumed;
};

struct wait {
    struct rig *rig;
    struct fiber *fiber;
    _Atomic bool ready;
};

static int set_up(void **state)
{
    static struct rig rig;
    rig = (struct rig){0};
    *state = &rig;
    return net_loop_new(&rig.loop) == ERR_OK &&
                   net_fibers_new(rig.loop, 100, 4, &rig.fibers) == ERR_OK &&
                   workers_new(2, 1000, &rig.workers) == ERR_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    workers_free(rig->workers);
    net_fibers_free(rig->fibers);
    net_loop_free(rig->loop);
    return 0;
}

static void finish(void *arg)
{
    struct wait *wait = arg;
    atomic_store(&wait->ready, true);
    fiber_wake(wait->fiber);
}

static void work_and_wait(void *arg)
{
    struct wait *wait = arg;
    wait->fiber = fiber_current();
    for (int i = 0; i < 20; i++) {
        atomic_store(&wait->ready, false);
        assert_ok(workers_submit(wait->rig->workers, finish, wait));
        while (!atomic_load(&wait->ready))
            fiber_pause();
    }
    if (++wait->rig->done == 50)
        net_loop_stop(wait->rig->loop);
}

static void start_fifty(void *arg)
{
    struct rig *rig = arg;
    static struct wait waits[50];
    for (int i = 0; i < 50; i++) {
        waits[i] = (struct wait){.rig = rig};
        assert_ok(net_fibers_start(rig->fibers, work_and_wait, &waits[i]));
    }
}

static void fibers_wait_for_workers_while_the_loop_runs(void **state)
{
    struct rig *rig = *state;
    assert_ok(net_loop_post(rig->loop, start_fifty, rig));
    assert_ok(net_loop_run(rig->loop));
    assert_int_equal(rig->done, 50);
    assert_int_equal(net_fibers_active(rig->fibers), 0);
}

static void count_hook(void *arg)
{
    struct rig *rig = arg;
    rig->hooks++;
    if (rig->resumed)
        net_loop_stop(rig->loop);
}

static void pause_once(void *arg)
{
    struct wait *wait = arg;
    wait->fiber = fiber_current();
    wait->rig->hooks_at_pause = wait->rig->hooks;
    while (!atomic_load(&wait->ready))
        fiber_pause();
    wait->rig->hooks_at_resume = wait->rig->hooks;
    wait->rig->resumed = true;
}

static void on_timer(void *arg)
{
    finish(arg);
}

static void what_an_event_wakes_goes_on_before_the_hooks(void **state)
{
    struct rig *rig = *state;
    struct wait wait = {.rig = rig};
    struct net_timer *timer = NULL;
    assert_ok(net_loop_on_iteration(rig->loop, count_hook, rig));
    assert_ok(net_timer_new(rig->loop, on_timer, &wait, &timer));
    assert_ok(net_fibers_start(rig->fibers, pause_once, &wait));
    net_timer_set(timer, 1);
    assert_ok(net_loop_run(rig->loop));
    /* the loop slept until the timer, and its hooks ran once, after the fiber */
    assert_int_equal(rig->hooks_at_resume, rig->hooks - 1);
    net_timer_free(timer);
}

static void settling_waits_for_the_last(void **state)
{
    struct rig *rig = *state;
    struct wait waits[2] = {{.rig = rig}, {.rig = rig}};
    assert_ok(net_fibers_start(rig->fibers, pause_once, &waits[0]));
    assert_ok(net_fibers_start(rig->fibers, pause_once, &waits[1]));
    assert_ok(workers_submit(rig->workers, finish, &waits[0]));
    assert_false(net_fibers_settle(rig->fibers, 50));
    assert_int_equal(net_fibers_active(rig->fibers), 1);
    finish(&waits[1]);
    assert_true(net_fibers_settle(rig->fibers, 50));
}

TEST_MAIN(cmocka_unit_test_setup_teardown(fibers_wait_for_workers_while_the_loop_runs, set_up,
                                          tear_down),
          cmocka_unit_test_setup_teardown(what_an_event_wakes_goes_on_before_the_hooks, set_up,
                                          tear_down),
          cmocka_unit_test_setup_teardown(settling_waits_for_the_last, set_up, tear_down))

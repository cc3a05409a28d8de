#include "net/fibers.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "net/loop_priv.h"

struct net_fibers {
    struct net_loop *loop;
    struct fiber_pool *pool;
    uint64_t resumed;
};

/* A woken fiber's post: the item in the fiber, and whose it is. */
struct woken {
    struct net_post post;
    struct net_fibers *fibers;
    struct fiber *fiber;
};

static_assert(sizeof(struct woken) <= FIBER_POST_SIZE, "room of a fiber");

static void go_on(void *arg)
{
    const struct woken *woken = arg;
    woken->fibers->resumed++;
    fiber_resume(woken->fiber);
}

static void on_wake(void *ctx, struct fiber *fiber)
{
    struct net_fibers *fibers = ctx;
    struct woken *woken = fiber_post_room(fiber);
    *woken = (struct woken){{NULL, go_on, woken}, fibers, fiber};
    net_loop_post_item(fibers->loop, &woken->post);
}

enum err net_fibers_new(struct net_loop *loop, unsigned max, unsigned spare,
                        struct net_fibers **ret_fibers)
{
    struct net_fibers *fibers = calloc(1, sizeof *fibers);
    if (fibers == NULL)
        return ERR_NO_MEMORY;
    fibers->loop = loop;
    enum err err = fiber_pool_new((struct fiber_owner){on_wake, fibers}, max, spare, &fibers->pool);
    if (err != ERR_OK) {
        free(fibers);
        return err;
    }
    *ret_fibers = fibers;
    return ERR_OK;
}

void net_fibers_free(struct net_fibers *fibers)
{
    if (fibers == NULL)
        return;
    fiber_pool_free(fibers->pool);
    free(fibers);
}

enum err net_fibers_start(struct net_fibers *fibers, void (*fn)(void *arg), void *arg)
{
    return fiber_start(fibers->pool, fn, arg);
}

unsigned net_fibers_active(const struct net_fibers *fibers)
{
    return fiber_pool_active(fibers->pool);
}

uint64_t net_fibers_resumed(const struct net_fibers *fibers)
{
    return fibers->resumed;
}

bool net_fibers_settle(struct net_fibers *fibers, unsigned ms)
{
    for (unsigned waited = 0;; waited++) {
        while (loop_run_posted(fibers->loop))
            ;
        if (net_fibers_active(fibers) == 0)
            return true;
        if (waited >= ms)
            return false;
        /* another thread still works for one of them */
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

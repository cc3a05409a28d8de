#pragma once

#include "base/err.h"

/* Fibers: functions with a stack of their own that can pause in the middle, so that a request is
 * straight-line code while its loop serves others. A fiber belongs to the thread that started it
 * and is resumed there only. Whoever waits for something looks at fiber_current(): in a fiber it
 * arranges for fiber_wake and pauses, on a plain thread it blocks. Across a pause hold no mutex, no
 * row of a store and nothing that belongs to the thread's other work.
 *
 *     struct fiber *self = fiber_current();
 *     submit(work, on_done, self);        // on_done, on any thread: fiber_wake(self)
 *     while (!done)
 *         fiber_pause();
 */
struct fiber;
struct fiber_pool;

#define FIBER_STACK ((size_t)256 * 1024) /* mapped, touched as used; a guard page below */

/* How to reach the owner's thread: `wake` is called on any thread when a paused fiber can go on,
 * and has fiber_resume called on the owner's thread (a post to its loop, for which fiber_post_room
 * has room). Called at most once between two resumes. */
struct fiber_owner {
    void (*wake)(void *ctx, struct fiber *fiber);
    void *ctx;
};

/* Of one thread. Keeps up to `spare` stacks for the next fibers; at most `max` fibers at a time. */
MUST_CHECK enum err fiber_pool_new(struct fiber_owner owner, unsigned max, unsigned spare,
                                   struct fiber_pool **ret_pool);
/* No fiber may be left. */
void fiber_pool_free(struct fiber_pool *pool);
unsigned fiber_pool_active(const struct fiber_pool *pool);

/* Runs fn(arg) at once until it pauses or returns. ERR_BUSY above `max`, ERR_NO_MEMORY; fn was not
 * called then. Not from inside a fiber. */
MUST_CHECK enum err fiber_start(struct fiber_pool *pool, void (*fn)(void *arg), void *arg);
/* Of the calling thread; NULL outside of fibers. */
struct fiber *fiber_current(void);
/* Back to who started or resumed this fiber, until a wake. Wakes are counted as one: check your
 * condition in a loop. A wake before the pause makes the pause return at once. */
void fiber_pause(void);
/* Any thread; harmless for a fiber that is not paused, never for one that has ended. */
void fiber_wake(struct fiber *fiber);
/* The owner's thread, outside of fibers: go on with a fiber that was woken. */
void fiber_resume(struct fiber *fiber);
/* Room for the owner's post item in the fiber. */
#define FIBER_POST_SIZE 64
void *fiber_post_room(struct fiber *fiber);

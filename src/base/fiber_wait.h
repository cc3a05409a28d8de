#pragma once

#include <sched.h>
#include <stdatomic.h>

#include "base/fiber.h"

/* A fiber waits for another thread to tell it once. Lies in the fiber's frame:
 *
 *     struct fiber_wait wait;
 *     fiber_wait_begin(&wait);
 *     submit(work, &wait);     // any thread, once: fiber_wait_tell(&wait)
 *     fiber_wait_end(&wait);
 */
struct fiber_wait {
    struct fiber *fiber;
    _Atomic int told;
};

static inline void fiber_wait_begin(struct fiber_wait *wait)
{
    wait->fiber = fiber_current();
    atomic_init(&wait->told, 0);
}

static inline void fiber_wait_tell(struct fiber_wait *wait)
{
    atomic_store_explicit(&wait->told, 1, memory_order_release);
    fiber_wake(wait->fiber);
    /* until here the frame, and the fiber, must be there */
    atomic_store_explicit(&wait->told, 2, memory_order_release);
}

static inline void fiber_wait_end(struct fiber_wait *wait)
{
    while (atomic_load_explicit(&wait->told, memory_order_acquire) == 0)
        fiber_pause();
    while (atomic_load_explicit(&wait->told, memory_order_acquire) != 2)
        (void)sched_yield();
}

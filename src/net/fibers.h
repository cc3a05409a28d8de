#pragma once

#include "base/fiber.h"
#include "net/loop.h"

/* The fibers of one loop (base/fiber.h): those that were woken go on when what was posted is run,
 * so before the iteration hooks. Loop's thread, or while it does not run. */
struct net_fibers;

/* At most `max` at a time; `spare` stacks are kept for the next. */
MUST_CHECK enum err net_fibers_new(struct net_loop *loop, unsigned max, unsigned spare,
                                   struct net_fibers **ret_fibers);
/* No fiber may be left: whatever they wait for was ended, and net_fibers_settle run. */
void net_fibers_free(struct net_fibers *fibers); /* NULL is allowed */
/* As fiber_start. */
MUST_CHECK enum err net_fibers_start(struct net_fibers *fibers, void (*fn)(void *arg), void *arg);
unsigned net_fibers_active(const struct net_fibers *fibers);
/* How often a fiber went on after a pause: where it changed, others may have written meanwhile. */
uint64_t net_fibers_resumed(const struct net_fibers *fibers);
/* While the loop does not run any more: go on with what is woken until none is left, or for `ms`
 * milliseconds. False where some still wait. */
bool net_fibers_settle(struct net_fibers *fibers, unsigned ms);

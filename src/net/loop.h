#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Event loops. One loop is one thread; everything that belongs to a loop (timers, watches,
 * connections, HTTP servers) is touched on that thread only, so nothing is locked. Other threads
 * reach it with net_loop_post and net_loop_stop.
 *
 * One iteration: every ready event is handled, then what was posted, then the iteration hooks run
 * in the order of registration, then each connection with something to send is flushed once. */
struct net_loop;

typedef void net_fn(void *arg);

MUST_CHECK enum err net_loop_new(struct net_loop **ret_loop);
/* Frees connections that are still there (reason NET_CLOSE_LOCAL). Not while it runs; timers,
 * watches, listeners and HTTP servers must be freed before. Posted items that never ran are run. */
void net_loop_free(struct net_loop *loop);
void net_loop_freep(struct net_loop **loop);
/* Runs on the calling thread until stopped. Connections never raise SIGPIPE. */
MUST_CHECK enum err net_loop_run(struct net_loop *loop);
/* Ends net_loop_run after the current iteration, or the next run at once. Any thread. */
void net_loop_stop(struct net_loop *loop);
/* True on the thread that runs the loop, and everywhere while nobody runs it. */
bool net_loop_is_mine(const struct net_loop *loop);

/* Something to be run on the loop. Embed it in what travels; it belongs to the loop from the post
 * until fn is called, and may be posted again from fn. */
struct net_post {
    struct net_post *next; /* private to the loop while posted */
    net_fn *fn;
    void *arg;
};

/* Any thread, lock-free, in order per posting thread; one eventfd write for all that is posted
 * while the loop is busy. Never fails. */
void net_loop_post_item(struct net_loop *loop, struct net_post *item);
/* A list linked by `next` from `first` to `last`, run in that order: one compare-and-swap for all.
 */
void net_loop_post_list(struct net_loop *loop, struct net_post *first, struct net_post *last);
/* The same with an item from the heap; ERR_NO_MEMORY. */
MUST_CHECK enum err net_loop_post(struct net_loop *loop, net_fn *fn, void *arg);

/* Run `fn` at the end of each iteration, for as long as the loop lives: the place to submit once
 * what an iteration collected. At most 16 hooks. Loop's thread, or before it runs. */
MUST_CHECK enum err net_loop_on_iteration(struct net_loop *loop, net_fn *fn, void *ctx);
/* Monotonic nanoseconds, read once per iteration. Loop's thread. */
uint64_t net_loop_now_ns(struct net_loop *loop);

/* Timers: loop's thread. */
struct net_timer;
MUST_CHECK enum err net_timer_new(struct net_loop *loop, net_fn *fn, void *ctx,
                                  struct net_timer **ret_timer);
/* Fire once in `ms` milliseconds; replaces what was set. */
void net_timer_set(struct net_timer *timer, uint64_t ms);
/* Fire every `ms` milliseconds. */
void net_timer_every(struct net_timer *timer, uint64_t ms);
void net_timer_stop(struct net_timer *timer);
void net_timer_free(struct net_timer *timer); /* NULL is allowed; allowed in its own fn */

/* Readiness of a file descriptor that stays the caller's, level-triggered: loop's thread. A closed
 * peer shows as readable. */
enum net_ready { NET_READABLE = 1, NET_WRITABLE = 2 };
struct net_watch;
typedef void net_watch_fn(void *ctx, unsigned ready); /* a set of enum net_ready */
MUST_CHECK enum err net_watch_new(struct net_loop *loop, int fd, net_watch_fn *fn, void *ctx,
                                  struct net_watch **ret_watch);
/* What to wait for, a set of enum net_ready; 0 (also the start) waits for nothing. */
void net_watch_want(struct net_watch *watch, unsigned ready);
void net_watch_free(struct net_watch *watch); /* NULL is allowed; allowed in its own fn */

/* `n` loops, each with a thread once started. */
struct net_loops;
MUST_CHECK enum err net_loops_new(unsigned n, struct net_loops **ret_loops);
unsigned net_loops_len(const struct net_loops *loops);
struct net_loop *net_loops_get(struct net_loops *loops, unsigned i);
/* The loops in turn; any thread. */
struct net_loop *net_loops_next(struct net_loops *loops);
/* Start the threads (all signals blocked in them). */
MUST_CHECK enum err net_loops_start(struct net_loops *loops);
/* Stop and join; connections stay until net_loops_free. */
void net_loops_stop(struct net_loops *loops);
void net_loops_free(struct net_loops *loops); /* stops first; NULL is allowed */

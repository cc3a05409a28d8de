/* longjmp between stacks is what this file is for, and what glibc's check of it refuses. */
#undef _FORTIFY_SOURCE

#include "base/fiber.h"

#include <assert.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FIBER_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define FIBER_TSAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#define NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define NO_TSAN
#endif

/* Larger than any frame of ours, so that a call can't step over it. */
#define GUARD ((size_t)64 * 1024)
/* What nearly all requests stay within: wiped in place and kept. What lies deeper goes back to the
 * system, which gives zeros the next time; it is known to be in use by what is written right below,
 * and, as a frame may step over that, given back now and then whatever is there. */
#define WARM       ((size_t)32 * 1024)
#define HOT        ((size_t)12 * 1024) /* the part of it that most of them stay within */
#define PROBE      ((size_t)2048)
#define DEEP_EVERY 64 /* uses */

enum state { IDLE, RUNNING, RUNNING_WOKEN, PAUSED, WOKEN };

struct fiber {
    _Atomic int state;
    struct fiber_pool *pool;
    struct fiber *next; /* in the pool's list of idle ones */
    struct fiber *all;
    unsigned uses;
    uint8_t *map;  /* guard, then stack; NULL: no stack at present */
    uint8_t *keep; /* from here on the stack holds entry's own frame; NULL: not entered yet */
    void (*fn)(void *arg);
    void *arg;
    jmp_buf inside;  /* where it paused */
    jmp_buf outside; /* who runs it */
    ucontext_t entry;
    max_align_t room[FIBER_POST_SIZE / sizeof(max_align_t)];
#ifdef FIBER_ASAN
    void *fake_inside, *fake_outside;
    const void *outside_stack;
    size_t outside_size;
#endif
#ifdef FIBER_TSAN
    void *tsan_inside, *tsan_outside;
#endif
};

struct fiber_pool {
    struct fiber_owner owner;
    unsigned max, spare, active;
    unsigned ready; /* idle ones with a stack */
    /* A late wake may reach a fiber that has ended: the structs stay while the pool does. Those
     * with a stack come first. */
    struct fiber *idle, *bare;
    struct fiber *all;
};

static _Thread_local struct fiber *current;

static uint8_t *stack_of(const struct fiber *fiber)
{
    return fiber->map + GUARD;
}

/* ---- what the sanitizers want to know ---- */

static inline __attribute__((always_inline)) void enter_begin(struct fiber *fiber)
{
    (void)fiber;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&fiber->fake_outside, stack_of(fiber), FIBER_STACK);
#endif
#ifdef FIBER_TSAN
    fiber->tsan_outside = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber->tsan_inside, 0);
#endif
}

static inline __attribute__((always_inline)) void enter_end(struct fiber *fiber)
{
    (void)fiber;
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fiber->fake_inside, &fiber->outside_stack,
                                    &fiber->outside_size);
#endif
}

static inline __attribute__((always_inline)) void leave_begin(struct fiber *fiber)
{
    (void)fiber;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&fiber->fake_inside, fiber->outside_stack, fiber->outside_size);
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(fiber->tsan_outside, 0);
#endif
}

static inline __attribute__((always_inline)) void leave_end(struct fiber *fiber)
{
    (void)fiber;
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fiber->fake_outside, NULL, NULL);
#endif
}

/* ---- stacks ---- */

static enum err make_stack(struct fiber *fiber)
{
    uint8_t *map = mmap(NULL, GUARD + FIBER_STACK, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        return ERR_NO_MEMORY;
    /* Keys pass through here, and huge pages would make each stack as large as it may become. */
    (void)madvise(map, GUARD + FIBER_STACK, MADV_DONTDUMP);
    (void)madvise(map, GUARD + FIBER_STACK, MADV_NOHUGEPAGE);
    if (mprotect(map + GUARD, FIBER_STACK, PROT_READ | PROT_WRITE) != 0) {
        (void)munmap(map, GUARD + FIBER_STACK);
        return ERR_NO_MEMORY;
    }
    fiber->map = map;
    fiber->keep = NULL;
#ifdef FIBER_ASAN
    fiber->fake_inside = NULL;
#endif
#ifdef FIBER_TSAN
    fiber->tsan_inside = __tsan_create_fiber(0);
#endif
    return ERR_OK;
}

/* Nothing was left in what a stack that went deeper would most likely have written to. */
static bool untouched(const uint8_t *below)
{
    static const uint8_t zeros[PROBE];
    return memcmp(below - PROBE, zeros, PROBE) == 0;
}

static void wipe_stack(struct fiber *fiber)
{
    uint8_t *stack = stack_of(fiber);
    uint8_t *top = stack + FIBER_STACK;
#ifdef FIBER_ASAN
    __asan_unpoison_memory_region(stack, FIBER_STACK);
#endif
    bool all = ++fiber->uses % DEEP_EVERY == 0;
    uint8_t *from = !all && untouched(top - HOT) ? top - HOT : top - WARM;
    bool deep = all || (from == top - WARM && !untouched(from));
    if (deep && madvise(stack, FIBER_STACK - WARM, MADV_DONTNEED) != 0)
        explicit_bzero(stack, FIBER_STACK - WARM);
    explicit_bzero(from, (size_t)(fiber->keep - from));
}

static void drop_stack(struct fiber *fiber)
{
    if (fiber->map == NULL)
        return;
    (void)munmap(fiber->map, GUARD + FIBER_STACK);
    fiber->map = NULL;
    explicit_bzero(fiber->inside, sizeof fiber->inside); /* registers */
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(fiber->tsan_inside);
#endif
}

/* ---- switching ---- */

/* Where the caller's frame ends. */
static __attribute__((noinline)) NO_TSAN uint8_t *below_caller(void)
{
    return __builtin_frame_address(0);
}

/* Stays on its stack between two uses, since coming here anew would set the signal mask, which is a
 * system call. Its frame, which is not wiped, holds nothing of what it runs. */
NO_TSAN static void entry(void)
{
    enter_end(current);
    current->keep = below_caller();
    for (;;) {
        current->fn(current->arg);
        atomic_store_explicit(&current->state, IDLE, memory_order_release);
        if (_setjmp(current->inside) == 0) {
            leave_begin(current);
            _longjmp(current->outside, 1);
        }
        enter_end(current);
    }
}

static void end(struct fiber *fiber)
{
    struct fiber_pool *pool = fiber->pool;
    pool->active--;
    if (pool->ready < pool->spare) {
        wipe_stack(fiber);
        pool->ready++;
        fiber->next = pool->idle;
        pool->idle = fiber;
    } else {
        /* The system wipes what it takes back before anyone else sees it. */
        drop_stack(fiber);
        fiber->next = pool->bare;
        pool->bare = fiber;
    }
}

/* Until it pauses or ends. */
NO_TSAN static void run(struct fiber *fiber)
{
    assert(current == NULL);
    current = fiber;
    if (_setjmp(fiber->outside) == 0) {
        enter_begin(fiber);
        if (fiber->keep == NULL)
            (void)setcontext(&fiber->entry);
        else
            _longjmp(fiber->inside, 1);
        abort(); /* setcontext came back: the context is not one */
    }
    struct fiber *back = current;
    leave_end(back);
    current = NULL;
    if (atomic_load_explicit(&back->state, memory_order_acquire) == IDLE)
        end(back);
}

static enum err take_fiber(struct fiber_pool *pool, struct fiber **ret_fiber)
{
    struct fiber **from = pool->idle != NULL ? &pool->idle : &pool->bare;
    struct fiber *fiber = *from;
    if (fiber == NULL) {
        fiber = calloc(1, sizeof *fiber);
        if (fiber == NULL)
            return ERR_NO_MEMORY;
        fiber->pool = pool;
        fiber->all = pool->all;
        pool->all = fiber;
        fiber->next = pool->bare;
        pool->bare = fiber;
        from = &pool->bare;
    }
    if (fiber->map == NULL)
        TRY(make_stack(fiber));
    else
        pool->ready--;
    *from = fiber->next;
    *ret_fiber = fiber;
    return ERR_OK;
}

enum err fiber_start(struct fiber_pool *pool, void (*fn)(void *arg), void *arg)
{
    if (pool->active >= pool->max)
        return ERR_BUSY;
    struct fiber *fiber = NULL;
    TRY(take_fiber(pool, &fiber));
    assert(fiber != NULL);
    fiber->fn = fn;
    fiber->arg = arg;
    if (fiber->keep == NULL) {
        (void)getcontext(&fiber->entry);
        fiber->entry.uc_stack = (stack_t){.ss_sp = stack_of(fiber), .ss_size = FIBER_STACK};
        fiber->entry.uc_link = NULL;
        makecontext(&fiber->entry, entry, 0);
    }
    pool->active++;
    atomic_store_explicit(&fiber->state, RUNNING, memory_order_relaxed);
    run(fiber);
    return ERR_OK;
}

struct fiber *fiber_current(void)
{
    return current;
}

NO_TSAN void fiber_pause(void)
{
    struct fiber *fiber = current;
    assert(fiber != NULL);
    int state = RUNNING;
    /* Only this thread resumes it, so it may be called paused before it is. */
    if (!atomic_compare_exchange_strong(&fiber->state, &state, PAUSED)) {
        atomic_store(&fiber->state, RUNNING);
        return;
    }
    if (_setjmp(fiber->inside) == 0) {
        leave_begin(fiber);
        _longjmp(fiber->outside, 1);
    }
    enter_end(current);
}

void fiber_wake(struct fiber *fiber)
{
    int state = atomic_load(&fiber->state);
    for (;;) {
        int next = state == RUNNING ? RUNNING_WOKEN : state == PAUSED ? WOKEN : state;
        if (next == state)
            return;
        if (atomic_compare_exchange_weak(&fiber->state, &state, next)) {
            if (next == WOKEN)
                fiber->pool->owner.wake(fiber->pool->owner.ctx, fiber);
            return;
        }
    }
}

void fiber_resume(struct fiber *fiber)
{
    int state = WOKEN;
    bool woken = atomic_compare_exchange_strong(&fiber->state, &state, RUNNING);
    assert(woken);
    if (woken)
        run(fiber);
}

void *fiber_post_room(struct fiber *fiber)
{
    return fiber->room;
}

/* ---- pools ---- */

enum err fiber_pool_new(struct fiber_owner owner, unsigned max, unsigned spare,
                        struct fiber_pool **ret_pool)
{
    struct fiber_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return ERR_NO_MEMORY;
    *pool = (struct fiber_pool){.owner = owner, .max = max, .spare = spare};
    *ret_pool = pool;
    return ERR_OK;
}

void fiber_pool_free(struct fiber_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->active == 0);
    while (pool->all != NULL) {
        struct fiber *fiber = pool->all;
        pool->all = fiber->all;
        drop_stack(fiber);
        free(fiber);
    }
    free(pool);
}

unsigned fiber_pool_active(const struct fiber_pool *pool)
{
    return pool->active;
}

#include "net/loop_priv.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

static _Thread_local char this_thread;

static void wake_up(int fd, short what, void *arg)
{
    (void)what;
    (void)arg;
    uint64_t count;
    /* only empties it; what was posted runs after the events */
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

static enum err make_base(struct net_loop *loop)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return ERR_NO_MEMORY;
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL)
        return ERR_NO_MEMORY;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return ERR_IO;
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, wake_up, NULL);
    if (loop->wake_event == NULL || event_add(loop->wake_event, NULL) != 0)
        return ERR_NO_MEMORY;
    return ERR_OK;
}

enum err net_loop_new(struct net_loop **ret_loop)
{
    AUTO(net_loop_freep) struct net_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return ERR_NO_MEMORY;
    loop->wake_fd = -1;
    loop->scratch = malloc(LOOP_SCRATCH);
    if (loop->scratch == NULL)
        return ERR_NO_MEMORY;
    TRY(make_base(loop));
    *ret_loop = TAKE(loop);
    return ERR_OK;
}

void net_loop_post_list(struct net_loop *loop, struct net_post *first, struct net_post *last)
{
    /* The stack holds the newest first, so a list goes in reversed. */
    struct net_post *reversed = NULL;
    for (struct net_post *at = first, *next; at != NULL; at = next) {
        next = at == last ? NULL : at->next;
        at->next = reversed;
        reversed = at;
    }
    struct net_post *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        first->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, reversed,
                                                    memory_order_release, memory_order_relaxed));
    /* Who finds it empty wakes the loop for all that follow; not where it is about to look. */
    if (head == NULL && !(loop_runs_here(loop) && loop->in_events)) {
        uint64_t one = 1;
        while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
}

void net_loop_post_item(struct net_loop *loop, struct net_post *item)
{
    net_loop_post_list(loop, item, item);
}

struct heap_post {
    struct net_post post;
    net_fn *fn;
    void *arg;
};

static void run_heap_post(void *arg)
{
    struct heap_post *item = arg;
    net_fn *fn = item->fn;
    void *fn_arg = item->arg;
    free(item);
    fn(fn_arg);
}

enum err net_loop_post(struct net_loop *loop, net_fn *fn, void *arg)
{
    struct heap_post *item = malloc(sizeof *item);
    if (item == NULL)
        return ERR_NO_MEMORY;
    *item = (struct heap_post){.post = {NULL, run_heap_post, item}, .fn = fn, .arg = arg};
    net_loop_post_item(loop, &item->post);
    return ERR_OK;
}

/* One batch: what its functions post waits for the next iteration. */
bool loop_run_posted(struct net_loop *loop)
{
    struct net_post *newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    struct net_post *oldest = NULL;
    for (struct net_post *next; newest != NULL; newest = next) {
        next = newest->next;
        newest->next = oldest;
        oldest = newest;
    }
    bool any = oldest != NULL;
    for (struct net_post *next; oldest != NULL; oldest = next) {
        next = oldest->next;
        oldest->fn(oldest->arg);
    }
    return any;
}

enum err net_loop_on_iteration(struct net_loop *loop, net_fn *fn, void *ctx)
{
    if (loop->hooks_len == LOOP_HOOKS_MAX)
        return ERR_LIMIT;
    loop->hooks[loop->hooks_len++] = (struct hook){fn, ctx};
    return ERR_OK;
}

uint64_t net_loop_now_ns(struct net_loop *loop)
{
    if (loop->now_ns == 0)
        loop->now_ns = clock_mono_ns();
    return loop->now_ns;
}

/* Going to sleep and being woken costs more than a dozen looks, above all on a virtual machine: a
 * loop that has just worked looks some times more, giving way to others in between, before it
 * waits. */
#define LOOKS 16

static int how_to_wait(struct net_loop *loop, unsigned *looks)
{
    if (loop->again != NULL || loop->dirty != NULL || loop->closing != NULL || loop->told)
        return EVLOOP_ONCE | EVLOOP_NONBLOCK;
    if (*looks == 0) {
        *looks = LOOKS;
        return EVLOOP_ONCE;
    }
    --*looks;
    (void)sched_yield();
    return EVLOOP_ONCE | EVLOOP_NONBLOCK;
}

enum err net_loop_run(struct net_loop *loop)
{
    enum err err = ERR_OK;
    unsigned looks = 0;
    atomic_store(&loop->owner, &this_thread);
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire)) {
        int flags = how_to_wait(loop, &looks);
        loop->told = false;
        loop->now_ns = 0; /* read by whoever wants it first, after the wait */
        loop->in_events = true;
        /* Returns after the ready events were handled once. */
        if (event_base_loop(loop->base, flags) < 0) {
            err = ERR_IO;
            break;
        }
        conns_again(loop);
        loop->in_events = false;
        (void)loop_run_posted(loop);
        for (unsigned i = 0; i < loop->hooks_len; i++)
            loop->hooks[i].fn(loop->hooks[i].ctx);
        conns_end(loop);
    }
    loop->in_events = false;
    atomic_store(&loop->stop, false);
    atomic_store(&loop->owner, NULL);
    return err;
}

void net_loop_stop(struct net_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    uint64_t one = 1;
    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

bool net_loop_is_mine(const struct net_loop *loop)
{
    const void *owner = atomic_load(&loop->owner);
    return owner == NULL || owner == &this_thread;
}

bool loop_runs_here(const struct net_loop *loop)
{
    return atomic_load(&loop->owner) == &this_thread;
}

struct buf loop_buf_take(struct net_loop *loop)
{
    return loop->spare_len > 0 ? loop->spare[--loop->spare_len] : (struct buf){0};
}

void loop_buf_give(struct net_loop *loop, struct buf *b)
{
    if (b->data == NULL)
        return;
    if (loop->spare_len == LOOP_SPARE_MAX || b->cap > LOOP_SPARE_SIZE) {
        buf_done(b);
        return;
    }
    explicit_bzero(b->data, b->len);
    b->len = 0;
    loop->spare[loop->spare_len++] = *b;
    *b = (struct buf){0};
}

void net_loop_free(struct net_loop *loop)
{
    if (loop == NULL)
        return;
    /* a name is being resolved for a connection of this loop; it posts when done */
    while (atomic_load(&loop->resolving) > 0)
        (void)usleep(1000);
    while (loop_run_posted(loop))
        ;
    conns_free(loop);
    while (loop->spare_len > 0)
        buf_done(&loop->spare[--loop->spare_len]);
    if (loop->wake_event != NULL)
        event_free(loop->wake_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        (void)close(loop->wake_fd);
    if (loop->scratch != NULL)
        explicit_bzero(loop->scratch, LOOP_SCRATCH);
    free(loop->scratch);
    free(loop);
}

void net_loop_freep(struct net_loop **loop)
{
    net_loop_free(*loop);
}

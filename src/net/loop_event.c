#include <stdlib.h>

#include "net/loop_priv.h"

struct net_timer {
    struct event event;
    struct event_base *base;
    net_fn *fn;
    void *ctx;
};

static void timer_fired(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct net_timer *timer = arg;
    timer->fn(timer->ctx);
}

enum err net_timer_new(struct net_loop *loop, net_fn *fn, void *ctx, struct net_timer **ret_timer)
{
    struct net_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL)
        return ERR_NO_MEMORY;
    *timer = (struct net_timer){.base = loop->base, .fn = fn, .ctx = ctx};
    (void)event_assign(&timer->event, loop->base, -1, 0, timer_fired, timer);
    *ret_timer = timer;
    return ERR_OK;
}

static void timer_start(struct net_timer *timer, uint64_t ms, short flags)
{
    struct timeval after = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};
    (void)event_del(&timer->event);
    (void)event_assign(&timer->event, timer->base, -1, flags, timer_fired, timer);
    (void)event_add(&timer->event, &after);
}

void net_timer_set(struct net_timer *timer, uint64_t ms)
{
    timer_start(timer, ms, 0);
}

void net_timer_every(struct net_timer *timer, uint64_t ms)
{
    timer_start(timer, ms > 0 ? ms : 1, EV_PERSIST);
}

void net_timer_stop(struct net_timer *timer)
{
    (void)event_del(&timer->event);
}

void net_timer_free(struct net_timer *timer)
{
    if (timer == NULL)
        return;
    (void)event_del(&timer->event);
    free(timer);
}

/* Two events, so that changing one interest leaves the other as it is. */
struct net_watch {
    struct event readable;
    struct event writable;
    net_watch_fn *fn;
    void *ctx;
    unsigned want;
};

static void watch_readable(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct net_watch *watch = arg;
    watch->fn(watch->ctx, NET_READABLE);
}

static void watch_writable(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct net_watch *watch = arg;
    watch->fn(watch->ctx, NET_WRITABLE);
}

enum err net_watch_new(struct net_loop *loop, int fd, net_watch_fn *fn, void *ctx,
                       struct net_watch **ret_watch)
{
    struct net_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return ERR_NO_MEMORY;
    watch->fn = fn;
    watch->ctx = ctx;
    (void)event_assign(&watch->readable, loop->base, fd, EV_READ | EV_PERSIST, watch_readable,
                       watch);
    (void)event_assign(&watch->writable, loop->base, fd, EV_WRITE | EV_PERSIST, watch_writable,
                       watch);
    *ret_watch = watch;
    return ERR_OK;
}

static void want_one(struct event *event, bool had, bool wants)
{
    if (wants && !had)
        (void)event_add(event, NULL);
    if (had && !wants)
        (void)event_del(event);
}

void net_watch_want(struct net_watch *watch, unsigned ready)
{
    want_one(&watch->readable, (watch->want & NET_READABLE) != 0, (ready & NET_READABLE) != 0);
    want_one(&watch->writable, (watch->want & NET_WRITABLE) != 0, (ready & NET_WRITABLE) != 0);
    watch->want = ready;
}

void net_watch_free(struct net_watch *watch)
{
    if (watch == NULL)
        return;
    (void)event_del(&watch->readable);
    (void)event_del(&watch->writable);
    free(watch);
}

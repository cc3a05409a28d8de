#pragma once

/* Inside of loops and connections; for the .c files of this folder only. */

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "net/conn.h"
#include "net/loop.h"

#define LOOP_HOOKS_MAX 16
#define LOOP_SPARE_MAX 64
/* A read gives at most this much to one connection before the next has its turn. */
#define LOOP_SCRATCH ((size_t)128 * 1024)
/* A send buffer that grew beyond this is not kept for the next connection. */
#define LOOP_SPARE_SIZE ((size_t)256 * 1024)

struct hook {
    net_fn *fn;
    void *ctx;
};

struct conn_link {
    struct net_conn *next;
    struct net_conn *prev;
};

struct net_loop {
    struct event_base *base;
    _Atomic(const void *) owner; /* address of a variable of the thread that runs it */
    _Atomic bool stop;
    _Atomic unsigned resolving;        /* threads that will still post here */
    _Atomic(struct net_post *) posted; /* newest first */
    int wake_fd;
    struct event *wake_event;
    struct hook hooks[LOOP_HOOKS_MAX];
    unsigned hooks_len;
    uint64_t now_ns;          /* 0: not read in this iteration */
    bool in_events;           /* what is posted now runs in this iteration */
    bool told;                /* callbacks ran after the hooks: the hooks are due again */
    struct net_conn *all;     /* linked by `all` */
    struct net_conn *dirty;   /* each singly linked by its own `next_*` */
    struct net_conn *again;   /* have something to do without an event */
    struct net_conn *closing; /* on_close is due */
    struct net_conn *dead;    /* closed and released; freed at the end of the iteration */
    struct buf spare[LOOP_SPARE_MAX];
    unsigned spare_len;
    uint8_t *scratch; /* LOOP_SCRATCH bytes */
};

/* conn.c: what loop.c calls in each iteration. */
void conns_again(struct net_loop *loop);
void conns_end(struct net_loop *loop);
void conns_free(struct net_loop *loop);

/* Like net_loop_is_mine, but false while nobody runs it. */
bool loop_runs_here(const struct net_loop *loop);
/* One batch; false where there was nothing. */
bool loop_run_posted(struct net_loop *loop);
struct buf loop_buf_take(struct net_loop *loop);
void loop_buf_give(struct net_loop *loop, struct buf *b);

#pragma once

#include "base/secret.h"
#include "keeper/types.h"

/* Inside keeper only: one connection's answers. They are queued while a cycle runs and sent when
 * its records are durable; nothing here blocks. */

#define CONN_ANSWERS_MAX 12 /* queued; the connection is not read from beyond that */
/* A bundle that is read by then is answered up to here; an honest client's needs less. */
#define CONN_BUNDLED_MAX (CONN_ANSWERS_MAX + 52)
/* With the refusals of the rest of it, and what the jobs under way may add. */
#define CONN_ANSWERS_ROOM (CONN_BUNDLED_MAX + 4 + KEEPER_CALLS_MAX)

struct answer {
    struct secret *buf;
    size_t len;
    unsigned bundled; /* answers in it; 0: it is not a bundle */
};

struct conn {
    int fd;          /* -1: closed */
    uint32_t events; /* what epoll watches */
    struct answer answers[CONN_ANSWERS_ROOM];
    unsigned first;
    unsigned count;
    unsigned fresh; /* the last of them, of this cycle */
};

/* Buffers of KEEPER_MESSAGE_MAX bytes in locked memory, used again last in, first out. */
struct answer_pool {
    struct secret **free;
    size_t count;
    size_t cap;
};
MUST_CHECK enum err answer_pool_init(struct answer_pool *pool, size_t cap);
void answer_pool_done(struct answer_pool *pool);
/* NULL: out of locked memory. */
struct secret *answer_take(struct answer_pool *pool);
/* Wipes the first `used` bytes. */
void answer_give(struct answer_pool *pool, struct secret *buf, size_t used);

void conn_queue(struct conn *conn, struct secret *buf, size_t len);
/* Copy an answer into the bundle of this cycle. ERR_NO_MEMORY: out of locked memory. */
MUST_CHECK enum err conn_gather(struct conn *conn, struct answer_pool *pool, struct bytes answer);
struct answer *conn_answer(struct conn *conn, unsigned at); /* 0: the oldest */
/* Send what the socket takes. ERR_BUSY: more is waiting; ERR_CLOSED. */
MUST_CHECK enum err conn_send(struct conn *conn, struct answer_pool *pool);
/* Close and wipe. */
void conn_close(struct conn *conn, struct answer_pool *pool);

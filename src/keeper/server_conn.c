#include "keeper/server_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/types.h"

enum err answer_pool_init(struct answer_pool *pool, size_t cap)
{
    pool->free = calloc(cap, sizeof(struct secret *));
    pool->cap = cap;
    return pool->free != NULL ? ERR_OK : ERR_NO_MEMORY;
}

void answer_pool_done(struct answer_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        secret_free(pool->free[i]);
    free(pool->free);
    *pool = (struct answer_pool){.free = NULL};
}

struct secret *answer_take(struct answer_pool *pool)
{
    if (pool->count != 0)
        return pool->free[--pool->count];
    struct secret *buf = NULL;
    return secret_new(KEEPER_MESSAGE_MAX, &buf) == ERR_OK ? buf : NULL;
}

void answer_give(struct answer_pool *pool, struct secret *buf, size_t used)
{
    explicit_bzero(secret_data(buf), used);
    if (pool->count < pool->cap)
        pool->free[pool->count++] = buf;
    else
        secret_free(buf);
}

void conn_queue(struct conn *conn, struct secret *buf, size_t len)
{
    unsigned at = (conn->first + conn->count) % CONN_ANSWERS_MAX;
    conn->answers[at] = (struct answer){buf, len};
    conn->count++;
    conn->fresh++;
}

static void drop_first(struct conn *conn, struct answer_pool *pool)
{
    struct answer *answer = &conn->answers[conn->first];
    answer_give(pool, answer->buf, answer->len);
    conn->first = (conn->first + 1) % CONN_ANSWERS_MAX;
    conn->count--;
}

enum err conn_send(struct conn *conn, struct answer_pool *pool)
{
    conn->fresh = 0;
    while (conn->count != 0) {
        const struct answer *answer = &conn->answers[conn->first];
        ssize_t sent =
            send(conn->fd, secret_data(answer->buf), answer->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return ERR_BUSY;
        if (sent < 0)
            return ERR_CLOSED;
        drop_first(conn, pool);
    }
    return ERR_OK;
}

void conn_close(struct conn *conn, struct answer_pool *pool)
{
    while (conn->count != 0)
        drop_first(conn, pool);
    conn->fresh = 0;
    if (conn->fd >= 0)
        (void)close(conn->fd);
    conn->fd = -1;
}

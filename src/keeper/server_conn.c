#include "keeper/server_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/bundle.h"

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
    conn->count++;
    conn->fresh++;
    *conn_answer(conn, conn->count - 1) = (struct answer){.buf = buf, .len = len};
}

struct answer *conn_answer(struct conn *conn, unsigned at)
{
    return &conn->answers[(conn->first + at) % CONN_ANSWERS_ROOM];
}

/* The last one, where it is a bundle of this cycle with room. */
static struct answer *open_bundle(struct conn *conn, size_t len)
{
    if (conn->fresh == 0)
        return NULL;
    struct answer *last = conn_answer(conn, conn->count - 1);
    bool room = last->bundled != 0 && last->bundled < KEEPER_BUNDLE_MAX &&
                last->len + BUNDLE_MESSAGE_HEAD + len <= KEEPER_MESSAGE_MAX;
    return room ? last : NULL;
}

enum err conn_gather(struct conn *conn, struct answer_pool *pool, struct bytes answer)
{
    struct answer *bundle = open_bundle(conn, answer.len);
    if (bundle == NULL) {
        struct secret *buf = answer_take(pool);
        if (buf == NULL)
            return ERR_NO_MEMORY;
        conn_queue(conn, buf, KEEPER_HEAD_SIZE);
        bundle = conn_answer(conn, conn->count - 1);
    }
    uint8_t *data = secret_data(bundle->buf);
    if (answer.len > BUNDLE_MESSAGE_MAX) {
        memcpy(data, answer.data, answer.len);
        bundle->len = answer.len;
        return ERR_OK;
    }
    be32_store(data + bundle->len, (uint32_t)answer.len);
    memcpy(data + bundle->len + BUNDLE_MESSAGE_HEAD, answer.data, answer.len);
    bundle->len += BUNDLE_MESSAGE_HEAD + answer.len;
    bundle->bundled++;
    struct writer head = writer_of(data, KEEPER_HEAD_SIZE);
    message_put_head(&head, KEEPER_BUNDLE | KEEPER_ANSWER, (uint16_t)bundle->bundled, 0);
    return ERR_OK;
}

static void drop_first(struct conn *conn, struct answer_pool *pool)
{
    struct answer *answer = &conn->answers[conn->first];
    answer_give(pool, answer->buf, answer->len);
    conn->first = (conn->first + 1) % CONN_ANSWERS_ROOM;
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

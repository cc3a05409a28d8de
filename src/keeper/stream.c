#include "keeper/stream.h"

#include <stdlib.h>

#define IDLE_NS ((uint64_t)KEEPER_SESSION_IDLE_S * 1000000000)
_Static_assert(KEEPER_STREAMS_MAX <= 256, "a place in eight bits of an id");

struct stream_table {
    unsigned conns;
    struct keeper_token token;
    uint32_t last;
    struct stream *of[]; /* a connection's, once it has begun one; NULL */
};

enum err streams_new(unsigned conns, const struct keeper_token *token,
                     struct stream_table **ret_table)
{
    struct stream_table *table = calloc(1, sizeof *table + conns * sizeof(struct stream *));
    if (table == NULL)
        return ERR_NO_MEMORY;
    table->conns = conns;
    table->token = *token;
    *ret_table = table;
    return ERR_OK;
}

void streams_free(struct stream_table *table)
{
    if (table == NULL)
        return;
    for (unsigned conn = 0; conn < table->conns; conn++) {
        streams_close(table, conn);
        free(table->of[conn]);
    }
    free(table);
}

enum err stream_open(struct stream_table *table, unsigned conn, uint64_t now_ns,
                     struct stream **ret_stream)
{
    if (conn >= table->conns)
        return ERR_ARGUMENT;
    if (table->of[conn] == NULL)
        table->of[conn] = calloc(KEEPER_STREAMS_MAX, sizeof(struct stream));
    if (table->of[conn] == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < KEEPER_STREAMS_MAX; i++) {
        struct stream *stream = &table->of[conn][i];
        if (stream->id != 0)
            continue;
        table->last = (table->last + 1) & 0xffffff;
        if (table->last == 0)
            table->last = 1;
        stream->id = table->last << 8 | i;
        stream->used_ns = now_ns;
        *ret_stream = stream;
        return ERR_OK;
    }
    return ERR_BUSY;
}

enum err stream_find(struct stream_table *table, unsigned conn, uint32_t id, uint64_t now_ns,
                     struct stream **ret_stream)
{
    unsigned at = id & 0xff;
    if (id == 0 || conn >= table->conns || table->of[conn] == NULL || at >= KEEPER_STREAMS_MAX ||
        table->of[conn][at].id != id)
        return ERR_NOT_FOUND;
    struct stream *stream = &table->of[conn][at];
    if (stream->busy)
        return ERR_BUSY;
    stream->used_ns = now_ns;
    *ret_stream = stream;
    return ERR_OK;
}

void stream_close(struct stream_table *table, struct stream *stream)
{
    crypto_stream_free(stream->crypto);
    if (stream->token != NULL)
        table->token.ops->stream_free(table->token.ctx, stream->token);
    explicit_bzero(stream, sizeof *stream);
}

static void close_one(struct stream_table *table, struct stream *stream)
{
    if (stream->busy)
        stream->doomed = true;
    else
        stream_close(table, stream);
}

void streams_close(struct stream_table *table, unsigned conn)
{
    if (conn >= table->conns || table->of[conn] == NULL)
        return;
    for (unsigned i = 0; i < KEEPER_STREAMS_MAX; i++)
        if (table->of[conn][i].id != 0)
            close_one(table, &table->of[conn][i]);
}

void streams_expire(struct stream_table *table, uint64_t now_ns)
{
    for (unsigned conn = 0; conn < table->conns; conn++) {
        if (table->of[conn] == NULL)
            continue;
        for (unsigned i = 0; i < KEEPER_STREAMS_MAX; i++) {
            struct stream *stream = &table->of[conn][i];
            if (stream->id != 0 && !stream->busy && now_ns > stream->used_ns &&
                now_ns - stream->used_ns > IDLE_NS)
                stream_close(table, stream);
        }
    }
}

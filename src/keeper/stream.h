#pragma once

#include "keeper/call.h"
#include "keeper/object_message.h"

/* Inside keeper only: operations in pieces. A stream belongs to the connection that began it, and
 * ends with it, when it was idle for KEEPER_SESSION_IDLE_S, and with whatever fails. */

struct stream {
    uint32_t id; /* 0: free */
    bool busy;   /* a job has it: freed by that, or given back */
    bool doomed; /* its connection is gone meanwhile */
    bool heavy;  /* its end is with a private key */
    uint64_t used_ns;
    struct crypto_stream *crypto;
    void *token; /* of the token's own; one of the two is there */
    struct keeper_row row;
    uint8_t actor_len, name_len;
    uint8_t actor[KEEPER_ACTOR_MAX];
    uint8_t name[KEEPER_OBJECT_NAME_MAX];
    uint32_t op, alg, mode; /* for the record of its end */
};

struct stream_table;

MUST_CHECK enum err streams_new(unsigned conns, const struct keeper_token *token,
                                struct stream_table **ret_table);
void streams_free(struct stream_table *table); /* NULL is allowed */
/* A place for a new one, zeroed but for its id. ERR_BUSY above KEEPER_STREAMS_MAX. */
MUST_CHECK enum err stream_open(struct stream_table *table, unsigned conn, uint64_t now_ns,
                                struct stream **ret_stream);
/* ERR_NOT_FOUND; ERR_BUSY while a job has it. */
MUST_CHECK enum err stream_find(struct stream_table *table, unsigned conn, uint32_t id,
                                uint64_t now_ns, struct stream **ret_stream);
/* Wipe it and what it holds. */
void stream_close(struct stream_table *table, struct stream *stream);
void streams_close(struct stream_table *table, unsigned conn);
void streams_expire(struct stream_table *table, uint64_t now_ns);

#include "keeper/session.h"

#include <stdlib.h>

#define IDLE_NS ((uint64_t)KEEPER_SESSION_IDLE_S * 1000000000)

enum err sessions_init(struct session_table *table, unsigned conns)
{
    struct session *all = calloc((size_t)conns * KEEPER_SESSIONS_MAX, sizeof *all);
    if (all == NULL)
        return ERR_NO_MEMORY;
    *table = (struct session_table){.all = all, .conns = conns};
    return ERR_OK;
}

void session_end(struct session_table *table, struct session *session)
{
    cmac_free(session->cmac);
    aead_stream_free(session->stream);
    aead_stream_free(session->check);
    hash_free(session->hash);
    explicit_bzero(session, sizeof *session);
    table->open--;
}

void sessions_close(struct session_table *table, unsigned conn)
{
    struct session *own = table->all + (size_t)conn * KEEPER_SESSIONS_MAX;
    for (unsigned i = 0; i < KEEPER_SESSIONS_MAX; i++)
        if (own[i].kind != SESSION_NONE)
            session_end(table, &own[i]);
}

void sessions_done(struct session_table *table)
{
    for (unsigned conn = 0; conn < table->conns; conn++)
        sessions_close(table, conn);
    free(table->all);
    *table = (struct session_table){.all = NULL};
}

void sessions_expire(struct session_table *table, uint64_t now_ns)
{
    for (size_t i = 0; i < (size_t)table->conns * KEEPER_SESSIONS_MAX; i++) {
        struct session *session = &table->all[i];
        if (session->kind != SESSION_NONE && now_ns > session->used_ns &&
            now_ns - session->used_ns > IDLE_NS)
            session_end(table, session);
    }
}

enum err session_begin(struct session_table *table, unsigned conn, enum session_kind kind,
                       struct bytes actor, uint64_t now_ns, struct session **ret_session)
{
    if (conn >= table->conns || actor.len > KEEPER_ACTOR_MAX)
        return ERR_ARGUMENT;
    struct session *own = table->all + (size_t)conn * KEEPER_SESSIONS_MAX;
    for (unsigned i = 0; i < KEEPER_SESSIONS_MAX; i++) {
        if (own[i].kind != SESSION_NONE)
            continue;
        own[i].kind = kind;
        own[i].id = ++table->last_id;
        own[i].used_ns = now_ns;
        own[i].actor_len = (uint8_t)actor.len;
        memcpy(own[i].actor, actor.data, actor.len);
        table->open++;
        *ret_session = &own[i];
        return ERR_OK;
    }
    return ERR_BUSY;
}

enum err session_find(struct session_table *table, unsigned conn, enum session_kind kind,
                      uint32_t id, uint64_t now_ns, struct session **ret_session)
{
    if (conn >= table->conns)
        return ERR_NOT_FOUND;
    struct session *own = table->all + (size_t)conn * KEEPER_SESSIONS_MAX;
    for (unsigned i = 0; i < KEEPER_SESSIONS_MAX; i++) {
        if (own[i].kind == SESSION_NONE || own[i].id != id)
            continue;
        if (kind != SESSION_NONE && own[i].kind != kind)
            return ERR_NOT_FOUND;
        own[i].used_ns = now_ns;
        *ret_session = &own[i];
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

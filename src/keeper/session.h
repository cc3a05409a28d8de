#pragma once

#include "base/err.h"
#include "crypto/aead.h"
#include "crypto/cmac.h"
#include "crypto/hash.h"
#include "keeper/keyring_line.h"

/* What an import, export, MAC or signature keeps between its messages. A session belongs to the
 * connection that began it, and is wiped when that closes, when it was idle for too long, or when
 * it fails. */

enum session_kind { SESSION_NONE, SESSION_MAC, SESSION_EXPORT, SESSION_IMPORT, SESSION_SIGN };

struct session {
    enum session_kind kind;
    uint32_t id;
    uint64_t used_ns;
    uint8_t actor_len;
    uint8_t actor[KEEPER_ACTOR_MAX];
    struct keeper_row row; /* MAC: the key's; else the domain and epoch of all rows */
    uint8_t purpose;
    struct cmac *cmac;
    struct aead_stream *stream;
    struct aead_stream *check; /* import: until the tag was seen to be right */
    uint32_t checked, taken;   /* pieces, in either pass; of a signature: bytes of the form */
    uint32_t keys;             /* that left or came */
    bool head_done;
    /* signature */
    struct hash *hash;
    uint8_t what_len;
    uint8_t what[KEEPER_NAME_MAX];
    /* import */
    uint8_t head; /* enum keeper_head */
    uint8_t id_width;
    uint8_t head_lines; /* read so far */
    bool rows_begun;
    struct keeper_versions versions;
    struct keyring_split split;
    uint32_t lines, nodes, refused, unreported;
};

struct session_table {
    struct session *all; /* conns * KEEPER_SESSIONS_MAX */
    unsigned conns;
    uint32_t last_id;
    uint32_t open;
};

MUST_CHECK enum err sessions_init(struct session_table *table, unsigned conns);
void sessions_done(struct session_table *table);
/* ERR_BUSY where the connection has KEEPER_SESSIONS_MAX. */
MUST_CHECK enum err session_begin(struct session_table *table, unsigned conn,
                                  enum session_kind kind, struct bytes actor, uint64_t now_ns,
                                  struct session **ret_session);
/* ERR_NOT_FOUND for another connection's, another kind's and none. SESSION_NONE: any kind. */
MUST_CHECK enum err session_find(struct session_table *table, unsigned conn, enum session_kind kind,
                                 uint32_t id, uint64_t now_ns, struct session **ret_session);
void session_end(struct session_table *table, struct session *session); /* wipes */
void sessions_close(struct session_table *table, unsigned conn);
void sessions_expire(struct session_table *table, uint64_t now_ns);

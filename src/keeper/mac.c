#include "keeper/call.h"

/* MAC_BEGIN   actor | row | sealed -> u32 session
 * MAC_UPDATE  u32 session | u16 length, part ->
 * MAC_END     u32 session -> 16 bytes
 * MAC_VERIFY  u32 session | u8 length, mac ->
 * SESSION_DROP  u32 session -> */

static enum err mac_key(const struct keeper_row *row, struct bytes secret, struct cmac **ret_cmac)
{
    if (row->table == KEEPER_PASSPHRASE)
        return cmac_new(bytes_of(secret.data + 32, 32), ret_cmac);
    if (secret.len == 16 || secret.len == 32)
        return cmac_new(secret, ret_cmac);
    /* RFC 4615, 3: a key of another length is the CMAC of itself under the zero key. */
    static const uint8_t zero[16];
    AUTO(cmac_freep) struct cmac *shorten = NULL;
    TRY(cmac_new(BYTES(zero), &shorten));
    AUTO(secret_block32_wipe) struct secret_block32 key;
    TRY(cmac_parts(shorten, &secret, 1, key.data));
    return cmac_new(bytes_of(key.data, CMAC_SIZE), ret_cmac);
}

enum err verb_mac_begin(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_row row = call_row(call);
    struct bytes sealed = message_get_sealed(&call->in);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_MAC, row.table, 1));
    uint8_t key[KEEPER_KEY_MAX];
    size_t len = 0;
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    enum err err = call_open(call, &row, sealed, key, &len);
    if (err == ERR_OK)
        err = mac_key(&row, bytes_of(key, len), &cmac);
    explicit_bzero(key, sizeof key);
    TRY(err);
    struct session *session = NULL;
    TRY(session_begin(&call->core->sessions, call->conn, SESSION_MAC, call->event.actor,
                      call->now_ns, &session));
    cmac_begin(cmac);
    session->cmac = TAKE(cmac);
    session->row = row;
    session->purpose = KEEPER_MAC;
    writer_u32(call->out, session->id);
    return ERR_OK;
}

static enum err mac_session(struct core_call *call, struct session **ret_session)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_MAC, &session));
    call->event.table = session->row.table;
    call->event.row = session->row.row;
    *ret_session = session;
    return ERR_OK;
}

enum err verb_mac_update(struct core_call *call)
{
    struct session *session = NULL;
    TRY(mac_session(call, &session));
    struct bytes part = reader_bytes16(&call->in);
    if (part.len > KEEPER_MAC_CHUNK_MAX)
        reader_fail(&call->in, ERR_LIMIT);
    TRY(call_read(call));
    enum err err = cmac_update(session->cmac, part);
    if (err != ERR_OK)
        session_end(&call->core->sessions, session);
    return err;
}

enum err verb_mac_end(struct core_call *call)
{
    struct session *session = NULL;
    TRY(mac_session(call, &session));
    TRY(call_read(call));
    uint8_t mac[CMAC_SIZE];
    enum err err = cmac_end(session->cmac, mac);
    session_end(&call->core->sessions, session);
    TRY(err);
    writer_bytes(call->out, BYTES(mac));
    return ERR_OK;
}

enum err verb_mac_verify(struct core_call *call)
{
    struct session *session = NULL;
    TRY(mac_session(call, &session));
    struct bytes wanted = reader_bytes(&call->in, reader_u8(&call->in));
    TRY(call_read(call));
    uint8_t mac[CMAC_SIZE];
    enum err err = cmac_end(session->cmac, mac);
    session_end(&call->core->sessions, session);
    TRY(err);
    err = secret_equal(BYTES(mac), wanted) ? ERR_OK : ERR_SIGNATURE;
    explicit_bzero(mac, sizeof mac);
    return err;
}

enum err verb_session_drop(struct core_call *call)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_NONE, &session));
    TRY(call_read(call));
    session_end(&call->core->sessions, session);
    return ERR_OK;
}

#include <stdio.h>

#include "base/hex.h"
#include "crypto/cms.h"
#include "crypto/random.h"
#include "keeper/call.h"
#include "keeper/client_files.h"

/* EXPORT_BEGIN  actor | u8 purpose | u32 domain | u16 length, SubjectPublicKeyInfo (none: own key)
 *               -> u32 session | 20 key id | 12 nonce | u16 length, encrypted content key
 * EXPORT_HEAD   u32 session | versions | gateway, cdld, base, pwdh: u32 epoch | sealed
 *               -> u16 length, ciphertext
 * EXPORT_NODES  u32 session | count times: u64 id | u32 epoch | u32 batch | u32 reprovision count |
 *               sealed -> u16 length, ciphertext
 * EXPORT_END    u32 session -> 16 tag
 *
 * A row that does not open, or that policy refuses, ends the session: a file is whole or isn't. */

static enum err recipient_get(struct core_call *call, uint8_t purpose, struct bytes spki,
                              struct rsa_public **ret_made, const struct rsa_public **ret_key)
{
    const struct keeper_token *token = &call->core->config.token;
    const struct rsa_public *own = token->ops->public_key(token->ctx, KEEPER_KEY_SERVER);
    if (spki.len == 0) {
        *ret_key = own;
        return own != NULL ? ERR_OK : ERR_NOT_FOUND;
    }
    TRY(rsa_public_from_spki(spki, ret_made, &call->detail));
    *ret_key = *ret_made;
    if (purpose == KEEPER_BACKUP && (own == NULL || !bytes_equal(rsa_public_fingerprint(own),
                                                                 rsa_public_fingerprint(*ret_key))))
        return err_set(&call->detail, ERR_DENIED, "a backup is for this server's own key only");
    return ERR_OK;
}

struct start {
    struct aead_stream *stream;
    struct buf encrypted_key;
    uint8_t nonce[AEAD_NONCE_SIZE];
};

static void start_done(struct start *start)
{
    aead_stream_free(start->stream);
    buf_done(&start->encrypted_key);
}

static enum err start_make(const struct rsa_public *recipient, struct start *start,
                           struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *key = NULL;
    TRY(random_secret(CMS_CEK_SIZE, &key));
    TRY(random_bytes(start->nonce, sizeof start->nonce));
    TRY(rsa_oaep_encrypt(recipient, OAEP_SHA1, secret_view(key), &start->encrypted_key, detail));
    return aead_stream_encrypt(secret_view(key), start->nonce, bytes_of(NULL, 0), &start->stream);
}

static void name_recipient(struct core_call *call, const struct rsa_public *recipient, char *text,
                           size_t room)
{
    char hex[2 * 32 + 1];
    hex_encode(rsa_public_fingerprint(recipient), hex);
    int len = snprintf(text, room, "recipient sha256:%s", hex);
    call->event.text = bytes_of(text, (size_t)len);
}

enum err verb_export_begin(struct core_call *call)
{
    (void)call_actor(call);
    uint8_t purpose = reader_u8(&call->in);
    call->event.domain = reader_u32(&call->in);
    struct bytes spki = reader_bytes16(&call->in);
    TRY(call_read(call));
    call->recorded = true;
    call->event.purpose = purpose;
    if (purpose != KEEPER_EXPORT_BATCH && purpose != KEEPER_EXPORT_KEYRING &&
        purpose != KEEPER_BACKUP)
        return ERR_DENIED;
    TRY(call_allow(call, purpose, KEEPER_NODE, 0));
    if (domains_find(call->core->domains, call->event.domain) == NULL)
        return ERR_NOT_FOUND;
    AUTO(rsa_public_freep) struct rsa_public *made = NULL;
    const struct rsa_public *recipient = NULL;
    TRY(recipient_get(call, purpose, spki, &made, &recipient));
    char text[128];
    name_recipient(call, recipient, text, sizeof text);
    AUTO(start_done) struct start start = {.stream = NULL};
    enum err err = start_make(recipient, &start, &call->detail);
    if (err == ERR_OK)
        err = core_record(call->core, &call->event);
    call->event.text = bytes_of(NULL, 0);
    TRY(err);
    struct session *session = NULL;
    TRY(session_begin(&call->core->sessions, call->conn, SESSION_EXPORT, call->event.actor,
                      call->now_ns, &session));
    session->stream = TAKE(start.stream);
    session->row.domain = call->event.domain;
    session->purpose = purpose;
    writer_u32(call->out, session->id);
    writer_bytes(call->out, rsa_public_key_id(recipient));
    writer_bytes(call->out, BYTES(start.nonce));
    writer_bytes16(call->out, buf_view(&start.encrypted_key));
    return ERR_OK;
}

/* Open a row and append its line in clear to `lines`. */
static enum err put_line(struct core_call *call, const struct keeper_row *row, struct bytes sealed,
                         struct keyring_line *line, struct writer *lines)
{
    uint8_t key[KEEPER_KEY_MAX];
    size_t len = 0;
    enum err err = call_open(call, row, sealed, key, &len);
    if (err == ERR_OK && len > sizeof line->key)
        err = ERR_INTERNAL;
    if (err == ERR_OK) {
        line->table = row->table;
        line->key_len = (uint8_t)len;
        memcpy(line->key, key, len);
        keyring_format(lines, line);
        err = writer_status(lines);
    } else {
        call->event.table = row->table;
        call->event.row = row->row;
        call->event.epoch = row->epoch;
    }
    explicit_bzero(key, sizeof key);
    explicit_bzero(line->key, sizeof line->key);
    return err;
}

/* The lines in scratch, encrypted, become the answer. */
static enum err put_ciphertext(struct core_call *call, struct session *session,
                               struct writer *lines)
{
    writer_u16(call->out, (uint16_t)lines->len);
    uint8_t *to = writer_reserve(call->out, lines->len);
    if (to == NULL)
        return ERR_INTERNAL;
    return aead_stream_update(session->stream, writer_view(lines), to);
}

static struct writer scratch(struct core_call *call)
{
    return writer_of(secret_data(call->core->scratch), KEEPER_MESSAGE_MAX - 64);
}

/* First lines in the order they are written, and where their parts stand in the request. */
#define HEADS 4
static const struct {
    uint8_t table;
    uint8_t place;
} heads[HEADS] = {{KEEPER_PWDH, 3}, {KEEPER_BASE, 2}, {KEEPER_GATEWAY, 0}, {KEEPER_CDLD, 1}};

struct head_key {
    uint32_t epoch;
    struct bytes sealed;
};

static uint32_t head_version(const struct keeper_versions *versions, uint8_t table)
{
    switch (table) {
    case KEEPER_GATEWAY: return versions->gateway;
    case KEEPER_CDLD: return versions->cdld;
    case KEEPER_BASE: return versions->base;
    default: return versions->passphrase;
    }
}

static enum err head_lines(struct core_call *call, struct session *session,
                           const struct keeper_versions *versions,
                           const struct head_key keys[HEADS])
{
    struct writer lines = scratch(call);
    for (unsigned i = 0; i < HEADS; i++) {
        struct keeper_row row = {.domain = session->row.domain,
                                 .table = heads[i].table,
                                 .row = head_version(versions, heads[i].table),
                                 .epoch = keys[heads[i].place].epoch};
        struct keyring_line line = {.table = 0};
        TRY(call_allow(call, session->purpose, row.table, 1));
        TRY(put_line(call, &row, keys[heads[i].place].sealed, &line, &lines));
        struct audit_event event = call->event;
        event.table = row.table;
        event.row = row.row;
        event.epoch = row.epoch;
        TRY(core_record(call->core, &event));
    }
    return put_ciphertext(call, session, &lines);
}

/* After a verb on a session: the clear lines go, and the session, too, where it failed. */
static enum err settle(struct core_call *call, struct session *session, enum err err)
{
    call_wipe_scratch(call);
    /* Above the rate nothing was encrypted yet: the same rows may be asked for later. */
    if (err != ERR_OK && err != ERR_RATE)
        session_end(&call->core->sessions, session);
    return err;
}

enum err verb_export_head(struct core_call *call)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_EXPORT, &session));
    struct keeper_versions versions = message_get_versions(&call->in);
    struct head_key keys[HEADS];
    for (unsigned i = 0; i < HEADS; i++) {
        keys[i].epoch = reader_u32(&call->in);
        keys[i].sealed = message_get_sealed(&call->in);
    }
    enum err err = call_read(call);
    if (err == ERR_OK && (session->head_lines != 0 || session->rows_begun))
        err = err_set(&call->detail, ERR_STATE, "first lines come before all others, once");
    call->recorded = true;
    if (err == ERR_OK)
        err = head_lines(call, session, &versions, keys);
    if (err == ERR_OK) {
        session->head_lines = HEADS;
        session->keys += HEADS;
        call->core->counters.exported += HEADS;
    }
    return settle(call, session, err);
}

static enum err node_lines(struct core_call *call, struct session *session, struct reader *nodes)
{
    TRY(call_allow(call, session->purpose, KEEPER_NODE, call->head.count));
    struct writer lines = scratch(call);
    struct row_ranges ranges;
    call->event.table = KEEPER_NODE;
    call->event.epoch = 0; /* every row has its own */
    ranges_init(&ranges, call->core, &call->event);
    for (unsigned i = 0; i < call->head.count; i++) {
        struct keeper_row row = {.domain = session->row.domain, .table = KEEPER_NODE};
        struct keyring_line line = {.table = 0};
        row.row = line.id = reader_u64(nodes);
        row.epoch = reader_u32(nodes);
        line.batch = reader_u32(nodes);
        line.reprovisioned = reader_u32(nodes);
        TRY(put_line(call, &row, message_get_sealed(nodes), &line, &lines));
        TRY(ranges_add(&ranges, row.row));
    }
    TRY(ranges_end(&ranges));
    return put_ciphertext(call, session, &lines);
}

enum err verb_export_nodes(struct core_call *call)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_EXPORT, &session));
    struct reader nodes = call->in;
    for (unsigned i = 0; i < call->head.count; i++) {
        (void)reader_bytes(&call->in, 8 + 4 + 4 + 4);
        (void)message_get_sealed(&call->in);
    }
    enum err err = call_read(call);
    call->recorded = true;
    if (err == ERR_OK)
        err = node_lines(call, session, &nodes);
    if (err == ERR_OK) {
        session->rows_begun = true;
        session->keys += call->head.count;
        call->core->counters.exported += call->head.count;
    }
    return settle(call, session, err);
}

enum err verb_export_end(struct core_call *call)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_EXPORT, &session));
    enum err err = call_read(call);
    call->event.row = session->keys;
    uint8_t tag[AEAD_TAG_SIZE];
    if (err == ERR_OK)
        err = aead_stream_tag(session->stream, tag);
    session_end(&call->core->sessions, session);
    TRY(err);
    writer_bytes(call->out, BYTES(tag));
    return ERR_OK;
}

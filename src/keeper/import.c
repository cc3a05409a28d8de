#include "crypto/cms.h"
#include "crypto/random.h"
#include "keeper/call.h"
#include "keeper/client_files.h"

/* IMPORT_BEGIN  actor | u32 domain | u32 epoch | u8 head | versions | u8 id width | u8 OAEP with
 *               SHA-256 | 12 nonce | u16 length, encrypted content key -> u32 session
 * IMPORT_CHECK  u32 session | u16 length, ciphertext -> 16 mark
 * IMPORT_CHECKED  u32 session | u8 length, tag ->
 * IMPORT_CHUNK  u32 session | 16 mark | u16 length, ciphertext -> lines
 * IMPORT_END    u32 session -> u32 lines | u32 nodes | u32 refused | u32 unreported | lines
 *
 *   lines = u16 number | each: u32 line | u8 table | (0: u16 length, text; else u64 row | u32 batch
 * | u32 reprovision count | made)
 *
 * A file comes twice. GCM is a stream cipher: who may change the ciphertext and is then told how
 * the lines look (an id, "a character that is no digit") reads the keys in them, digit by digit. So
 * the first time says nothing but whether the tag is right, and marks each piece with a MAC of its
 * place and content; the second time takes the pieces that were marked, in their order, and
 * nothing else. The marks are kept by the engine, so that a file of any size costs nothing here. */

#define MARK_KEY_SIZE 32
#define REFUSED_MAX   64 /* refusals of one chunk that are spelt out */

struct import_job {
    struct core_job job;
    struct keeper_import import;
    uint8_t nonce[AEAD_NONCE_SIZE];
    struct buf encrypted_key;
    struct secret *key;
};

static void import_release(struct core_job *base)
{
    struct import_job *job = (struct import_job *)base;
    buf_done(&job->encrypted_key);
    secret_free(job->key);
}

static enum err decrypt_work(struct core_job *base)
{
    struct import_job *job = (struct import_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    enum oaep_hash hash = job->import.oaep_sha256 ? OAEP_SHA256 : OAEP_SHA1;
    TRY(token->ops->oaep_decrypt(token->ctx, hash, buf_view(&job->encrypted_key), &job->key,
                                 &base->detail));
    return secret_len(job->key) == CMS_CEK_SIZE ? ERR_OK : ERR_DECRYPT;
}

static enum err begin_finish(struct core_call *call, struct core_job *base)
{
    struct import_job *job = (struct import_job *)base;
    AUTO(aead_stream_freep) struct aead_stream *stream = NULL;
    AUTO(aead_stream_freep) struct aead_stream *check = NULL;
    AUTO(cmac_freep) struct cmac *marks = NULL;
    TRY(aead_stream_decrypt(secret_view(job->key), job->nonce, bytes_of(NULL, 0), &stream));
    TRY(aead_stream_decrypt(secret_view(job->key), job->nonce, bytes_of(NULL, 0), &check));
    AUTO(secret_freep) struct secret *mark_key = NULL;
    TRY(random_secret(MARK_KEY_SIZE, &mark_key));
    TRY(cmac_new(secret_view(mark_key), &marks));
    struct session *session = NULL;
    TRY(session_begin(&call->core->sessions, call->conn, SESSION_IMPORT, call->event.actor,
                      call->now_ns, &session));
    session->stream = TAKE(stream);
    session->check = TAKE(check);
    session->cmac = TAKE(marks);
    session->row.domain = job->import.domain;
    session->row.epoch = job->import.epoch;
    session->head = (uint8_t)job->import.head;
    session->versions = job->import.versions;
    session->id_width = job->import.id_width;
    writer_u32(call->out, session->id);
    return ERR_OK;
}

static struct keeper_import read_import(struct reader *r)
{
    struct keeper_import import;
    import.domain = reader_u32(r);
    import.epoch = reader_u32(r);
    uint8_t head = reader_u8(r);
    import.head = head;
    import.versions = message_get_versions(r);
    import.id_width = reader_u8(r);
    uint8_t sha256 = reader_u8(r);
    import.oaep_sha256 = sha256 == 1;
    import.nonce = reader_bytes(r, AEAD_NONCE_SIZE);
    import.encrypted_key = reader_bytes16(r);
    if (head > KEEPER_HEAD_REQUIRED || sha256 > 1 ||
        (import.id_width != 32 && import.id_width != 64) || import.encrypted_key.len == 0 ||
        import.encrypted_key.len > RSA_BYTES_MAX)
        reader_fail(r, ERR_ARGUMENT);
    return import;
}

enum err verb_import_begin(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_import import = read_import(&call->in);
    TRY(call_read(call));
    call->event.domain = import.domain;
    call->event.epoch = import.epoch;
    if (domains_find(call->core->domains, import.domain) == NULL)
        return ERR_NOT_FOUND;
    struct core_job *made = NULL;
    TRY(job_new(call, sizeof(struct import_job), &made));
    AUTO(job_freep) struct core_job *base = made;
    base->release = import_release;
    struct import_job *job = (struct import_job *)base;
    job->import = import;
    memcpy(job->nonce, import.nonce.data, sizeof job->nonce);
    TRY(buf_append(&job->encrypted_key, import.encrypted_key));
    base->work = decrypt_work;
    base->finish = begin_finish;
    return job_submit(call, TAKE(base));
}

/* The answer while a chunk's lines are read. */
struct lines_out {
    struct core_call *call;
    struct session *session;
    struct row_ranges ranges;
    size_t count_at;
    uint16_t count;
    unsigned refused;
};

static void lines_begin(struct lines_out *lines, struct core_call *call, struct session *session)
{
    lines->call = call;
    lines->session = session;
    lines->count = 0;
    lines->refused = 0;
    lines->count_at = call->out->len;
    writer_u16(call->out, 0);
    call->event.table = KEEPER_NODE;
    struct audit_event event = call->event;
    event.kind = AUDIT_SEAL;
    ranges_init(&lines->ranges, call->core, &event);
}

static enum err lines_end(struct lines_out *lines)
{
    if (lines->call->out->err == ERR_OK)
        be16_store(lines->call->out->buf + lines->count_at, lines->count);
    return ranges_end(&lines->ranges);
}

static void refuse_line(struct lines_out *lines, const char *text)
{
    struct session *session = lines->session;
    session->refused++;
    if (lines->refused++ >= REFUSED_MAX) {
        session->unreported++;
        return;
    }
    writer_u32(lines->call->out, session->split.number);
    writer_u8(lines->call->out, 0);
    writer_bytes16(lines->call->out, bytes_str(text));
    lines->count++;
}

/* KMS User Guide, A.4.2: pwdh, base, gateway, gateway_cdld, in this order, before all nodes. NULL
 * where the line stands in its place. */
static const char *place_problem(struct session *session, uint8_t table)
{
    static const uint8_t order[] = {KEEPER_PWDH, KEEPER_BASE, KEEPER_GATEWAY, KEEPER_CDLD};
    unsigned done = session->head_lines;
    bool begun = session->rows_begun;
    if (table != KEEPER_NODE) {
        if (session->head == KEEPER_HEAD_NONE)
            return "a network's keys have no place in this file";
        if (begun || done == ARRAY_LEN(order) || order[done] != table)
            return "the first four lines must be pwdh, base, gateway, gateway_cdld";
        session->head_lines++;
        return NULL;
    }
    session->rows_begun = true;
    bool whole = done == ARRAY_LEN(order) || (done == 0 && session->head != KEEPER_HEAD_REQUIRED);
    return whole || begun ? NULL : "the first four lines must be pwdh, base, gateway, gateway_cdld";
}

static uint64_t row_of(const struct session *session, const struct keyring_line *line)
{
    switch (line->table) {
    case KEEPER_NODE: return line->id;
    case KEEPER_GATEWAY: return session->versions.gateway;
    case KEEPER_CDLD: return session->versions.cdld;
    case KEEPER_BASE: return session->versions.base;
    default: return session->versions.passphrase;
    }
}

static enum err seal_line(struct lines_out *lines, const struct keyring_line *line)
{
    struct core_call *call = lines->call;
    struct session *session = lines->session;
    struct keeper_row row = {session->row.domain, line->table, row_of(session, line),
                             session->row.epoch};
    struct keeper_made made;
    TRY(domains_seal(call->core->domains, &row, bytes_of(line->key, line->key_len), &made));
    writer_u32(call->out, session->split.number);
    writer_u8(call->out, line->table);
    writer_u64(call->out, row.row);
    writer_u32(call->out, line->batch);
    writer_u32(call->out, line->reprovisioned);
    message_put_made(call->out, &made);
    lines->count++;
    session->keys++;
    call->core->counters.imported++;
    if (line->table == KEEPER_NODE) {
        session->nodes++;
        return ranges_add(&lines->ranges, row.row);
    }
    struct audit_event event = lines->ranges.event;
    event.table = row.table;
    event.row = row.row;
    return core_record(call->core, &event);
}

static enum err take_line(struct lines_out *lines, enum keyring_piece piece, struct bytes text)
{
    struct session *session = lines->session;
    session->lines = session->split.number;
    if (piece == KEYRING_OVERLONG) {
        refuse_line(lines, "the line has more than 256 bytes");
        return ERR_OK;
    }
    if (keyring_blank(text))
        return ERR_OK;
    char reason[KEYRING_TEXT_MAX];
    struct keyring_line line = {.table = 0};
    if (keyring_parse(text, session->id_width, &line, reason) != ERR_OK) {
        /* A first line that is wrong still stands in its place: one error, not four. */
        bool in_head = session->head_lines != 0 || session->head == KEEPER_HEAD_REQUIRED;
        if (in_head && session->head_lines < 4 && !session->rows_begun)
            session->head_lines++;
        refuse_line(lines, reason);
        return ERR_OK;
    }
    const char *problem = place_problem(session, line.table);
    enum err err = ERR_OK;
    if (problem != NULL)
        refuse_line(lines, problem);
    else
        err = seal_line(lines, &line);
    explicit_bzero(&line, sizeof line);
    return err;
}

static enum err chunk_lines(struct core_call *call, struct session *session,
                            struct bytes ciphertext)
{
    struct lines_out lines;
    lines_begin(&lines, call, session);
    uint8_t *plain = secret_data(call->core->scratch);
    TRY(aead_stream_update(session->stream, ciphertext, plain));
    struct bytes input = bytes_of(plain, ciphertext.len);
    for (;;) {
        struct bytes text = {NULL, 0};
        enum keyring_piece piece = keyring_split_next(&session->split, &input, &text);
        if (piece == KEYRING_MORE)
            break;
        TRY(take_line(&lines, piece, text));
    }
    return lines_end(&lines);
}

static enum err settle(struct core_call *call, struct session *session, enum err err)
{
    call_wipe_scratch(call);
    if (err != ERR_OK)
        session_end(&call->core->sessions, session);
    return err;
}

static enum err mark_piece(struct session *session, uint32_t number, struct bytes ciphertext,
                           uint8_t ret_mark[CMAC_SIZE])
{
    uint8_t place[4];
    be32_store(place, number);
    const struct bytes parts[] = {BYTES(place), ciphertext};
    return cmac_parts(session->cmac, parts, ARRAY_LEN(parts), ret_mark);
}

static struct bytes read_piece(struct core_call *call)
{
    struct bytes ciphertext = reader_bytes16(&call->in);
    if (ciphertext.len == 0 || ciphertext.len > KEEPER_IMPORT_CHUNK_MAX)
        reader_fail(&call->in, ERR_LIMIT);
    return ciphertext;
}

static enum err check_piece(struct core_call *call, struct session *session,
                            struct bytes ciphertext)
{
    if (session->check == NULL || session->checked == UINT32_MAX)
        return ERR_STATE;
    TRY(aead_stream_update(session->check, ciphertext, secret_data(call->core->scratch)));
    uint8_t mark[CMAC_SIZE];
    TRY(mark_piece(session, session->checked++, ciphertext, mark));
    writer_bytes(call->out, BYTES(mark));
    return ERR_OK;
}

enum err verb_import_check(struct core_call *call)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_IMPORT, &session));
    struct bytes ciphertext = read_piece(call);
    enum err err = call_read(call);
    if (err == ERR_OK)
        err = check_piece(call, session, ciphertext);
    return settle(call, session, err);
}

enum err verb_import_checked(struct core_call *call)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_IMPORT, &session));
    struct bytes tag = reader_bytes(&call->in, reader_u8(&call->in));
    if (tag.len < AEAD_TAG_MIN || tag.len > AEAD_TAG_SIZE)
        reader_fail(&call->in, ERR_ARGUMENT);
    enum err err = call_read(call);
    if (err == ERR_OK)
        err = session->check != NULL ? aead_stream_verify(session->check, tag) : ERR_STATE;
    if (err != ERR_OK) {
        call->event.kind = AUDIT_IMPORT_END;
        session_end(&call->core->sessions, session);
        return err;
    }
    aead_stream_free(session->check);
    session->check = NULL;
    return ERR_OK;
}

static enum err take_piece(struct core_call *call, struct session *session, struct bytes mark,
                           struct bytes ciphertext)
{
    uint8_t wanted[CMAC_SIZE];
    if (session->check != NULL || session->taken == session->checked)
        return ERR_STATE;
    TRY(mark_piece(session, session->taken, ciphertext, wanted));
    if (!secret_equal(mark, BYTES(wanted)))
        return err_set(&call->detail, ERR_MISMATCH, "the file was changed while it was imported");
    session->taken++;
    return chunk_lines(call, session, ciphertext);
}

enum err verb_import_chunk(struct core_call *call)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_IMPORT, &session));
    struct bytes mark = reader_bytes(&call->in, CMAC_SIZE);
    struct bytes ciphertext = read_piece(call);
    enum err err = call_read(call);
    call->recorded = true;
    if (err == ERR_OK)
        err = take_piece(call, session, mark, ciphertext);
    return settle(call, session, err);
}

static enum err end_lines(struct core_call *call, struct session *session)
{
    if (session->check != NULL || session->taken != session->checked)
        return ERR_STATE;
    size_t totals_at = call->out->len;
    if (writer_reserve(call->out, 16) == NULL)
        return ERR_INTERNAL;
    struct lines_out lines;
    lines_begin(&lines, call, session);
    struct bytes text = {NULL, 0};
    enum keyring_piece piece = keyring_split_end(&session->split, &text);
    if (piece != KEYRING_MORE)
        TRY(take_line(&lines, piece, text));
    TRY(lines_end(&lines));
    bool head_missing = session->head_lines != 4 &&
                        (session->head == KEEPER_HEAD_REQUIRED || session->head_lines != 0);
    if (head_missing && session->refused == 0)
        return err_set(&call->detail, ERR_SYNTAX, "the file lacks its first four lines");
    be32_store(call->out->buf + totals_at, session->lines);
    be32_store(call->out->buf + totals_at + 4, session->nodes);
    be32_store(call->out->buf + totals_at + 8, session->refused);
    be32_store(call->out->buf + totals_at + 12, session->unreported);
    return ERR_OK;
}

enum err verb_import_end(struct core_call *call)
{
    struct session *session = NULL;
    TRY(call_session(call, SESSION_IMPORT, &session));
    enum err err = call_read(call);
    if (err == ERR_OK)
        err = end_lines(call, session);
    call->event.row = session->keys;
    call->event.table = 0;
    (void)settle(call, session, ERR_CLOSED);
    return err;
}

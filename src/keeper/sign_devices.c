#include <stdio.h>

#include "base/hex.h"
#include "crypto/hash.h"
#include "keeper/call.h"
#include "keeper/client_line.h"
#include "keeper/job.h"

/* SIGN_DEVICES_BEGIN   actor | u16 length, what -> u32 session
 * SIGN_DEVICES_UPDATE  u32 session | u16 length, part ->
 * SIGN_DEVICES_END     u32 session -> u16 length, signature
 *
 * The server's key also signs gateway key files and heads of the audit chain, so there is no verb
 * to sign a digest: the file is hashed here, and only one that begins as device_keys.xml does. */

static const char form[] = KEEPER_DEVICES_FORM;
#define FORM_LEN (sizeof form - 1)

struct devices_job {
    struct core_job job;
    uint8_t digest[HASH_SHA256_SIZE];
    struct buf signature;
};

static void devices_release(struct core_job *base)
{
    struct devices_job *job = (struct devices_job *)base;
    buf_done(&job->signature);
}

enum err verb_sign_devices_begin(struct core_call *call)
{
    (void)call_actor(call);
    struct bytes what = message_get_text(&call->in, KEEPER_NAME_MAX);
    TRY(call_read(call));
    call->event.purpose = KEEPER_SIGN_DEVICES;
    TRY(call_allow(call, KEEPER_SIGN_DEVICES, 0, 1));
    AUTO(hash_freep) struct hash *hash = NULL;
    TRY(hash_new(&hash));
    TRY(hash_begin(hash));
    struct session *session = NULL;
    TRY(session_begin(&call->core->sessions, call->conn, SESSION_SIGN, call->event.actor,
                      call->now_ns, &session));
    session->hash = TAKE(hash);
    session->purpose = KEEPER_SIGN_DEVICES;
    session->what_len = (uint8_t)what.len;
    memcpy(session->what, what.data, what.len);
    writer_u32(call->out, session->id);
    return ERR_OK;
}

static enum err sign_session(struct core_call *call, struct session **ret_session)
{
    TRY(call_session(call, SESSION_SIGN, ret_session));
    call->event.purpose = KEEPER_SIGN_DEVICES;
    return ERR_OK;
}

/* What of the part stands where the form is wanted. */
static bool form_fits(struct session *session, struct bytes part)
{
    size_t left = FORM_LEN - session->checked;
    size_t len = part.len < left ? part.len : left;
    if (len != 0 && memcmp(form + session->checked, part.data, len) != 0)
        return false;
    session->checked += (uint32_t)len;
    return true;
}

enum err verb_sign_devices_update(struct core_call *call)
{
    struct session *session = NULL;
    TRY(sign_session(call, &session));
    struct bytes part = reader_bytes16(&call->in);
    if (part.len > KEEPER_MAC_CHUNK_MAX)
        reader_fail(&call->in, ERR_LIMIT);
    TRY(call_read(call));
    enum err err = form_fits(session, part) ? hash_update(session->hash, part) : ERR_DENIED;
    if (err != ERR_OK)
        session_end(&call->core->sessions, session);
    return err;
}

static enum err devices_work(struct core_job *base)
{
    struct devices_job *job = (struct devices_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    return token->ops->sign(token->ctx, KEEPER_KEY_SERVER, job->digest, &job->signature,
                            &base->detail);
}

static enum err devices_finish(struct core_call *call, struct core_job *base)
{
    struct devices_job *job = (struct devices_job *)base;
    writer_bytes16(call->out, buf_view(&job->signature));
    return ERR_OK;
}

static enum err digest_of(struct core_call *call, struct session *session,
                          uint8_t ret_digest[HASH_SHA256_SIZE])
{
    char hex[2 * HASH_SHA256_SIZE + 1];
    bool whole = session->checked == FORM_LEN;
    enum err err = whole ? hash_end(session->hash, ret_digest) : ERR_DENIED;
    int len = snprintf(call->text, sizeof call->text, "%.*s", session->what_len,
                       (const char *)session->what);
    if (err == ERR_OK) {
        hex_encode(bytes_of(ret_digest, HASH_SHA256_SIZE), hex);
        len += snprintf(call->text + len, sizeof call->text - (size_t)len, ", sha256 %s", hex);
    }
    call->event.text = bytes_of(call->text, (size_t)len);
    session_end(&call->core->sessions, session);
    return err;
}

enum err verb_sign_devices_end(struct core_call *call)
{
    struct session *session = NULL;
    uint8_t digest[HASH_SHA256_SIZE];
    TRY(sign_session(call, &session));
    TRY(call_read(call));
    TRY(digest_of(call, session, digest));
    struct core_job *base = NULL;
    TRY(job_new(call, sizeof(struct devices_job), &base));
    struct devices_job *job = (struct devices_job *)base;
    base->work = devices_work;
    base->finish = devices_finish;
    base->release = devices_release;
    memcpy(job->digest, digest, sizeof digest);
    return job_submit(call, base);
}

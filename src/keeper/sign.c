#include <stdio.h>

#include "base/hex.h"
#include "crypto/hash.h"
#include "keeper/call.h"
#include "keeper/job.h"

/* SIGN_CERTIFICATE  actor | u16 length, what | 32 digest -> u16 length, signature
 * SIGN_AUDIT        actor ->
 * PUBLIC            u8 key -> u16 length, SubjectPublicKeyInfo | 20 key id */

struct sign_job {
    struct core_job job;
    enum keeper_key key;
    uint8_t digest[HASH_SHA256_SIZE];
    struct buf signature;
};

static void sign_release(struct core_job *base)
{
    struct sign_job *job = (struct sign_job *)base;
    buf_done(&job->signature);
}

static enum err sign_work(struct core_job *base)
{
    struct sign_job *job = (struct sign_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    return token->ops->sign(token->ctx, job->key, job->digest, &job->signature, &base->detail);
}

static enum err certificate_finish(struct core_call *call, struct core_job *base)
{
    struct sign_job *job = (struct sign_job *)base;
    writer_bytes16(call->out, buf_view(&job->signature));
    return ERR_OK;
}

enum err verb_sign_certificate(struct core_call *call)
{
    (void)call_actor(call);
    struct bytes what = message_get_text(&call->in, KEEPER_NAME_MAX);
    uint8_t digest[HASH_SHA256_SIZE];
    reader_copy(&call->in, digest, sizeof digest);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_CERTIFICATE, 0, 1));
    char text[JOB_TEXT_MAX];
    char hex[2 * HASH_SHA256_SIZE + 1];
    /* `what` is the engine's word; by the digest the certificate itself is found */
    hex_encode(BYTES(digest), hex);
    int len =
        snprintf(text, sizeof text, "%.*s, sha256 %s", (int)what.len, (const char *)what.data, hex);
    call->event.text = bytes_of(text, (size_t)len);
    struct core_job *base = NULL;
    enum err err = job_new(call, sizeof(struct sign_job), &base);
    call->event.text = bytes_of(NULL, 0);
    TRY(err);
    struct sign_job *job = (struct sign_job *)base;
    base->work = sign_work;
    base->finish = certificate_finish;
    base->release = sign_release;
    job->key = KEEPER_KEY_CA;
    memcpy(job->digest, digest, sizeof digest);
    return job_submit(call, base);
}

static enum err audit_work(struct core_job *base)
{
    /* A token that can't sign must not lose the job: the chain has to be told. */
    base->event.result = sign_work(base);
    return ERR_OK;
}

static enum err audit_finish(struct core_call *call, struct core_job *base)
{
    struct sign_job *job = (struct sign_job *)base;
    struct core *core = call->core;
    const struct keeper_token *token = &core->config.token;
    const struct rsa_public *key = token->ops->public_key(token->ctx, KEEPER_KEY_SERVER);
    call->event.kind = 0;
    enum err err = base->event.result;
    if (err == ERR_OK && key == NULL)
        err = ERR_NOT_FOUND;
    if (err != ERR_OK) {
        audit_sign_failed(core->config.audit, clock_now_us());
        return err;
    }
    core->durable_needed = true;
    return audit_sign_end(core->config.audit, buf_view(&job->signature),
                          rsa_public_fingerprint(key).data);
}

/* The head is fixed on this thread; the token signs it on another. */
static enum err audit_prepare(struct core *core, struct core_job *base)
{
    struct sign_job *job = (struct sign_job *)base;
    base->work = audit_work;
    base->finish = audit_finish;
    base->release = sign_release;
    job->key = KEEPER_KEY_SERVER;
    core->durable_needed = true;
    return audit_sign_begin(core->config.audit, job->digest);
}

static enum err audit_submit(struct core *core, struct core_job *base)
{
    enum err err = audit_prepare(core, base);
    if (err != ERR_OK) {
        job_free(base);
        return err;
    }
    err = job_start(core, base);
    if (err != ERR_OK)
        audit_sign_failed(core->config.audit, clock_now_us());
    return err;
}

enum err verb_sign_audit(struct core_call *call)
{
    (void)call_actor(call);
    TRY(call_read(call));
    struct core_job *base = NULL;
    TRY(job_new(call, sizeof(struct sign_job), &base));
    TRY(audit_submit(call->core, base));
    call->later = true;
    return ERR_OK;
}

void core_sign_head(struct core *core)
{
    struct core_job *base = NULL;
    if (core_jobs(core, CORE_CONN_NONE) == 0 &&
        job_new_own(core, sizeof(struct sign_job), &base) == ERR_OK)
        (void)audit_submit(core, base); /* due again by itself */
}

enum err verb_public(struct core_call *call)
{
    uint8_t which = reader_u8(&call->in);
    if (which != KEEPER_KEY_SERVER && which != KEEPER_KEY_CA)
        reader_fail(&call->in, ERR_ARGUMENT);
    TRY(call_read(call));
    const struct keeper_token *token = &call->core->config.token;
    const struct rsa_public *key = token->ops->public_key(token->ctx, (enum keeper_key)which);
    if (key == NULL)
        return ERR_NOT_FOUND;
    writer_bytes16(call->out, rsa_public_spki(key));
    writer_bytes(call->out, rsa_public_key_id(key));
    return ERR_OK;
}

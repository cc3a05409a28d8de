#include "keeper/call.h"
#include "keeper/gwfile.h"

/* PASSPHRASE_SET    actor | u32 domain | u32 version | u32 epoch | pwhash | u16 length, passphrase
 *                   -> made (PASSPHRASE) | made (PWDH)
 * PASSPHRASE_CHECK  actor | row | sealed | pwhash | u16 length, passphrase -> */

struct passphrase_job {
    struct core_job job;
    struct keeper_pwhash pwhash;
    struct secret *passphrase;
    struct secret *derived;
    struct keeper_row row;
    struct secret *wanted; /* check: the 64 bytes of the row */
};

static void passphrase_release(struct core_job *base)
{
    struct passphrase_job *job = (struct passphrase_job *)base;
    secret_free(job->passphrase);
    secret_free(job->derived);
    secret_free(job->wanted);
}

static enum err passphrase_work(struct core_job *base)
{
    struct passphrase_job *job = (struct passphrase_job *)base;
    return keeper_pwhash_derive(&job->pwhash, secret_view(job->passphrase), &job->derived,
                                &base->detail);
}

static enum err set_finish(struct core_call *call, struct core_job *base)
{
    struct passphrase_job *job = (struct passphrase_job *)base;
    struct keeper_made made;
    TRY(domains_seal(call->core->domains, &job->row, secret_view(job->derived), &made));
    message_put_made(call->out, &made);
    uint8_t pwdh[KEEPER_MAC_SIZE];
    TRY(keeper_pwdh(secret_view(job->derived), pwdh));
    struct keeper_row row = job->row;
    row.table = KEEPER_PWDH;
    TRY(domains_seal(call->core->domains, &row, BYTES(pwdh), &made));
    message_put_made(call->out, &made);
    return ERR_OK;
}

static enum err check_finish(struct core_call *call, struct core_job *base)
{
    (void)call;
    struct passphrase_job *job = (struct passphrase_job *)base;
    return secret_equal(secret_view(job->derived), secret_view(job->wanted)) ? ERR_OK
                                                                             : ERR_MISMATCH;
}

/* The rest of the request, which both verbs have. */
static enum err read_rest(struct core_call *call, const struct keeper_row *row,
                          struct passphrase_job **ret_job)
{
    struct keeper_pwhash pwhash = message_get_pwhash(&call->in);
    struct bytes passphrase = reader_bytes16(&call->in);
    if (passphrase.len == 0 || passphrase.len > KEEPER_PASSPHRASES)
        reader_fail(&call->in, ERR_ARGUMENT);
    TRY(call_read(call));
    TRY(keeper_pwhash_check(&pwhash, &call->detail));
    if (domains_find(call->core->domains, row->domain) == NULL)
        return ERR_NOT_FOUND;
    struct core_job *made = NULL;
    TRY(job_new(call, sizeof(struct passphrase_job), &made));
    AUTO(job_freep) struct core_job *base = made;
    struct passphrase_job *job = (struct passphrase_job *)base;
    base->release = passphrase_release;
    base->work = passphrase_work;
    job->pwhash = pwhash;
    job->row = *row;
    TRY(secret_dup(passphrase, &job->passphrase));
    *ret_job = (struct passphrase_job *)TAKE(base);
    return ERR_OK;
}

enum err verb_passphrase_set(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_row row = {.table = KEEPER_PASSPHRASE};
    row.domain = call->event.domain = reader_u32(&call->in);
    row.row = call->event.row = reader_u32(&call->in);
    row.epoch = call->event.epoch = reader_u32(&call->in);
    call->event.table = row.table;
    struct passphrase_job *job = NULL;
    TRY(read_rest(call, &row, &job));
    job->job.finish = set_finish;
    return job_submit(call, &job->job);
}

enum err verb_passphrase_check(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_row row = call_row(call);
    struct bytes sealed = message_get_sealed(&call->in);
    struct passphrase_job *job = NULL;
    TRY(read_rest(call, &row, &job));
    AUTO(job_freep) struct core_job *base = &job->job;
    if (row.table != KEEPER_PASSPHRASE)
        return ERR_DENIED;
    TRY(policy_take(&call->core->policy, KEEPER_MAC, row.table, 1, call->now_ns));
    TRY(secret_new(KEEPER_KEY_MAX, &job->wanted));
    size_t len = 0;
    TRY(call_open(call, &row, sealed, secret_data(job->wanted), &len));
    base->finish = check_finish;
    return job_submit(call, TAKE(base));
}

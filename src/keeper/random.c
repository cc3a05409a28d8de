#include "crypto/random.h"
#include "keeper/object.h"

/* RANDOM       actor | u32 length -> u32 length, bytes
 * RANDOM_SEED  actor | u16 length, seed ->
 *
 * What a client gets is the token's and the system's random, good where either is. No key of ours
 * comes from it, so it is not on the record; that somebody put entropy in is. */

struct random_job {
    struct object_job base;
    struct secret *bytes;
};

static void random_done(struct object_job *base)
{
    secret_free(((struct random_job *)base)->bytes);
}

static enum err random_work(struct core_job *base)
{
    struct random_job *job = (struct random_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    size_t len = secret_len(job->bytes);
    uint8_t *to = secret_data(job->bytes);
    TRY(token->ops->random(token->ctx, to, len, &base->detail));
    AUTO(secret_freep) struct secret *own = NULL;
    TRY(random_secret(len, &own));
    for (size_t i = 0; i < len; i++)
        to[i] ^= secret_data(own)[i];
    return ERR_OK;
}

static enum err random_finish(struct core_call *call, struct core_job *base)
{
    writer_bytes32(call->out, secret_view(((struct random_job *)base)->bytes));
    return ERR_OK;
}

enum err verb_random(struct core_call *call)
{
    (void)call_actor(call);
    size_t len = reader_u32(&call->in);
    if (len == 0 || len > KEEPER_RANDOM_MAX)
        reader_fail(&call->in, ERR_LIMIT);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_USE, KEEPER_OBJECT, 1));
    struct object_job *made = NULL;
    TRY(object_job_new(call, sizeof(struct random_job), &made));
    AUTO(object_job_freep) struct object_job *base = made;
    base->done = random_done;
    TRY(secret_new(len, &((struct random_job *)base)->bytes));
    base->job.work = random_work;
    base->job.finish = random_finish;
    return object_job_run(call, TAKE(base), true);
}

enum err verb_random_seed(struct core_call *call)
{
    (void)call_actor(call);
    struct bytes seed = reader_bytes16(&call->in);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_USE, KEEPER_OBJECT, 1));
    call->event.row = seed.len;
    random_add(seed);
    return ERR_OK;
}

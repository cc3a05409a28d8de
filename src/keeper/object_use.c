#include "keeper/object.h"

/* OBJECT_USE  actor | object | input -> output
 *
 * What the key can do is decided by its own header and crypto/use.h. Cheap operations run at once,
 * in buffers that are there; those with a private key, and those in the token, on the pool. */

struct use_job {
    struct object_job base;
    struct object object;
    struct keeper_token_object in_token;
    struct crypto_input input;
    struct crypto_output output;
    struct buf data;
};

static void use_done(struct object_job *base)
{
    struct use_job *job = (struct use_job *)base;
    buf_done(&job->data);
}

static enum err use_work(struct core_job *base)
{
    struct use_job *job = (struct use_job *)base;
    struct crypto_key key = object_key(&job->object);
    return crypto_use(&key, &job->input, &job->output, &base->detail);
}

static enum err token_use_work(struct core_job *base)
{
    struct use_job *job = (struct use_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    return token->ops->object_use(token->ctx, &job->in_token, &job->input, &job->output,
                                  &base->detail);
}

static enum err use_finish(struct core_call *call, struct core_job *base)
{
    struct use_job *job = (struct use_job *)base;
    message_put_output(call->out, &job->output, buf_view(&job->data));
    return ERR_OK;
}

static enum err use_later(struct core_call *call, const struct object *object,
                          const struct crypto_input *input)
{
    struct object_job *made = NULL;
    TRY(object_job_new(call, sizeof(struct use_job), &made));
    AUTO(object_job_freep) struct object_job *base = made;
    struct use_job *job = (struct use_job *)base;
    base->done = use_done;
    job->object = *object;
    job->input = *input;
    job->output.data = &job->data;
    TRY(object_job_hold(base, &job->object.material));
    TRY(object_job_own_input(base, &job->input));
    bool in_token = (object->flags & KEEPER_IN_TOKEN) != 0;
    if (in_token)
        job->in_token = object_in_token(object);
    base->job.work = in_token ? token_use_work : use_work;
    base->job.finish = use_finish;
    return object_job_run(call, TAKE(base), true);
}

enum err verb_object_use(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_there(&call->in);
    call_note_object(call, &named);
    struct crypto_input input = message_get_input(&call->in);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_USE, named.row.table, 1));
    struct object object;
    TRY(call_object_open(call, &named, OBJECT_ROOM_A, &object));
    call_note_use(call, &object, &input);
    if (object.class == CRYPTO_PRIVATE || (object.flags & KEEPER_IN_TOKEN) != 0)
        return use_later(call, &object, &input);
    struct crypto_key key = object_key(&object);
    struct crypto_output output = {.data = &call->core->work};
    TRY(crypto_use(&key, &input, &output, &call->detail));
    message_put_output(call->out, &output, buf_view(&call->core->work));
    return ERR_OK;
}

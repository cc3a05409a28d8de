#include "keeper/object.h"

#define ARENA_LIMIT ((size_t)4 * KEEPER_MESSAGE_MAX)

static void release(struct core_job *base)
{
    struct object_job *job = (struct object_job *)base;
    if (job->done != NULL)
        job->done(job);
    for (unsigned i = 0; i < job->held_count; i++)
        secret_free(job->held[i]);
    arena_free(job->arena);
}

enum err object_job_new(struct core_call *call, size_t size, struct object_job **ret_job)
{
    struct core_job *base = NULL;
    TRY(job_new(call, size, &base));
    struct object_job *job = (struct object_job *)base;
    base->release = release;
    enum err err = arena_new(ARENA_LIMIT, &job->arena);
    if (err != ERR_OK)
        job_free(base);
    else
        *ret_job = job;
    return err;
}

void object_job_freep(struct object_job **job)
{
    if (*job != NULL)
        job_free(&(*job)->job);
    *job = NULL;
}

enum err object_job_own(struct object_job *job, struct bytes *view)
{
    if (view->len == 0) {
        *view = bytes_of(NULL, 0);
        return ERR_OK;
    }
    uint8_t *copy = arena_take(job->arena, view->len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    memcpy(copy, view->data, view->len);
    view->data = copy;
    return ERR_OK;
}

enum err object_job_hold(struct object_job *job, struct bytes *view)
{
    if (job->held_count == OBJECT_HELD_MAX)
        return ERR_INTERNAL;
    TRY(secret_dup(*view, &job->held[job->held_count]));
    *view = secret_view(job->held[job->held_count++]);
    return ERR_OK;
}

enum err object_job_own_params(struct object_job *job, struct crypto_params *params)
{
    return object_job_own(job, &params->p_source);
}

enum err object_job_own_input(struct object_job *job, struct crypto_input *input)
{
    TRY(object_job_own_params(job, &input->params));
    TRY(object_job_own(job, &input->data));
    TRY(object_job_own(job, &input->iv));
    TRY(object_job_own(job, &input->aad));
    return object_job_own(job, &input->tag);
}

enum err object_job_run(struct core_call *call, struct object_job *job, bool slow)
{
    if (slow)
        return job_submit(call, &job->job);
    enum err err = job->job.work(&job->job);
    if (err != ERR_OK)
        call->detail = job->job.detail;
    else
        err = job->job.finish(call, &job->job);
    job_free(&job->job);
    return err;
}

#include "keeper/job.h"

#include <pthread.h>
#include <stdlib.h>

struct job_queue {
    pthread_mutex_t lock;
    struct core_job *first;
    struct core_job **last;
};

enum err job_queue_new(struct job_queue **ret_queue)
{
    struct job_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_init(&queue->lock, NULL);
    queue->last = &queue->first;
    *ret_queue = queue;
    return ERR_OK;
}

void job_queue_free(struct job_queue *queue)
{
    if (queue == NULL)
        return;
    for (struct core_job *job = job_queue_take(queue); job != NULL; job = job_queue_take(queue))
        job_free(job);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue);
}

void job_queue_put(struct job_queue *queue, struct core_job *job)
{
    (void)pthread_mutex_lock(&queue->lock);
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
    (void)pthread_mutex_unlock(&queue->lock);
}

struct core_job *job_queue_take(struct job_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    struct core_job *job = queue->first;
    if (job != NULL) {
        queue->first = job->next;
        if (queue->first == NULL)
            queue->last = &queue->first;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return job;
}

enum err job_new_own(struct core *core, size_t size, struct core_job **ret_job)
{
    struct core_job *job = calloc(1, size);
    if (job == NULL)
        return ERR_NO_MEMORY;
    job->core = core;
    job->conn = CORE_CONN_NONE;
    *ret_job = job;
    return ERR_OK;
}

enum err job_new(struct core_call *call, size_t size, struct core_job **ret_job)
{
    if (core_jobs(call->core, call->conn) >= CORE_JOBS_MAX)
        return ERR_BUSY;
    struct core_job *job = NULL;
    TRY(job_new_own(call->core, size, &job));
    job->conn = call->conn;
    job->head = call->head;
    job->bundled = call->bundled;
    job->event = call->event;
    /* The request's memory is used again by the time the job is finished. */
    size_t len = call->event.actor.len <= sizeof job->actor ? call->event.actor.len : 0;
    if (len != 0)
        memcpy(job->actor, call->event.actor.data, len);
    job->event.actor = bytes_of(job->actor, len);
    len = call->event.text.len <= sizeof job->text ? call->event.text.len : sizeof job->text;
    if (len != 0)
        memcpy(job->text, call->event.text.data, len);
    job->event.text = bytes_of(job->text, len);
    *ret_job = job;
    return ERR_OK;
}

void job_free(struct core_job *job)
{
    if (job == NULL)
        return;
    if (job->release != NULL)
        job->release(job);
    free(job);
}

void job_freep(struct core_job **job)
{
    job_free(*job);
    *job = NULL;
}

static void run(void *arg)
{
    struct core_job *job = arg;
    struct core *core = job->core;
    job->err = job->work(job);
    job_queue_put(core->finished, job);
    if (core->config.wake != NULL)
        core->config.wake(core->config.wake_arg);
}

enum err job_start(struct core *core, struct core_job *job)
{
    unsigned *jobs = &core->jobs[job->conn == CORE_CONN_NONE ? core->config.conns : job->conn];
    ++*jobs;
    if (core->config.workers == NULL) {
        run(job);
        return ERR_OK;
    }
    enum err err = workers_submit(core->config.workers, run, job);
    if (err != ERR_OK) {
        --*jobs;
        job_free(job);
    }
    return err;
}

enum err job_submit(struct core_call *call, struct core_job *job)
{
    TRY(job_start(call->core, job));
    call->later = true;
    return ERR_OK;
}

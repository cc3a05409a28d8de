#include "kmip/server/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kmip/server/metrics.h"

#define SPARE_MAX 64
/* A buffer that grew beyond this is not kept for the next request. */
#define KEEP_MAX ((size_t)64 * 1024)

static void job_free(struct kmip_job *job)
{
    arena_free(job->arena);
    buf_done(&job->in);
    buf_done(&job->out);
    free(job);
}

static void wipe(struct buf *b)
{
    if (b->cap > KEEP_MAX) {
        buf_done(b);
        return;
    }
    if (b->len > 0)
        explicit_bzero(b->data, b->len);
    b->len = 0;
}

struct kmip_job *kmip_job_take(struct kmip_loop *loop)
{
    struct kmip_job *job = loop->spare;
    if (job != NULL) {
        loop->spare = job->next;
        loop->spare_len--;
    } else {
        job = calloc(1, sizeof *job);
        if (job == NULL)
            return NULL;
        if (arena_new(KMIP_ARENA_MAX, &job->arena) != ERR_OK) {
            free(job);
            return NULL;
        }
    }
    job->loop = loop;
    job->setup = kmip_setup_ref(loop->setup);
    job->began_ns = clock_mono_ns();
    return job;
}

void kmip_job_drop(struct kmip_job *job)
{
    struct kmip_loop *loop = job->loop;
    kmip_setup_unref(job->setup);
    if (loop->spare_len >= SPARE_MAX) {
        job_free(job);
        return;
    }
    arena_reset(job->arena);
    wipe(&job->in);
    wipe(&job->out);
    *job = (struct kmip_job){.arena = job->arena, .in = job->in, .out = job->out};
    job->next = loop->spare;
    loop->spare = job;
    loop->spare_len++;
}

/* ---- in the fiber ---- */

static void log_message(struct kmip_job *job, bool answer, const struct vault_client *client,
                        enum err err)
{
    struct kmip_log *log = job->loop->server->log;
    if (kmip_log_level(log) == KMIP_LOG_OFF)
        return;
    const struct kmip_log_message message = {
        .peer = kmip_session_peer(job->session),
        .connection = kmip_session_number(job->session),
        .since_us = kmip_session_since_us(job->session),
        .client = client != NULL ? client->name : NULL,
        .answer = answer,
        .format = job->format,
        .bytes = answer ? buf_view(&job->out) : job->body,
        .headers = answer ? NULL : job->headers,
        .processed = answer ? &job->processed : NULL,
        .took_ns = answer ? clock_mono_ns() - job->began_ns : 0,
        .err = err,
    };
    kmip_log_message(log, &message);
}

/* A certificate is looked up with each request: a client that is disabled stays out at once. */
static const struct vault_client *find_client(struct kmip_job *job, struct vault_client *room)
{
    if (job->cert == NULL || !job->cert->verified)
        return NULL;
    enum err err =
        vault_client_by_certificate(job->loop->server->clients, job->cert->fingerprint, room);
    return err == ERR_OK && room->kind == VAULT_CLIENT_KMIP ? room : NULL;
}

static void process(struct kmip_job *job)
{
    struct kmip_loop *loop = job->loop;
    struct vault_client room;
    const struct vault_client *client = find_client(job, &room);
    log_message(job, false, client, ERR_OK);
    enum err err = kmip_process(&loop->env, job->session, client, job->format, job->arena,
                                job->body, &job->out, &job->processed);
    kmip_metrics_count(&job->processed, err, clock_mono_ns() - job->began_ns);
    log_message(job, true, client, err);
    if (job->processed.pause_ms > 0)
        kmip_loop_nap(loop, (uint64_t)job->processed.pause_ms);
    job->answer(job, err);
}

static void run(void *arg)
{
    struct kmip_job *job = arg;
    struct kmip_server *server = job->loop->server;
    atomic_fetch_add_explicit(&server->requests, 1, memory_order_relaxed);
    process(job);
    kmip_job_drop(job);
    atomic_fetch_sub_explicit(&server->requests, 1, memory_order_relaxed);
}

/* ---- starting ---- */

static bool try_start(struct kmip_job *job)
{
    struct kmip_loop *loop = job->loop;
    return net_fibers_active(loop->fibers) < loop->setup->requests &&
           net_fibers_start(loop->fibers, run, job) == ERR_OK;
}

void kmip_job_start(struct kmip_job *job)
{
    struct kmip_loop *loop = job->loop;
    job->next = NULL;
    if (loop->waiting == NULL && try_start(job))
        return;
    *loop->waiting_tail = job;
    loop->waiting_tail = &job->next;
}

static struct kmip_job *take_waiting(struct kmip_loop *loop)
{
    struct kmip_job *job = loop->waiting;
    loop->waiting = job->next;
    if (loop->waiting == NULL)
        loop->waiting_tail = &loop->waiting;
    return job;
}

void kmip_jobs_go_on(struct kmip_loop *loop)
{
    while (loop->waiting != NULL) {
        struct kmip_job *job = take_waiting(loop);
        if (try_start(job))
            continue;
        job->next = loop->waiting;
        if (loop->waiting == NULL)
            loop->waiting_tail = &job->next;
        loop->waiting = job;
        return;
    }
}

void kmip_jobs_done(struct kmip_loop *loop)
{
    while (loop->waiting != NULL) {
        struct kmip_job *job = take_waiting(loop);
        job->answer(job, ERR_CANCELLED);
        kmip_job_drop(job);
    }
    while (loop->spare != NULL) {
        struct kmip_job *job = loop->spare;
        loop->spare = job->next;
        job_free(job);
    }
}

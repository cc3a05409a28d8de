#pragma once

#include "kmip/server/server_private.h"

/* A request on its way: taken from the loop's pool with the last byte, run in a fiber, answered,
 * given back. Loop's thread. */

/* A job's answer is there, or there is none (err): give it to whoever asked, and let go of it. */
typedef void kmip_answer_fn(struct kmip_job *job, enum err err);

/* One request, from its last byte to its answer. Of its loop's pool, used again. */
struct kmip_job {
    struct kmip_loop *loop;
    struct kmip_job *next; /* in the pool, or waiting for a fiber */
    struct kmip_setup *setup;
    struct arena *arena;
    struct buf in, out; /* wiped when it ends */
    struct kmip_session *session;
    const struct net_peer_cert *cert;
    enum kmip_format format;
    kmip_answer_fn *answer;
    void *ctx;           /* who asked: a connection, an HTTP request */
    struct bytes body;   /* `in`, or the HTTP request's */
    const char *headers; /* for the log, in the arena; NULL */
    uint64_t began_ns;
    struct kmip_processed processed;
};

/* NULL without memory. `body` is filled by the caller: in job->in, or borrowed until the answer. */
struct kmip_job *kmip_job_take(struct kmip_loop *loop);
/* Forget one that was not started. */
void kmip_job_drop(struct kmip_job *job);
/* Run it now, or as soon as a fiber is free. job->answer is called exactly once, mostly from a
 * fiber of the loop; the job is given back after it. */
void kmip_job_start(struct kmip_job *job);
/* At the end of an iteration: start those that waited. */
void kmip_jobs_go_on(struct kmip_loop *loop);
/* All that is left: jobs that wait are answered with ERR_CANCELLED. No fiber runs any more. */
void kmip_jobs_done(struct kmip_loop *loop);

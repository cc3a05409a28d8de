#pragma once

#include "base/workers.h"
#include "keeper/audit.h"
#include "keeper/domains.h"
#include "keeper/message.h"
#include "keeper/policy.h"
#include "keeper/session.h"
#include "keeper/token_ops.h"

/* Requests in, answers and audit records out, without a socket: what server.c drives, and what the
 * fuzz target and the tests drive without it. One thread (the main thread) but for the work of
 * jobs. */
struct core;

#define CORE_JOBS_MAX KEEPER_CALLS_MAX /* slow operations of one connection at a time */

struct core_config {
    struct keeper_token token;
    struct keeper_policy policy;
    struct audit *audit;     /* borrowed */
    struct workers *workers; /* borrowed; NULL: slow operations run inside core_request */
    unsigned conns;          /* connections are numbered from 0 */
    /* From a worker: a job is finished, call core_job_take soon. NULL without workers. */
    void (*wake)(void *arg);
    void *wake_arg;
};

MUST_CHECK enum err core_new(const struct core_config *config, struct core **ret_core);
/* No job may be under way: free the workers first. */
void core_free(struct core *core);
void core_freep(struct core **core);

/* One request of connection `conn`. True: the answer is in `out` (which has room for
 * KEEPER_MESSAGE_MAX). False: it comes with a job. Whatever came, nothing but an answer follows.
 * `bundled` is what core_job_bundled tells of the job. */
MUST_CHECK bool core_request(struct core *core, unsigned conn, struct bytes request, bool bundled,
                             struct writer *out);

/* Finished jobs, in order of finishing; NULL: none. */
struct core_job;
struct core_job *core_job_take(struct core *core);
#define CORE_CONN_NONE UINT32_MAX /* a job of the keeper itself, which has no answer */
unsigned core_job_conn(const struct core_job *job);
bool core_job_bundled(const struct core_job *job);
/* Append its record, write its answer, free it. */
void core_job_finish(struct core *core, struct core_job *job, struct writer *out);
/* Under way or finished and not taken. */
unsigned core_jobs(const struct core *core, unsigned conn);

/* Its sessions are wiped; answers of its jobs are dropped by the caller. */
void core_conn_closed(struct core *core, unsigned conn);
/* Once a second or so: idle sessions, the summary of refusals, the signature of the head. */
void core_tick(struct core *core);
/* A commit failed: what was done since the last one never happened for the engine. */
void core_drop_sessions(struct core *core);
/* Make the answer of an error, for the request whose answer's head is at `answer`. */
void core_error_answer(struct bytes answer, enum err err, struct writer *out);
/* True where something but releases was recorded since the last call. */
bool core_durable_needed(struct core *core);
/* The disk was waited for; for the status. */
void core_synced(struct core *core);

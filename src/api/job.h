#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "fleet/fleet.h"

/* Long work with progress: it runs on a worker, the client asks how far it is. A job is known for
 * an hour after its end, or until JOBS_MAX others came. Any thread. */
struct api;
struct jobs;
struct job;

#define JOBS_MAX      64   /* known at a time; the oldest ended one makes room */
#define JOB_LINES_MAX 2000 /* lines of report kept; more are counted */
#define JOB_KEEP_S    3600

/* What a job does. `spec` is the request's body, its own reference. The result is JSON for the
 * client. */
typedef enum err job_fn(struct job *job, struct api *api, const struct fleet_call *call,
                        json_t *spec, json_t **ret_result, struct err_detail *detail);

MUST_CHECK enum err jobs_new(struct jobs **ret_jobs);
/* Told when a job begins, ends, or has come further (twice a second at most): {"job","kind",
 * "state","stage","done","total"}, one line, borrowed. Before the first job; on the job's thread.
 */
typedef void jobs_told_fn(void *ctx, const char *owner, const char *json);
void jobs_tell(struct jobs *jobs, jobs_told_fn *told, void *ctx);
void jobs_free(struct jobs *jobs); /* nothing runs any more */
/* A job in state "queued"; ERR_BUSY where JOBS_MAX are under way. */
MUST_CHECK enum err jobs_add(struct jobs *jobs, const char *kind, const char *owner,
                             struct job **ret_job);
/* Run it on the calling thread to its end. */
void job_run(struct job *job, job_fn *fn, struct api *api, struct fleet_call *call, json_t *spec);
/* It never ran. */
void job_fail(struct job *job, enum err err);
uint64_t job_id(const struct job *job);
/* One line of its report, shown by `claviger ... -v` as it comes. From the job's thread. */
void job_line(struct job *job, json_t *line);
/* For struct fleet_call: tells progress, and false once the job was cancelled. */
bool job_progress(void *job, const char *stage, uint64_t done, uint64_t total);

/* {"job":1,"kind":"...","state":"running|done|failed","stage":"merge","done":1,"total":2,"lines":[...from
 * `from_line`], "next":N,"result":{...},"error":{...}}. ERR_NOT_FOUND. */
MUST_CHECK enum err jobs_show(struct jobs *jobs, uint64_t id, uint64_t from_line,
                              json_t **ret_json);
/* An array of all that are known, the newest first, each as above without lines and result. `owner`
 * NULL: everybody's. */
MUST_CHECK enum err jobs_list(struct jobs *jobs, const char *owner, json_t **ret_array);
MUST_CHECK enum err jobs_cancel(struct jobs *jobs, uint64_t id);
/* How many wait and how many run. */
void jobs_load(struct jobs *jobs, unsigned *ret_waiting, unsigned *ret_running);
void jobs_cancel_all(struct jobs *jobs);
/* Forget what ended more than JOB_KEEP_S ago; `now_ns` is the monotonic clock. */
void jobs_tidy(struct jobs *jobs, uint64_t now_ns);

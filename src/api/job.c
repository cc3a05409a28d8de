#include "api/job.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "base/clock.h"

/* Lines and results are in a job and in answers at once, on several threads: jansson counts
 * references to them with atomic operations, or must not be used so. */
static_assert(JSON_HAVE_ATOMIC_BUILTINS || JSON_HAVE_SYNC_BUILTINS,
              "jansson without atomic reference counts");

#define TELL_NS UINT64_C(500000000)

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED };

struct job {
    struct jobs *jobs;
    uint64_t id; /* 0: free */
    enum job_state state;
    char kind[32];
    char owner[80];
    char stage[32];
    uint64_t done, total;
    uint64_t ended_ns;
    uint64_t told_ns; /* when others heard of it last */
    uint64_t lines_total;
    json_t *lines; /* array, at most JOB_LINES_MAX */
    json_t *result;
    enum err err;
    struct err_detail detail;
    _Atomic bool cancelled;
};

struct jobs {
    pthread_mutex_t lock;
    jobs_told_fn *told;
    void *told_ctx;
    uint64_t last_id;
    struct job slots[JOBS_MAX];
};

enum err jobs_new(struct jobs **ret_jobs)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_init(&jobs->lock, NULL);
    *ret_jobs = jobs;
    return ERR_OK;
}

void jobs_tell(struct jobs *jobs, jobs_told_fn *told, void *ctx)
{
    jobs->told = told;
    jobs->told_ctx = ctx;
}

static void job_clear(struct job *job)
{
    json_decref(job->lines);
    json_decref(job->result);
    *job = (struct job){0};
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    for (size_t i = 0; i < JOBS_MAX; i++)
        job_clear(&jobs->slots[i]);
    (void)pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

static bool has_ended(const struct job *job)
{
    return job->state == JOB_DONE || job->state == JOB_FAILED;
}

/* Locked. A free slot, else the one whose job ended longest ago. */
static struct job *find_room(struct jobs *jobs)
{
    struct job *oldest = NULL;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &jobs->slots[i];
        if (job->id == 0)
            return job;
        if (has_ended(job) && (oldest == NULL || job->ended_ns < oldest->ended_ns))
            oldest = job;
    }
    return oldest;
}

enum err jobs_add(struct jobs *jobs, const char *kind, const char *owner, struct job **ret_job)
{
    json_t *lines = json_array();
    if (lines == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_lock(&jobs->lock);
    struct job *job = find_room(jobs);
    if (job != NULL) {
        job_clear(job);
        job->jobs = jobs;
        job->id = ++jobs->last_id;
        job->lines = lines;
        (void)snprintf(job->kind, sizeof job->kind, "%s", kind);
        (void)snprintf(job->owner, sizeof job->owner, "%s", owner);
    }
    (void)pthread_mutex_unlock(&jobs->lock);
    if (job == NULL) {
        json_decref(lines);
        return ERR_BUSY;
    }
    *ret_job = job;
    return ERR_OK;
}

uint64_t job_id(const struct job *job)
{
    return job->id;
}

static const char *const states[] = {"queued", "running", "done", "failed"};

/* What is told of a job. Taken under the lock, told without it: who is told may do anything. */
struct news {
    char owner[80];
    json_t *json;
};

/* Locked. */
static struct news news_of(struct job *job)
{
    struct news news = {.json = NULL};
    if (job->jobs->told == NULL)
        return news;
    news.json = json_pack("{s:I s:s s:s s:s s:I s:I}", "job", (json_int_t)job->id, "kind",
                          job->kind, "state", states[job->state], "stage", job->stage, "done",
                          (json_int_t)job->done, "total", (json_int_t)job->total);
    (void)snprintf(news.owner, sizeof news.owner, "%s", job->owner);
    job->told_ns = clock_mono_ns();
    return news;
}

static void tell(const struct jobs *jobs, struct news news)
{
    char *text = news.json != NULL ? json_dumps(news.json, JSON_COMPACT) : NULL;
    if (text != NULL)
        jobs->told(jobs->told_ctx, news.owner, text);
    free(text);
    json_decref(news.json);
}

static void job_end(struct job *job, enum err err, const struct err_detail *detail, json_t *result)
{
    struct jobs *jobs = job->jobs;
    (void)pthread_mutex_lock(&jobs->lock);
    job->state = err == ERR_OK ? JOB_DONE : JOB_FAILED;
    job->err = err;
    job->detail = *detail;
    job->result = result;
    job->ended_ns = clock_mono_ns();
    struct news news = news_of(job);
    (void)pthread_mutex_unlock(&jobs->lock); /* the job may be another's from here on */
    tell(jobs, news);
}

void job_fail(struct job *job, enum err err)
{
    job_end(job, err, &(struct err_detail){0}, NULL);
}

void job_run(struct job *job, job_fn *fn, struct api *api, struct fleet_call *call, json_t *spec)
{
    struct err_detail detail = {0};
    json_t *result = NULL;
    (void)pthread_mutex_lock(&job->jobs->lock);
    job->state = JOB_RUNNING;
    struct news news = news_of(job);
    (void)pthread_mutex_unlock(&job->jobs->lock);
    tell(job->jobs, news);
    call->progress = job_progress;
    call->progress_ctx = job;
    enum err err =
        atomic_load(&job->cancelled) ? ERR_CANCELLED : fn(job, api, call, spec, &result, &detail);
    job_end(job, err, &detail, result);
}

void job_line(struct job *job, json_t *line)
{
    (void)pthread_mutex_lock(&job->jobs->lock);
    job->lines_total++;
    if (json_array_size(job->lines) < JOB_LINES_MAX)
        (void)json_array_append(job->lines, line);
    (void)pthread_mutex_unlock(&job->jobs->lock);
    json_decref(line);
}

bool job_progress(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    struct job *job = ctx;
    (void)pthread_mutex_lock(&job->jobs->lock);
    (void)snprintf(job->stage, sizeof job->stage, "%s", stage);
    job->done = done;
    job->total = total;
    struct news news = {.json = NULL};
    if (clock_mono_ns() - job->told_ns >= TELL_NS)
        news = news_of(job);
    (void)pthread_mutex_unlock(&job->jobs->lock);
    tell(job->jobs, news);
    return !atomic_load(&job->cancelled);
}

/* Locked. */
static struct job *find(struct jobs *jobs, uint64_t id)
{
    for (size_t i = 0; i < JOBS_MAX && id != 0; i++) {
        if (jobs->slots[i].id == id)
            return &jobs->slots[i];
    }
    return NULL;
}

static json_t *brief(const struct job *job)
{
    json_t *json =
        json_pack("{s:I s:s s:s s:s s:s s:I s:I}", "job", (json_int_t)job->id, "kind", job->kind,
                  "owner", job->owner, "state", states[job->state], "stage", job->stage, "done",
                  (json_int_t)job->done, "total", (json_int_t)job->total);
    if (json != NULL && job->state == JOB_FAILED)
        (void)json_object_set_new(json, "error", json_of_error(job->err, &job->detail));
    return json;
}

static json_t *show(const struct job *job, uint64_t from_line)
{
    json_t *json = brief(job), *lines = json_array();
    size_t len = json_array_size(job->lines);
    for (size_t i = from_line < len ? (size_t)from_line : len; i < len; i++)
        (void)json_array_append(lines, json_array_get(job->lines, i));
    (void)json_object_set_new(json, "lines", lines);
    (void)json_object_set_new(json, "next", json_integer((json_int_t)len));
    (void)json_object_set_new(json, "lines_total", json_integer((json_int_t)job->lines_total));
    if (json != NULL && job->result != NULL)
        (void)json_object_set(json, "result", job->result);
    return json;
}

enum err jobs_show(struct jobs *jobs, uint64_t id, uint64_t from_line, json_t **ret_json)
{
    (void)pthread_mutex_lock(&jobs->lock);
    const struct job *job = find(jobs, id);
    json_t *json = job != NULL ? show(job, from_line) : NULL;
    (void)pthread_mutex_unlock(&jobs->lock);
    if (job == NULL)
        return ERR_NOT_FOUND;
    if (json == NULL)
        return ERR_NO_MEMORY;
    *ret_json = json;
    return ERR_OK;
}

/* Locked. The newest that is older than `id`. */
static const struct job *older(const struct jobs *jobs, const char *owner, uint64_t id)
{
    const struct job *newest = NULL;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        const struct job *job = &jobs->slots[i];
        if (job->id != 0 && job->id < id && (owner == NULL || strcmp(job->owner, owner) == 0) &&
            (newest == NULL || job->id > newest->id))
            newest = job;
    }
    return newest;
}

enum err jobs_list(struct jobs *jobs, const char *owner, json_t **ret_array)
{
    json_t *array = json_array();
    bool good = array != NULL;
    (void)pthread_mutex_lock(&jobs->lock);
    for (const struct job *job = older(jobs, owner, UINT64_MAX); job != NULL && good;
         job = older(jobs, owner, job->id))
        good = json_array_append_new(array, brief(job)) == 0;
    (void)pthread_mutex_unlock(&jobs->lock);
    if (!good) {
        json_decref(array);
        return ERR_NO_MEMORY;
    }
    *ret_array = array;
    return ERR_OK;
}

enum err jobs_cancel(struct jobs *jobs, uint64_t id)
{
    (void)pthread_mutex_lock(&jobs->lock);
    struct job *job = find(jobs, id);
    if (job != NULL)
        atomic_store(&job->cancelled, true);
    (void)pthread_mutex_unlock(&jobs->lock);
    return job != NULL ? ERR_OK : ERR_NOT_FOUND;
}

void jobs_load(struct jobs *jobs, unsigned *ret_waiting, unsigned *ret_running)
{
    unsigned waiting = 0, running = 0;
    (void)pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        const struct job *job = &jobs->slots[i];
        waiting += job->id != 0 && job->state == JOB_QUEUED;
        running += job->id != 0 && job->state == JOB_RUNNING;
    }
    (void)pthread_mutex_unlock(&jobs->lock);
    *ret_waiting = waiting;
    *ret_running = running;
}

void jobs_cancel_all(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++)
        atomic_store(&jobs->slots[i].cancelled, true);
    (void)pthread_mutex_unlock(&jobs->lock);
}

void jobs_tidy(struct jobs *jobs, uint64_t now_ns)
{
    (void)pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &jobs->slots[i];
        if (job->id != 0 && has_ended(job) && now_ns > job->ended_ns &&
            now_ns - job->ended_ns > JOB_KEEP_S * UINT64_C(1000000000))
            job_clear(job);
    }
    (void)pthread_mutex_unlock(&jobs->lock);
}

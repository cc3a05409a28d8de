#include "api/api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"
#include "api/compress.h"
#include "api/events.h"
#include "api/json.h"
#include "api/login.h"
#include "api/object_counts.h"
#include "api/resources.h"
#include "base/clock.h"
#include "factory/staging.h"
#include "keeper/client.h"

#define QUEUE_MAX  256
#define QUICK_MAX  4096
#define BEAT_EVERY 3 /* times that api_tidy is called */

struct api {
    struct api_config config;
    struct spool *spool;
    struct jobs *jobs;
    struct events *events;
    struct logins *logins;
    struct object_counts *object_counts;
    unsigned beats;
    _Atomic uint64_t records; /* of the audit chain, as listeners know it */
    struct workers *workers;
    struct workers *job_workers;
    struct workers *quick_workers; /* NULL without a factory */
    pthread_mutex_t
        lock; /* of `keepers`: one for each thread of both pools, so one is always there */
    unsigned keepers_len;
    struct keeper_client **keepers;
};

const struct api_daemon *api_daemon(const struct api *api)
{
    return &api->config.daemon;
}

struct fleet *api_fleet(struct api *api)
{
    return api->config.fleet;
}

struct vault *api_vault(struct api *api)
{
    return api->config.vault;
}

struct store *api_store(struct api *api)
{
    return api->config.store;
}

struct vault_clients *api_clients(const struct api *api)
{
    return api->config.clients;
}

struct spool *api_spool(struct api *api)
{
    return api->spool;
}

struct logins *api_logins(struct api *api)
{
    return api->logins;
}

struct object_counts *api_object_counts(struct api *api)
{
    return api->object_counts;
}

struct events *api_events(struct api *api)
{
    return api->events;
}

const struct api_config *api_config(const struct api *api)
{
    return &api->config;
}

struct factory *api_factory_state(struct api *api)
{
    return api->config.factory;
}

struct jobs *api_jobs(struct api *api)
{
    return api->jobs;
}

void api_events_post(struct api *api, enum api_topic topic, const char *name, const char *json)
{
    api_events_post_to(api, topic, NULL, name, json);
}

void api_events_post_to(struct api *api, enum api_topic topic, const char *actor, const char *name,
                        const char *json)
{
    if (api != NULL)
        events_post(api->events, topic, actor, name, json);
}

static struct keeper_client *keeper_take(struct api *api)
{
    (void)pthread_mutex_lock(&api->lock);
    struct keeper_client *keeper = api->keepers[--api->keepers_len];
    (void)pthread_mutex_unlock(&api->lock);
    return keeper;
}

static void keeper_give(struct api *api, struct keeper_client *keeper)
{
    (void)pthread_mutex_lock(&api->lock);
    api->keepers[api->keepers_len++] = keeper;
    (void)pthread_mutex_unlock(&api->lock);
}

struct submitted {
    struct api *api;
    void (*fn)(void *arg, struct keeper_client *keeper);
    void *arg;
};

static void run_submitted(void *arg)
{
    struct submitted *work = arg;
    struct keeper_client *keeper = keeper_take(work->api);
    work->fn(work->arg, keeper);
    keeper_give(work->api, keeper);
    free(work);
}

enum err api_submit(struct api *api, void (*fn)(void *arg, struct keeper_client *keeper), void *arg)
{
    struct submitted *work = malloc(sizeof *work);
    if (work == NULL)
        return ERR_NO_MEMORY;
    *work = (struct submitted){api, fn, arg};
    enum err err = workers_submit(api->workers, run_submitted, work);
    if (err != ERR_OK)
        free(work);
    return err;
}

void api_load(struct api *api, bool line, struct workers_load *ret_load)
{
    workers_load(line && api->quick_workers != NULL ? api->quick_workers : api->workers, ret_load);
}

static void tell_of_job(void *ctx, const char *owner, const char *json)
{
    api_events_post_to(ctx, API_TOPIC_JOBS, owner, "job", json);
}

static bool is_alive(void *ctx, uint64_t session)
{
    return sessions_alive(ctx, session, logins_now());
}

void api_events_sweep(struct api *api)
{
    events_sweep(api->events, is_alive, logins_sessions(api->logins));
}

static enum err connect_keepers(struct api *api)
{
    unsigned wanted = api->config.workers + API_JOB_WORKERS;
    api->keepers = calloc(wanted, sizeof(struct keeper_client *));
    if (api->keepers == NULL)
        return ERR_NO_MEMORY;
    for (; api->keepers_len < wanted; api->keepers_len++)
        TRY(keeper_client_new(api->config.keeper_fds[api->keepers_len],
                              &api->keepers[api->keepers_len]));
    return ERR_OK;
}

enum err api_new(const struct api_config *config, struct api **ret_api, struct err_detail *detail)
{
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL)
        return ERR_NO_MEMORY;
    api->config = *config;
    (void)pthread_mutex_init(&api->lock, NULL);
    enum err err = spool_new(config->spool_dir, &api->spool, detail);
    if (err == ERR_OK)
        err = jobs_new(&api->jobs);
    if (err == ERR_OK)
        err = events_new(&api->events);
    if (err == ERR_OK)
        jobs_tell(api->jobs, tell_of_job, api);
    if (err == ERR_OK)
        err = logins_new(&api->logins);
    if (err == ERR_OK)
        err = object_counts_new(&api->object_counts);
    if (err == ERR_OK)
        err = connect_keepers(api);
    if (err == ERR_OK)
        err = workers_new(config->workers, QUEUE_MAX, &api->workers);
    if (err == ERR_OK)
        err = workers_new(API_JOB_WORKERS, JOBS_MAX, &api->job_workers);
    if (err == ERR_OK && config->factory != NULL)
        err = workers_new(API_QUICK_WORKERS, QUICK_MAX, &api->quick_workers);
    if (err != ERR_OK) {
        api_free(api);
        return err;
    }
    *ret_api = api;
    return ERR_OK;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    /* a request may wait for a job's transaction, and may start another job: requests end between
     */
    if (api->jobs != NULL)
        jobs_cancel_all(api->jobs);
    logins_stop(api->logins);
    workers_free(api->workers);
    workers_free(api->quick_workers);
    if (api->jobs != NULL)
        jobs_cancel_all(api->jobs);
    workers_free(api->job_workers);
    for (unsigned i = 0; i < api->keepers_len; i++)
        keeper_client_free(api->keepers[i]);
    free(api->keepers);
    jobs_free(api->jobs);
    events_close(api->events);
    logins_free(api->logins);
    object_counts_free(api->object_counts);
    spool_free(api->spool);
    (void)pthread_mutex_destroy(&api->lock);
    free(api);
}

struct task {
    struct api *api;
    struct net_http_request *request;
    enum vault_action action;
    enum api_body body;
    api_fn *fn;
    struct api_caller caller;
};

enum err api_parse_body(struct net_http_request *request, json_t **ret_body,
                        struct err_detail *detail)
{
    struct bytes body = net_http_body(request);
    if (body.len == 0) {
        *ret_body = json_object();
        return *ret_body != NULL ? ERR_OK : ERR_NO_MEMORY;
    }
    json_error_t error;
    json_t *json = json_loadb((const char *)body.data, body.len, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return err_set(detail, ERR_SYNTAX, "body: line %d: not JSON", error.line);
    if (!json_is_object(json)) {
        json_decref(json);
        return err_set(detail, ERR_SYNTAX, "body: an object is wanted");
    }
    *ret_body = json;
    return ERR_OK;
}

static enum err perform(struct task *task, struct keeper_client *keeper, json_t **ret_answer,
                        struct err_detail *detail)
{
    struct session session;
    struct api_call call = {
        .api = task->api, .http = task->request, .caller = &task->caller, .session = &session};
    call.fleet = (struct fleet_call){.fleet = task->api->config.fleet, .keeper = keeper};
    TRY(api_who(task->api, task->request, &task->caller, task->action, &call.fleet.actor, &session,
                detail));
    TRY(vault_may(&call.fleet.actor, task->action, detail));
    AUTO(json_freep) json_t *body = NULL;
    if (task->body != API_RAW)
        TRY(api_parse_body(task->request, &body, detail));
    call.body = body;
    return task->fn(&call, ret_answer, detail);
}

static enum err answer_compressed(struct net_http_request *request, const char *text)
{
    AUTO(buf_done) struct buf small = {0};
    TRY(api_compress(bytes_str(text), &small));
    TRY(net_http_set_header(request, "Content-Encoding", "gzip"));
    TRY(net_http_set_header(request, "Vary", "Accept-Encoding"));
    net_http_answer(request, 200, "application/json", buf_view(&small));
    return ERR_OK;
}

void api_answer(struct net_http_request *request, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    enum err err = text != NULL ? ERR_OK : ERR_NO_MEMORY;
    bool compressed = err == ERR_OK && net_http_method(request) == NET_HTTP_GET &&
                      strlen(text) >= API_COMPRESS_MIN &&
                      api_takes_gzip(net_http_header(request, "Accept-Encoding"));
    if (compressed)
        err = answer_compressed(request, text);
    if (err != ERR_OK)
        net_http_fail(request, err, NULL);
    else if (!compressed)
        net_http_answer_json(request, 200, text);
    free(text);
}

static void work(void *arg)
{
    struct task *task = arg;
    struct err_detail detail = {0};
    json_t *json = NULL;
    bool quick = task->body == API_QUICK && task->api->quick_workers != NULL;
    struct keeper_client *keeper = quick ? NULL : keeper_take(task->api);
    enum err err = perform(task, keeper, &json, &detail);
    if (!quick)
        keeper_give(task->api, keeper);
    if (err != ERR_OK)
        json_decref(json);
    if (err == ERR_STREAMED)
        ; /* answered already */
    else if (err != ERR_OK)
        net_http_fail(task->request, err, &detail);
    else if (json == NULL)
        net_http_answer(task->request, 204, "application/json", bytes_of("", 0));
    else
        api_answer(task->request, json);
    free(task);
}

static void submit(struct net_http_request *request, struct api *api, const struct task *wanted)
{
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        net_http_fail(request, ERR_NO_MEMORY, NULL);
        return;
    }
    *task = *wanted;
    api_caller_take(request, &task->caller);
    task->caller.is_plain = wanted->caller.is_plain;
    bool quick = wanted->body == API_QUICK && api->quick_workers != NULL;
    enum err err = workers_submit(quick ? api->quick_workers : api->workers, work, task);
    if (err != ERR_OK) {
        free(task);
        net_http_fail(request, err, NULL);
    }
}

void api_dispatch(struct net_http_request *request, void *ctx, enum vault_action action,
                  enum api_body body, api_fn *fn)
{
    const struct task task = {
        .api = ctx, .request = request, .action = action, .body = body, .fn = fn};
    submit(request, ctx, &task);
}

void api_dispatch_plain(struct net_http_request *request, struct api *api, enum vault_action action,
                        enum api_body body, api_fn *fn)
{
    const struct task task = {.api = api,
                              .request = request,
                              .action = action,
                              .body = body,
                              .fn = fn,
                              .caller = {.is_plain = true}};
    submit(request, api, &task);
}

enum err api_give(json_t *json, json_t **ret_answer)
{
    if (json == NULL)
        return ERR_NO_MEMORY;
    *ret_answer = json;
    return ERR_OK;
}

/* What the pages want to hear of, while somebody listens. */
static void tell_of_daemon(struct api *api, struct keeper_client *keeper)
{
    struct keeper_status status;
    char json[160];
    if (events_listeners(api->events) == 0 || keeper_status(keeper, &status, NULL) != ERR_OK)
        return;
    (void)snprintf(json, sizeof json,
                   "{\"token_ready\":%s,\"released\":%llu,\"refused\":%llu,\"records\":%llu}",
                   status.token_ready ? "true" : "false", (unsigned long long)status.released,
                   (unsigned long long)status.refused, (unsigned long long)status.records);
    api_events_post(api, API_TOPIC_STATUS, "status", json);
    if (atomic_exchange(&api->records, status.records) == status.records)
        return;
    (void)snprintf(json, sizeof json, "{\"records\":%llu}", (unsigned long long)status.records);
    api_events_post(api, API_TOPIC_AUDIT, "audit", json);
}

static void tidy(void *arg, struct keeper_client *keeper)
{
    struct api *api = arg;
    tell_of_daemon(api, keeper);
    uint64_t now = clock_mono_ns();
    jobs_tidy(api->jobs, now);
    spool_tidy(api->spool, now);
    if (api->config.factory != NULL)
        factory_stage_tidy(api->config.factory, now);
}

void api_tidy(struct api *api)
{
    if (++api->beats % BEAT_EVERY == 0)
        events_beat(api->events);
    sessions_tidy(logins_sessions(api->logins), logins_now());
    api_events_sweep(api);
    enum err err = api_submit(api, tidy, api);
    (void)err; /* too busy: the next time will do */
}

struct job_task {
    struct api *api;
    struct job *job;
    job_fn *fn;
    struct vault_actor actor;
    json_t *spec;
};

static void work_job(void *arg)
{
    struct job_task *task = arg;
    struct keeper_client *keeper = keeper_take(task->api);
    struct fleet_call call = {
        .fleet = task->api->config.fleet, .keeper = keeper, .actor = task->actor};
    job_run(task->job, task->fn, task->api, &call, task->spec);
    keeper_give(task->api, keeper);
    json_decref(task->spec);
    free(task);
}

enum err api_start_job(struct api_call *call, const char *kind, job_fn *fn, json_t **ret_answer)
{
    struct job_task *task = calloc(1, sizeof *task);
    if (task == NULL)
        return ERR_NO_MEMORY;
    struct job *job = NULL;
    enum err err = jobs_add(call->api->jobs, kind, call->fleet.actor.name, &job);
    if (err != ERR_OK) {
        free(task);
        return err;
    }
    *task = (struct job_task){.api = call->api,
                              .job = job,
                              .fn = fn,
                              .actor = call->fleet.actor,
                              .spec = json_deep_copy(call->body)};
    json_t *json = json_pack("{s:I}", "job", (json_int_t)job_id(job));
    err = json != NULL && task->spec != NULL
              ? workers_submit(call->api->job_workers, work_job, task)
              : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        job_fail(job, err);
        json_decref(json);
        json_decref(task->spec);
        free(task);
        return err;
    }
    *ret_answer = json;
    return ERR_OK;
}

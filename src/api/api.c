#include "api/api.h"

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>

#include "api/call.h"
#include "api/events.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/clock.h"
#include "keeper/client.h"

#define QUEUE_MAX  256
#define BEAT_EVERY 3 /* times that api_tidy is called */

struct api {
    struct api_config config;
    struct spool *spool;
    struct jobs *jobs;
    struct events *events;
    unsigned beats;
    struct workers *workers;
    struct workers *job_workers;
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
        err = connect_keepers(api);
    if (err == ERR_OK)
        err = workers_new(config->workers, QUEUE_MAX, &api->workers);
    if (err == ERR_OK)
        err = workers_new(API_JOB_WORKERS, JOBS_MAX, &api->job_workers);
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
    workers_free(api->workers);
    if (api->jobs != NULL)
        jobs_cancel_all(api->jobs);
    workers_free(api->job_workers);
    for (unsigned i = 0; i < api->keepers_len; i++)
        keeper_client_free(api->keepers[i]);
    free(api->keepers);
    jobs_free(api->jobs);
    events_close(api->events);
    spool_free(api->spool);
    (void)pthread_mutex_destroy(&api->lock);
    free(api);
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

static bool in_group(uid_t uid, gid_t gid, gid_t wanted)
{
    if (wanted == (gid_t)-1)
        return false;
    if (gid == wanted)
        return true;
    struct passwd pw, *found = NULL;
    char text[4096];
    if (getpwuid_r(uid, &pw, text, sizeof text, &found) != 0 || found == NULL)
        return false;
    gid_t groups[256];
    int len = (int)ARRAY_LEN(groups);
    if (getgrouplist(pw.pw_name, gid, groups, &len) < 0)
        len = (int)ARRAY_LEN(groups);
    for (int i = 0; i < len; i++) {
        if (groups[i] == wanted)
            return true;
    }
    return false;
}

/* Root, the daemon's own user, and members of the socket's group administrate; the name stays the
 * caller's own. */
static struct vault_actor actor_of(const struct api *api, uid_t uid, gid_t gid)
{
    struct vault_actor actor = vault_actor_local(uid, api->config.uid);
    if (actor.role == VAULT_ROLE_NOBODY && in_group(uid, gid, api->config.socket_group))
        actor.role = VAULT_ROLE_ADMINISTRATOR;
    return actor;
}

struct task {
    struct api *api;
    struct net_http_request *request;
    enum vault_action action;
    enum api_body body;
    api_fn *fn;
    uid_t uid;
    gid_t gid;
};

static enum err parse_body(struct net_http_request *request, json_t **ret_body,
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
    struct api_call call = {.api = task->api, .http = task->request};
    call.fleet = (struct fleet_call){.fleet = task->api->config.fleet,
                                     .keeper = keeper,
                                     .actor = actor_of(task->api, task->uid, task->gid)};
    TRY(vault_may(&call.fleet.actor, task->action, detail));
    AUTO(json_freep) json_t *body = NULL;
    if (task->body == API_JSON)
        TRY(parse_body(task->request, &body, detail));
    call.body = body;
    return task->fn(&call, ret_answer, detail);
}

static void answer(struct net_http_request *request, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text == NULL)
        net_http_fail(request, ERR_NO_MEMORY, NULL);
    else
        net_http_answer_json(request, 200, text);
    free(text);
}

static void work(void *arg)
{
    struct task *task = arg;
    struct err_detail detail = {0};
    json_t *json = NULL;
    struct keeper_client *keeper = keeper_take(task->api);
    enum err err = perform(task, keeper, &json, &detail);
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
        answer(task->request, json);
    free(task);
}

void api_dispatch(struct net_http_request *request, void *ctx, enum vault_action action,
                  enum api_body body, api_fn *fn)
{
    struct api *api = ctx;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    if (!net_http_peer(request, &uid, &gid, &pid)) {
        net_http_fail(request, ERR_UNAUTHENTICATED, NULL);
        return;
    }
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        net_http_fail(request, ERR_NO_MEMORY, NULL);
        return;
    }
    *task = (struct task){.api = api,
                          .request = request,
                          .action = action,
                          .body = body,
                          .fn = fn,
                          .uid = uid,
                          .gid = gid};
    enum err err = workers_submit(api->workers, work, task);
    if (err != ERR_OK) {
        free(task);
        net_http_fail(request, err, NULL);
    }
}

enum err api_give(json_t *json, json_t **ret_answer)
{
    if (json == NULL)
        return ERR_NO_MEMORY;
    *ret_answer = json;
    return ERR_OK;
}

static void tidy(void *arg)
{
    struct api *api = arg;
    uint64_t now = clock_mono_ns();
    jobs_tidy(api->jobs, now);
    spool_tidy(api->spool, now);
}

void api_tidy(struct api *api)
{
    if (++api->beats % BEAT_EVERY == 0)
        events_beat(api->events);
    enum err err = workers_submit(api->workers, tidy, api);
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

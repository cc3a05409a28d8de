#pragma once

#include <jansson.h>

#include "api/api.h"
#include "api/job.h"
#include "api/spool.h"

struct api_caller;
struct session;

/* One request on its worker. */
struct api_call {
    struct api *api;
    struct net_http_request *http;
    struct fleet_call fleet; /* actor and this worker's keeper connection */
    const struct api_caller *caller;
    const struct session *session; /* number 0: not by a login */
    json_t *body;                  /* object; empty where the request had none */
};

/* Fills the answer's JSON (a new reference, or leaves NULL for 204 No Content). ERR_STREAMED says
 * that it has answered itself, with net_http_stream. */
typedef enum err api_fn(struct api_call *call, json_t **ret_answer, struct err_detail *detail);

/* Run `fn` on a worker, where the caller may `action`, and answer the request with what it gives. A
 * raw body is not parsed: net_http_body. */
enum api_body {
    API_JSON,
    API_RAW,
    /* JSON too, for what many machines ask at once: on one of the API_QUICK_WORKERS, which have no
     * keeper connection */
    API_QUICK,
};
void api_dispatch(struct net_http_request *request, void *api, enum vault_action action,
                  enum api_body body, api_fn *fn);
/* The same for a caller over plain HTTP, who is a station by its address. */
void api_dispatch_plain(struct net_http_request *request, struct api *api, enum vault_action action,
                        enum api_body body, api_fn *fn);
/* `API_HANDLER(list_networks)` makes the static function of that name known to the route table. */
#define API_HANDLER(name)                                                                          \
    enum err api_do_##name(struct api_call *call, json_t **ret_answer, struct err_detail *detail)  \
    {                                                                                              \
        return name(call, ret_answer, detail);                                                     \
    }
/* What a handler ends with: takes `json`; ERR_NO_MEMORY where it did not come about. */
MUST_CHECK enum err api_give(json_t *json, json_t **ret_answer);

/* Queue a job that runs `fn` with the request's body; the answer is {"job":N}. */
MUST_CHECK enum err api_start_job(struct api_call *call, const char *kind, job_fn *fn,
                                  json_t **ret_answer);

/* The body as an object, the caller's reference; empty where there is none. */
MUST_CHECK enum err api_parse_body(struct net_http_request *request, json_t **ret_body,
                                   struct err_detail *detail);
/* Answers with `json`, which is taken. */
void api_answer(struct net_http_request *request, json_t *json);
/* Run `fn` on a worker, with its connection to the keeper. */
MUST_CHECK enum err api_submit(struct api *api, void (*fn)(void *arg, struct keeper_client *keeper),
                               void *arg);
/* End the event streams of sessions that are over; after each end of one. */
void api_events_sweep(struct api *api);

const struct api_config *api_config(const struct api *api);
const struct api_daemon *api_daemon(const struct api *api);
struct fleet *api_fleet(struct api *api);
struct vault *api_vault(struct api *api);
struct store *api_store(struct api *api);
struct vault_clients *api_clients(const struct api *api);
struct spool *api_spool(struct api *api);
/* Of the threads that answer requests, or those of the line. */
void api_load(struct api *api, bool line, struct workers_load *ret_load);
struct jobs *api_jobs(struct api *api);
struct logins *api_logins(struct api *api);
struct object_counts *api_object_counts(struct api *api);
struct events *api_events(struct api *api);
struct factory *api_factory_state(struct api *api); /* NULL where there is none */

/* Fields of the body: ERR_ARGUMENT names the field where it is missing or of another type; a
 * missing optional one leaves *ret_... as it was. Strings are borrowed from the body. */
MUST_CHECK enum err api_text(const struct api_call *call, const char *field, const char **ret_text,
                             struct err_detail *detail);
MUST_CHECK enum err api_text_optional(const struct api_call *call, const char *field,
                                      const char **ret_text, struct err_detail *detail);
MUST_CHECK enum err api_number(const struct api_call *call, const char *field, uint64_t max,
                               uint64_t *ret_number, struct err_detail *detail);
MUST_CHECK enum err api_number_optional(const struct api_call *call, const char *field,
                                        uint64_t max, uint64_t *ret_number,
                                        struct err_detail *detail);
MUST_CHECK enum err api_flag(const struct api_call *call, const char *field, bool *ret_flag,
                             struct err_detail *detail);
/* A number of the query, `fallback` where absent. */
MUST_CHECK enum err api_query_number(const struct api_call *call, const char *name, uint64_t max,
                                     uint64_t fallback, uint64_t *ret_number,
                                     struct err_detail *detail);

#pragma once

#include "net/http.h"
#include "vault/access.h"

/* What happens, told to pages as it happens: server-sent events (WHATWG HTML, 9.2) at GET
 * /v1/events. Whoever knows of something posts it; every listener whose topics and role fit gets
 * it. */
struct api;

enum api_topic {
    API_TOPIC_STATUS, /* everybody: services, queues */
    API_TOPIC_LINE,   /* "run", "device" of the factory line: FACTORY_READ */
    API_TOPIC_JOBS,   /* "job": one's own, as /v1/jobs shows them; an administrator's: all */
    API_TOPIC_AUDIT,  /* that there are new records: AUDIT_READ */
    API_TOPIC_COUNT,
};
/* "line"; NULL beyond the last. */
const char *api_topic_name(enum api_topic topic);

/* Tell all who listen. `name` is the event's ("run"), `json` one line of JSON without secrets, at
 * most EVENTS_JSON_MAX bytes; both are copied. Any thread, never blocks, costs little where nobody
 * listens; what is too long or finds no memory is lost. `api` may be NULL. */
#define EVENTS_JSON_MAX 8192
void api_events_post(struct api *api, enum api_topic topic, const char *name, const char *json);
/* The same for one actor's listeners, and administrators'. */
void api_events_post_to(struct api *api, enum api_topic topic, const char *actor, const char *name,
                        const char *json);

/* ---- the hub, which the above stand on ---- */

#define EVENTS_LISTENERS_MAX 256
#define EVENTS_ACTOR_MAX     16  /* listeners of one actor */
#define EVENTS_QUEUE_MAX     128 /* events that wait for one listener; then it is dropped */
#define EVENTS_RING          512 /* kept for listeners that come again */

/* Any thread. It lives as long as its last listener. */
struct events;
MUST_CHECK enum err events_new(struct events **ret_events);
/* No more is told; streams end. NULL is allowed. */
void events_close(struct events *events);
void events_post(struct events *events, enum api_topic topic, const char *actor, const char *name,
                 const char *json);

struct events_listener {
    const struct vault_actor *actor;
    unsigned topics;  /* bits (1 << topic) */
    uint64_t session; /* 0: none that could end */
    const char *last; /* Last-Event-ID, or NULL */
};
/* Answers the request with a stream. ERR_BUSY where too many listen. */
MUST_CHECK enum err events_listen(struct events *events, struct net_http_request *request,
                                  const struct events_listener *listener,
                                  struct err_detail *detail);
/* A comment to everybody, so that who is gone is noticed. */
void events_beat(struct events *events);
/* End the streams of sessions that are over. */
typedef bool events_alive_fn(void *ctx, uint64_t session);
void events_sweep(struct events *events, events_alive_fn *alive, void *ctx);
unsigned events_listeners(struct events *events);

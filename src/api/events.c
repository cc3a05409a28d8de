#include "api/events.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

struct event {
    unsigned references; /* under the hub's lock */
    uint64_t id;
    enum api_topic topic;
    char actor[VAULT_ACTOR_MAX + 1]; /* "": for all */
    size_t len;
    char text[]; /* as it is sent */
};

struct listener {
    struct events *hub;
    struct listener *prev, *next;
    struct net_http_request *request;
    struct vault_actor actor;
    uint64_t session;
    unsigned topics;
    struct event *queue[EVENTS_QUEUE_MAX]; /* a ring */
    unsigned first, count;
    bool greet, missed, beat, slow, over;
};

struct events {
    pthread_mutex_t lock;
    unsigned references; /* the owner, and each listener */
    bool closed;
    uint64_t last_id;
    struct event *ring[EVENTS_RING]; /* event n at n % EVENTS_RING */
    struct listener *listeners;
    unsigned listeners_len;
};

static const char *const topic_names[API_TOPIC_COUNT] = {
    [API_TOPIC_STATUS] = "status",
    [API_TOPIC_LINE] = "line",
    [API_TOPIC_JOBS] = "jobs",
    [API_TOPIC_AUDIT] = "audit",
};

const char *api_topic_name(enum api_topic topic)
{
    return (unsigned)topic < API_TOPIC_COUNT ? topic_names[topic] : NULL;
}

enum err events_new(struct events **ret_events)
{
    struct events *hub = calloc(1, sizeof *hub);
    if (hub == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_init(&hub->lock, NULL);
    hub->references = 1;
    /* rising over a restart, too, so that who comes again is told what was missed */
    hub->last_id = clock_now_us();
    *ret_events = hub;
    return ERR_OK;
}

/* ---- all below that end in _locked: under the lock ---- */

static void event_drop_locked(struct event *event)
{
    if (event != NULL && --event->references == 0)
        free(event);
}

static void hub_free(struct events *hub)
{
    for (unsigned i = 0; i < EVENTS_RING; i++)
        event_drop_locked(hub->ring[i]);
    (void)pthread_mutex_destroy(&hub->lock);
    free(hub);
}

static void unlock_and_drop(struct events *hub)
{
    bool last = --hub->references == 0;
    (void)pthread_mutex_unlock(&hub->lock);
    if (last)
        hub_free(hub);
}

static void clear_queue_locked(struct listener *listener)
{
    for (; listener->count != 0; listener->count--) {
        event_drop_locked(listener->queue[listener->first]);
        listener->first = (listener->first + 1) % EVENTS_QUEUE_MAX;
    }
}

static bool fits(const struct listener *listener, const struct event *event)
{
    if ((listener->topics >> event->topic & 1) == 0)
        return false;
    return event->actor[0] == '\0' || listener->actor.role == VAULT_ROLE_ADMINISTRATOR ||
           strcmp(event->actor, listener->actor.name) == 0;
}

static void offer_locked(struct listener *listener, struct event *event)
{
    if (listener->slow || listener->over)
        return;
    if (listener->count == EVENTS_QUEUE_MAX) {
        clear_queue_locked(listener);
        listener->slow = true;
    } else {
        event->references++;
        listener->queue[(listener->first + listener->count++) % EVENTS_QUEUE_MAX] = event;
    }
}

void events_close(struct events *hub)
{
    if (hub == NULL)
        return;
    (void)pthread_mutex_lock(&hub->lock);
    hub->closed = true;
    for (struct listener *l = hub->listeners; l != NULL; l = l->next) {
        l->over = true;
        net_http_wake(l->request);
    }
    unlock_and_drop(hub);
}

/* ---- posting ---- */

static struct event *event_new(enum api_topic topic, const char *actor, const char *name,
                               const char *json, uint64_t id)
{
    static const char form[] = "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n";
    if (strlen(json) > EVENTS_JSON_MAX || strpbrk(json, "\r\n") != NULL ||
        strpbrk(name, "\r\n") != NULL)
        return NULL;
    int len = snprintf(NULL, 0, form, id, name, json);
    struct event *event = len > 0 ? malloc(sizeof *event + (size_t)len + 1) : NULL;
    if (event == NULL)
        return NULL;
    *event = (struct event){.references = 1, .id = id, .topic = topic, .len = (size_t)len};
    (void)snprintf(event->actor, sizeof event->actor, "%s", actor != NULL ? actor : "");
    (void)snprintf(event->text, (size_t)len + 1, form, id, name, json);
    return event;
}

void events_post(struct events *hub, enum api_topic topic, const char *actor, const char *name,
                 const char *json)
{
    if (hub == NULL || (unsigned)topic >= API_TOPIC_COUNT)
        return;
    (void)pthread_mutex_lock(&hub->lock);
    struct event *event = event_new(topic, actor, name, json, hub->last_id + 1);
    if (event != NULL) {
        struct event **place = &hub->ring[++hub->last_id % EVENTS_RING];
        event_drop_locked(*place);
        *place = event;
        for (struct listener *l = hub->listeners; l != NULL; l = l->next) {
            if (fits(l, event)) {
                offer_locked(l, event);
                net_http_wake(l->request);
            }
        }
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

/* ---- a listener, on its loop ---- */

static bool listener_ready(void *ctx)
{
    struct listener *l = ctx;
    (void)pthread_mutex_lock(&l->hub->lock);
    bool ready = l->greet || l->missed || l->beat || l->slow || l->over || l->count != 0;
    (void)pthread_mutex_unlock(&l->hub->lock);
    return ready;
}

static size_t put(uint8_t *to, size_t cap, size_t at, const char *text)
{
    struct bytes piece = bytes_str(text);
    if (piece.len > cap - at)
        return at;
    memcpy(to + at, piece.data, piece.len);
    return at + piece.len;
}

static size_t read_locked(struct listener *l, uint8_t *to, size_t cap)
{
    size_t len = 0;
    if (l->greet)
        len = put(to, cap, len, "retry: 3000\n\n");
    if (l->missed)
        len = put(to, cap, len, "event: missed\ndata: {}\n\n");
    if (l->beat)
        len = put(to, cap, len, ": still here\n\n");
    l->greet = l->missed = l->beat = false;
    while (l->count != 0 && l->queue[l->first]->len <= cap - len) {
        struct event *event = l->queue[l->first];
        memcpy(to + len, event->text, event->len);
        len += event->len;
        event_drop_locked(event);
        l->first = (l->first + 1) % EVENTS_QUEUE_MAX;
        l->count--;
    }
    if (l->slow && !l->over) {
        len = put(to, cap, len, "event: dropped\ndata: {\"reason\":\"too slow\"}\n\n");
        l->over = true;
    }
    return len; /* 0, which is the end: over and nothing left */
}

static enum err listener_read(void *ctx, uint8_t *to, size_t cap, size_t *ret_len)
{
    struct listener *l = ctx;
    (void)pthread_mutex_lock(&l->hub->lock);
    *ret_len = read_locked(l, to, cap);
    (void)pthread_mutex_unlock(&l->hub->lock);
    return ERR_OK;
}

static void listener_done(void *ctx)
{
    struct listener *l = ctx;
    struct events *hub = l->hub;
    (void)pthread_mutex_lock(&hub->lock);
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        hub->listeners = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    hub->listeners_len--;
    clear_queue_locked(l);
    free(l);
    unlock_and_drop(hub);
}

/* ---- listening ---- */

/* What was posted since: an unknown number, or one that is too long ago, has missed some. */
static void catch_up_locked(struct events *hub, struct listener *l, const char *last)
{
    char *end = NULL;
    uint64_t id = strtoull(last, &end, 10);
    bool known = end != last && *end == '\0' && id <= hub->last_id;
    const struct event *next = known ? hub->ring[(id + 1) % EVENTS_RING] : NULL;
    if (known && id == hub->last_id)
        return;
    if (!known || next == NULL || next->id != id + 1) {
        l->missed = true;
        return;
    }
    for (uint64_t n = id + 1; n <= hub->last_id; n++) {
        struct event *event = hub->ring[n % EVENTS_RING];
        if (event != NULL && event->id == n && fits(l, event)) {
            if (l->count == EVENTS_QUEUE_MAX) {
                clear_queue_locked(l);
                l->missed = true;
                return;
            }
            offer_locked(l, event);
        }
    }
}

static enum err add_locked(struct events *hub, struct listener *l, struct err_detail *detail)
{
    unsigned same = 0;
    for (const struct listener *at = hub->listeners; at != NULL; at = at->next)
        same += strcmp(at->actor.name, l->actor.name) == 0;
    if (hub->closed)
        return ERR_CLOSED;
    if (same >= EVENTS_ACTOR_MAX || hub->listeners_len >= EVENTS_LISTENERS_MAX)
        return err_set(detail, ERR_BUSY, "%u listeners are connected already, %u of them yours",
                       hub->listeners_len, same);
    l->next = hub->listeners;
    if (l->next != NULL)
        l->next->prev = l;
    hub->listeners = l;
    hub->listeners_len++;
    hub->references++;
    return ERR_OK;
}

enum err events_listen(struct events *hub, struct net_http_request *request,
                       const struct events_listener *wanted, struct err_detail *detail)
{
    struct listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ERR_NO_MEMORY;
    l->hub = hub;
    l->request = request;
    l->actor = *wanted->actor;
    l->topics = wanted->topics;
    l->session = wanted->session;
    l->greet = true;
    const struct net_http_source source = {
        .read = listener_read, .done = listener_done, .ctx = l, .ready = listener_ready};
    (void)pthread_mutex_lock(&hub->lock);
    if (wanted->last != NULL)
        catch_up_locked(hub, l, wanted->last);
    enum err err = add_locked(hub, l, detail);
    if (err != ERR_OK)
        clear_queue_locked(l);
    (void)pthread_mutex_unlock(&hub->lock);
    if (err != ERR_OK)
        free(l);
    else /* a wake that comes before is followed by the stream's first look */
        net_http_stream(request, 200, "text/event-stream", &source);
    return err;
}

void events_beat(struct events *hub)
{
    (void)pthread_mutex_lock(&hub->lock);
    for (struct listener *l = hub->listeners; l != NULL; l = l->next) {
        l->beat = true;
        net_http_wake(l->request);
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

void events_sweep(struct events *hub, events_alive_fn *alive, void *ctx)
{
    (void)pthread_mutex_lock(&hub->lock);
    for (struct listener *l = hub->listeners; l != NULL; l = l->next) {
        if (l->session != 0 && !l->over && !alive(ctx, l->session)) {
            clear_queue_locked(l);
            l->over = true;
            net_http_wake(l->request);
        }
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

unsigned events_listeners(struct events *hub)
{
    (void)pthread_mutex_lock(&hub->lock);
    unsigned len = hub->listeners_len;
    (void)pthread_mutex_unlock(&hub->lock);
    return len;
}

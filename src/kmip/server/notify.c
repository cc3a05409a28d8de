#include "kmip/server/notify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "kmip/codec/codec.h"
#include "net/conn.h"

#define TICK_MS    1000u
#define REFRESH_S  5u
#define LISTENERS  1024
#define ANSWER_MAX ((size_t)64 * 1024)
#define TIMEOUT_MS 5000u

/* A client that listens. */
struct listener {
    uint64_t client;
    char host[256];
    uint16_t port;
    bool put;
    struct vault_eyes eyes;
    uint8_t certificate[32]; /* who has to be there */
};

struct message {
    struct message *prev, *next;
    struct kmip_notify *notify; /* NULL once that is gone */
    struct listener to;
    struct buf data;
    unsigned tries;
    uint64_t due_ns; /* of the next try */
    bool active, sent;
};

struct kmip_notify {
    struct net_loop *loop;
    struct vault_clients *clients;
    struct net_tls *tls;
    struct net_timer *timer;
    unsigned ticks;
    pthread_mutex_t lock; /* of what follows */
    struct listener *listeners;
    size_t listeners_len;
    struct message *messages;
    unsigned count;
};

/* ---- who listens ---- */

static void add_listener(void *ctx, const struct vault_client *client)
{
    struct kmip_notify *notify = ctx;
    static const uint8_t none[32];
    const char *colon = strrchr(client->notify, ':');
    if (notify->tls != NULL && memcmp(client->certificate, none, sizeof(none)) == 0)
        return;
    if (colon == NULL || client->disabled != VAULT_NO_DATE || notify->listeners_len == LISTENERS)
        return;
    struct listener *l = &notify->listeners[notify->listeners_len];
    size_t len = (size_t)(colon - client->notify);
    const char *host = client->notify;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    unsigned long port = strtoul(colon + 1, NULL, 10);
    if (len == 0 || len >= sizeof(l->host) || port == 0 || port > UINT16_MAX)
        return;
    memcpy(l->host, host, len);
    l->host[len] = '\0';
    l->port = (uint16_t)port;
    l->client = client->id;
    l->put = client->put;
    l->eyes = client->eyes;
    memcpy(l->certificate, client->certificate, sizeof(l->certificate));
    notify->listeners_len++;
}

static void refresh(struct kmip_notify *notify)
{
    pthread_mutex_lock(&notify->lock);
    notify->listeners_len = 0;
    vault_client_each(notify->clients, add_listener, notify);
    pthread_mutex_unlock(&notify->lock);
}

/* Lock held. */
static const struct listener *find(const struct kmip_notify *notify, uint64_t client)
{
    for (size_t i = 0; i < notify->listeners_len; i++)
        if (notify->listeners[i].client == client)
            return &notify->listeners[i];
    return NULL;
}

static bool sees(const struct listener *l, uint32_t group)
{
    for (uint32_t i = 0; i < l->eyes.count; i++)
        if (l->eyes.groups[i] == group)
            return true;
    return false;
}

bool kmip_notify_wants(struct kmip_notify *notify, uint64_t client, uint32_t group)
{
    if (notify == NULL)
        return false;
    pthread_mutex_lock(&notify->lock);
    const struct listener *l = find(notify, client);
    bool wants = l != NULL && sees(l, group);
    pthread_mutex_unlock(&notify->lock);
    return wants;
}

bool kmip_notify_wants_put(struct kmip_notify *notify, uint64_t client)
{
    if (notify == NULL)
        return false;
    pthread_mutex_lock(&notify->lock);
    const struct listener *l = find(notify, client);
    bool wants = l != NULL && l->put;
    pthread_mutex_unlock(&notify->lock);
    return wants;
}

unsigned kmip_notify_count(struct kmip_notify *notify)
{
    pthread_mutex_lock(&notify->lock);
    unsigned count = notify->count;
    pthread_mutex_unlock(&notify->lock);
    return count;
}

/* ---- one message ---- */

static void message_free(struct message *m)
{
    struct kmip_notify *notify = m->notify;
    if (notify != NULL) {
        pthread_mutex_lock(&notify->lock);
        if (m->prev != NULL)
            m->prev->next = m->next;
        else
            notify->messages = m->next;
        if (m->next != NULL)
            m->next->prev = m->prev;
        notify->count--;
        pthread_mutex_unlock(&notify->lock);
    }
    buf_done(&m->data);
    free(m);
}

static void tried(struct message *m)
{
    m->active = false;
    if (m->notify == NULL || m->sent || ++m->tries == NOTIFY_TRIES) {
        if (!m->sent && m->notify != NULL)
            log_warn("kmip: a client at %s:%u can't be told", m->to.host, (unsigned)m->to.port);
        message_free(m);
        return;
    }
    const uint64_t wait_ms = (uint64_t)NOTIFY_RETRY_MS << (m->tries - 1);
    m->due_ns = net_loop_now_ns(m->notify->loop) + UINT64_C(1000000) * wait_ms;
}

static enum err frame_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    if (have < 8) {
        *ret_need = 8;
        return ERR_OK;
    }
    return kmip_frame_len(bytes_of(data, have), ANSWER_MAX, ret_need);
}

static void on_open(struct net_conn *conn, void *ctx)
{
    struct message *m = ctx;
    m->sent = net_conn_write(conn, buf_view(&m->data)) == ERR_OK;
}

/* Whatever it answers: it knows. */
static void on_frame(struct net_conn *conn, void *ctx, struct bytes frame)
{
    (void)ctx;
    (void)frame;
    net_conn_close(conn);
}

static void on_close(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    const struct message *m = ctx;
    (void)conn;
    if (!m->sent)
        log_debug("kmip: telling %s: %s %s", m->to.host, net_close_text(reason), detail->text);
}

static void on_free(void *ctx)
{
    tried(ctx);
}

static const struct net_conn_ops conn_ops = {.frame_len = frame_len,
                                             .on_frame = on_frame,
                                             .on_open = on_open,
                                             .on_close = on_close,
                                             .on_free = on_free};

static void start(struct message *m)
{
    const struct net_conn_setup setup = {
        .ops = &conn_ops,
        .ctx = m,
        .limits = {.frame_max = ANSWER_MAX, .handshake_ms = TIMEOUT_MS, .idle_ms = TIMEOUT_MS},
        .tls = m->notify->tls};
    const struct net_target target = {
        .host = m->to.host, .port = m->to.port, .tls_pin = m->to.certificate};
    struct net_conn *conn = NULL;
    m->active = true;
    if (net_connect(m->notify->loop, &target, &setup, &conn) != ERR_OK)
        tried(m);
}

static void on_posted(void *arg)
{
    struct message *m = arg;
    if (m->notify == NULL)
        message_free(m);
    else
        start(m);
}

void kmip_notify_send(struct kmip_notify *notify, uint64_t client, struct bytes data)
{
    struct message *m = calloc(1, sizeof(*m));
    if (m == NULL || buf_append(&m->data, data) != ERR_OK) {
        free(m);
        return;
    }
    m->notify = notify;
    m->active = true;
    pthread_mutex_lock(&notify->lock);
    const struct listener *to = find(notify, client);
    bool taken = to != NULL && notify->count < NOTIFY_QUEUE_MAX;
    if (taken) {
        m->to = *to;
        m->next = notify->messages;
        if (m->next != NULL)
            m->next->prev = m;
        notify->messages = m;
        notify->count++;
    }
    pthread_mutex_unlock(&notify->lock);
    if (!taken) {
        m->notify = NULL;
        message_free(m);
    } else if (net_loop_post(notify->loop, on_posted, m) != ERR_OK) {
        message_free(m);
    }
}

/* ---- life ---- */

/* One that is due, on the loop's thread: only it starts and ends them. */
static struct message *due(struct kmip_notify *notify, uint64_t now)
{
    pthread_mutex_lock(&notify->lock);
    struct message *m = notify->messages;
    while (m != NULL && (m->active || m->due_ns > now))
        m = m->next;
    pthread_mutex_unlock(&notify->lock);
    return m;
}

static void on_tick(void *ctx)
{
    struct kmip_notify *notify = ctx;
    if (++notify->ticks % REFRESH_S == 0)
        refresh(notify);
    uint64_t now = net_loop_now_ns(notify->loop);
    for (struct message *m = due(notify, now); m != NULL; m = due(notify, now))
        start(m);
}

enum err kmip_notify_new(struct net_loop *loop, struct vault_clients *clients, struct net_tls *tls,
                         struct kmip_notify **ret_notify)
{
    struct kmip_notify *notify = calloc(1, sizeof(*notify));
    if (notify == NULL)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&notify->lock, NULL);
    notify->loop = loop;
    notify->clients = clients;
    notify->tls = tls != NULL ? net_tls_ref(tls) : NULL;
    notify->listeners = calloc(LISTENERS, sizeof(*notify->listeners));
    enum err err = notify->listeners != NULL ? net_timer_new(loop, on_tick, notify, &notify->timer)
                                             : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        kmip_notify_free(notify);
        return err;
    }
    refresh(notify);
    net_timer_every(notify->timer, TICK_MS);
    *ret_notify = notify;
    return ERR_OK;
}

enum err kmip_notify_reload(struct kmip_notify *notify, struct err_detail *detail)
{
    return notify != NULL && notify->tls != NULL ? net_tls_reload(notify->tls, detail) : ERR_OK;
}

void kmip_notify_free(struct kmip_notify *notify)
{
    if (notify == NULL)
        return;
    struct message *m = notify->messages;
    while (m != NULL) {
        struct message *next = m->next;
        m->notify = NULL;
        /* Those that are with the loop are freed by it. */
        if (!m->active)
            message_free(m);
        m = next;
    }
    net_timer_free(notify->timer);
    net_tls_unref(notify->tls);
    pthread_mutex_destroy(&notify->lock);
    free(notify->listeners);
    free(notify);
}

#include "net/conn_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/metrics.h"

#define MS ((uint64_t)1000000)

const char *net_close_text(enum net_close reason)
{
    static const char *const texts[] = {
        [NET_CLOSE_LOCAL] = "closed by us",
        [NET_CLOSE_PEER] = "closed by the peer",
        [NET_CLOSE_CUT] = "cut off within a message",
        [NET_CLOSE_FRAME] = "message can't be framed",
        [NET_CLOSE_CONNECT] = "can't connect",
        [NET_CLOSE_TLS] = "TLS failed",
        [NET_CLOSE_TIMEOUT] = "timed out",
        [NET_CLOSE_IDLE] = "idle for too long",
        [NET_CLOSE_IO] = "input/output error",
    };
    return texts[reason];
}

static void timer_fired(int fd, short what, void *arg);

static void set_limits(struct net_conn_limits *l)
{
    if (l->frame_max == 0)
        l->frame_max = (size_t)1 << 20;
    if (l->handshake_ms == 0)
        l->handshake_ms = 10000;
    if (l->write_ms == 0)
        l->write_ms = 30000;
    if (l->write_buffer_max == 0)
        l->write_buffer_max = (size_t)1 << 20;
    if (l->outstanding_max == 0)
        l->outstanding_max = 16000;
}

enum err conn_new(struct net_loop *loop, const struct net_conn_setup *setup,
                  struct net_conn **ret_conn)
{
    struct net_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return ERR_NO_MEMORY;
    conn->loop = loop;
    conn->ops = setup->ops;
    conn->ctx = setup->ctx;
    conn->limits = setup->limits;
    set_limits(&conn->limits);
    conn->fd = -1;
    (void)event_assign(&conn->timer_event, loop->base, -1, 0, timer_fired, conn);
    conn->tls = setup->tls != NULL ? net_tls_ref(setup->tls) : NULL;
    conn->since_ns = conn->frame_ns = clock_mono_ns();
    conn->all.next = loop->all;
    if (loop->all != NULL)
        loop->all->all.prev = conn;
    loop->all = conn;
    metric_add(&net_metrics.open, 1);
    *ret_conn = conn;
    return ERR_OK;
}

void conn_handshake_over(struct net_conn *conn)
{
    if (conn->shaking)
        listener_handshake_over(conn->listener);
    conn->shaking = false;
}

/* Everything but the memory itself, which held requests may still refer to. */
static void release_socket(struct net_conn *conn)
{
    if (conn->fd >= 0) {
        (void)event_del(&conn->read_event);
        (void)event_del(&conn->write_event);
    }
    (void)event_del(&conn->timer_event);
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    if (conn->fd >= 0)
        (void)close(conn->fd);
    conn->fd = -1;
    conn_handshake_over(conn);
    if (conn->listener != NULL)
        listener_conn_gone(conn->listener, conn->address);
    conn->listener = NULL;
    net_tls_unref(conn->tls);
    conn->tls = NULL;
    loop_buf_give(conn->loop, &conn->out);
    buf_done(&conn->in);
    if (conn->addrs != NULL)
        freeaddrinfo(conn->addrs);
    conn->addrs = conn->addr = NULL;
    metric_add(&net_metrics.open, -1);
}

void conn_free_now(struct net_conn *conn)
{
    if (conn->all.prev != NULL)
        conn->all.prev->all.next = conn->all.next;
    else
        conn->loop->all = conn->all.next;
    if (conn->all.next != NULL)
        conn->all.next->all.prev = conn->all.prev;
    free(conn->tls_name);
    free(conn->cert);
    free(conn);
}

void conn_later(struct net_conn *conn)
{
    if (conn->is_again)
        return;
    conn->is_again = true;
    conn->next_again = conn->loop->again;
    conn->loop->again = conn;
}

static void mark_dirty(struct net_conn *conn)
{
    if (conn->is_dirty)
        return;
    conn->is_dirty = true;
    conn->next_dirty = conn->loop->dirty;
    conn->loop->dirty = conn;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* When the state has lasted too long; 0: never. Sets why. */
static uint64_t deadline(const struct net_conn *conn, enum net_close *ret_reason)
{
    uint64_t handshake = conn->since_ns + conn->limits.handshake_ms * MS;
    *ret_reason = NET_CLOSE_TIMEOUT;
    switch (conn->state) {
    case CONN_RESOLVING:
    case CONN_CONNECTING:
    case CONN_HANDSHAKE: return handshake;
    case CONN_LINGERING: return conn->since_ns + LINGER_MS * MS;
    case CONN_OPEN:
    case CONN_FLUSHING: {
        uint64_t stalled = conn->blocked ? conn->progress_ns + conn->limits.write_ms * MS : 0;
        uint64_t idle = 0;
        if (conn->limits.idle_ms != 0 && conn->outstanding == 0 && conn->state == CONN_OPEN)
            idle = conn->frame_ns + conn->limits.idle_ms * MS;
        if (stalled == 0 || (idle != 0 && idle < stalled))
            *ret_reason = NET_CLOSE_IDLE;
        return earlier(stalled, idle);
    }
    case CONN_OPENING:
    case CONN_CLOSING:
    case CONN_DEAD: break;
    }
    return 0;
}

/* The timer is only ever moved forward; what was done meanwhile is looked at when it fires, so that
 * a frame costs no timer. */
static void arm_timer(struct net_conn *conn)
{
    enum net_close reason;
    uint64_t at = deadline(conn, &reason);
    if (at == 0 || (conn->timer_ns != 0 && conn->timer_ns <= at))
        return;
    uint64_t now = clock_mono_ns();
    uint64_t us = at > now ? (at - now) / 1000 + 1 : 1;
    struct timeval after = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (long)(us % 1000000)};
    conn->timer_ns = at;
    (void)event_add(&conn->timer_event, &after);
}

static void timer_fired(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct net_conn *conn = arg;
    conn->timer_ns = 0;
    enum net_close reason;
    uint64_t at = deadline(conn, &reason);
    if (at == 0 || clock_mono_ns() < at) {
        arm_timer(conn);
        return;
    }
    if (conn->state == CONN_LINGERING)
        conn_fail(conn, NET_CLOSE_LOCAL, ERR_CLOSED, "the peer did not close in turn");
    else if (reason == NET_CLOSE_IDLE)
        conn_fail(conn, reason, ERR_TIMEOUT, "no message for %u ms", conn->limits.idle_ms);
    else if (conn->state == CONN_HANDSHAKE)
        conn_fail(conn, reason, ERR_TIMEOUT, "no TLS handshake within %u ms",
                  conn->limits.handshake_ms);
    else if (conn->state == CONN_OPEN || conn->state == CONN_FLUSHING)
        conn_fail(conn, reason, ERR_TIMEOUT, "the peer takes no answers");
    else
        conn_fail(conn, NET_CLOSE_CONNECT, ERR_TIMEOUT, "no answer within %u ms",
                  conn->limits.handshake_ms);
}

static void set_event(struct event *event, bool *is_set, bool wanted)
{
    if (*is_set == wanted)
        return;
    *is_set = wanted;
    if (wanted)
        (void)event_add(event, NULL);
    else
        (void)event_del(event);
}

void conn_rearm(struct net_conn *conn)
{
    bool reads = false;
    bool writes = conn->blocked || conn->read_wants_write;
    switch (conn->state) {
    case CONN_CONNECTING: writes = true; break;
    case CONN_HANDSHAKE: reads = !conn->blocked; break;
    /* Not taken away before something comes that must wait: between a request and its answer most
     * often nothing does, and taking it away and putting it back are two system calls. */
    case CONN_OPEN: reads = conn_may_read(conn) || conn->reading; break;
    case CONN_LINGERING: reads = !conn->eof; break;
    case CONN_FLUSHING: break;
    case CONN_RESOLVING:
    case CONN_OPENING:
    case CONN_CLOSING:
    case CONN_DEAD: writes = false; break;
    }
    if (conn->fd >= 0) {
        set_event(&conn->read_event, &conn->reading, reads);
        set_event(&conn->write_event, &conn->writing, writes);
    }
    arm_timer(conn);
}

void conn_enter(struct net_conn *conn, enum conn_state state)
{
    conn->state = state;
    conn->since_ns = clock_mono_ns();
    conn_rearm(conn);
}

static void step(struct net_conn *conn)
{
    switch (conn->state) {
    case CONN_CONNECTING: conn_connect_done(conn); break;
    case CONN_OPENING: conn_ready_to_frame(conn); break;
    case CONN_HANDSHAKE: conn_tls_handshake(conn); break;
    case CONN_OPEN: conn_input(conn); break;
    case CONN_LINGERING: conn_discard(conn); break;
    case CONN_RESOLVING:
    case CONN_FLUSHING:
    case CONN_CLOSING:
    case CONN_DEAD: break;
    }
}

static void readable(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct net_conn *conn = arg;
    if (conn->state == CONN_OPEN && !conn_may_read(conn))
        set_event(&conn->read_event, &conn->reading, false);
    else
        step(conn);
}

static void writable(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct net_conn *conn = arg;
    if (conn->blocked) {
        conn->blocked = false;
        if (conn->state == CONN_OPEN || conn->state == CONN_FLUSHING)
            mark_dirty(conn); /* the flush arms the events anew */
        else
            step(conn);
        return;
    }
    conn->read_wants_write = false;
    step(conn);
    conn_rearm(conn);
}

void conn_attach(struct net_conn *conn, int fd)
{
    conn->fd = fd;
    (void)event_assign(&conn->read_event, conn->loop->base, fd, EV_READ | EV_PERSIST, readable,
                       conn);
    (void)event_assign(&conn->write_event, conn->loop->base, fd, EV_WRITE | EV_PERSIST, writable,
                       conn);
    conn->reading = conn->writing = false;
}

void conn_ready_to_frame(struct net_conn *conn)
{
    bool again = conn->opened;
    conn_handshake_over(conn);
    conn->opened = conn->owed = true;
    conn->frame_ns = clock_mono_ns();
    conn_enter(conn, CONN_OPEN);
    if (again && conn->ops->on_secured != NULL)
        conn->ops->on_secured(conn, conn->ctx);
    else if (!again && conn->ops->on_open != NULL)
        conn->ops->on_open(conn, conn->ctx);
    if (conn->state == CONN_OPEN) {
        /* what arrived with the end of the handshake raises no event */
        if (conn->ssl != NULL)
            conn_later(conn);
        if (net_conn_unsent(conn) > 0)
            mark_dirty(conn);
        conn_rearm(conn);
    }
}

void conn_connected(struct net_conn *conn)
{
    if (conn->tls == NULL) {
        conn_enter(conn, CONN_OPENING);
        conn_later(conn);
        return;
    }
    if (conn_tls_begin(conn) != ERR_OK) {
        conn_fail(conn, NET_CLOSE_IO, ERR_NO_MEMORY, "no memory for TLS");
        return;
    }
    conn_enter(conn, CONN_HANDSHAKE);
    if (!SSL_is_server(conn->ssl))
        conn_later(conn);
}

void conn_fail(struct net_conn *conn, enum net_close reason, enum err err, const char *format, ...)
{
    if (conn->state >= CONN_CLOSING)
        return;
    if (conn->state == CONN_HANDSHAKE)
        metric_add(&net_metrics.handshake_failures, 1);
    if (conn->detail.code == ERR_OK) {
        conn->reason = reason;
        conn->detail.code = err;
        va_list args;
        va_start(args, format);
        (void)vsnprintf(conn->detail.text, sizeof conn->detail.text, format, args);
        va_end(args);
    }
    conn_enter(conn, CONN_CLOSING);
    conn->next_closing = conn->loop->closing;
    conn->loop->closing = conn;
}

static void bury(struct net_conn *conn)
{
    if (conn->outstanding != 0 || conn->refs != 0)
        return;
    conn->next_closing = conn->loop->dead;
    conn->loop->dead = conn;
}

static void close_one(struct net_conn *conn)
{
    conn->state = CONN_DEAD;
    release_socket(conn);
    conn->loop->told = true;
    conn->outstanding++; /* on_close may release the last one */
    if (conn->owed && conn->ops->on_close != NULL)
        conn->ops->on_close(conn, conn->ctx, conn->reason, &conn->detail);
    conn->outstanding--;
    bury(conn);
}

void conns_again(struct net_loop *loop)
{
    struct net_conn *conn = loop->again;
    loop->again = NULL;
    for (struct net_conn *next; conn != NULL; conn = next) {
        next = conn->next_again;
        conn->is_again = false;
        step(conn);
    }
}

static void unlink_again(struct net_conn *conn)
{
    for (struct net_conn **at = &conn->loop->again; *at != NULL; at = &(*at)->next_again) {
        if (*at == conn) {
            *at = conn->next_again;
            break;
        }
    }
    conn->is_again = false;
}

static void free_dead(struct net_loop *loop)
{
    while (loop->dead != NULL) {
        struct net_conn *conn = loop->dead;
        loop->dead = conn->next_closing;
        loop->told = true;
        if (conn->is_again)
            unlink_again(conn);
        bool owed = conn->owed;
        void (*on_free)(void *ctx) = conn->ops->on_free;
        void *ctx = conn->ctx;
        conn_free_now(conn);
        if (owed && on_free != NULL)
            on_free(ctx);
    }
}

void conns_end(struct net_loop *loop)
{
    /* flushing may close, and what is told of a close may write elsewhere */
    while (loop->dirty != NULL || loop->closing != NULL) {
        while (loop->dirty != NULL) {
            struct net_conn *conn = loop->dirty;
            loop->dirty = conn->next_dirty;
            conn->is_dirty = false;
            conn_flush(conn);
        }
        while (loop->closing != NULL) {
            struct net_conn *conn = loop->closing;
            loop->closing = conn->next_closing;
            close_one(conn);
        }
    }
    free_dead(loop);
}

void conns_free(struct net_loop *loop)
{
    struct net_conn *next;
    for (struct net_conn *conn = loop->all; conn != NULL; conn = conn->all.next)
        conn_fail(conn, NET_CLOSE_LOCAL, ERR_CLOSED, "shutting down");
    conns_end(loop);
    /* Whoever still holds one of these never lets go: the loop ends, so does the connection. */
    for (struct net_conn *conn = loop->all; conn != NULL; conn = next) {
        next = conn->all.next;
        conn->outstanding = conn->refs = 0;
        bury(conn);
    }
    free_dead(loop);
}

enum err net_conn_adopt(struct net_loop *loop, int fd, const struct net_conn_setup *setup,
                        struct net_conn **ret_conn)
{
    struct net_conn *conn = NULL;
    TRY(conn_new(loop, setup, &conn));
    conn->owed = true;
    (void)evutil_make_socket_nonblocking(fd);
    conn_attach(conn, fd);
    conn_connected(conn);
    *ret_conn = conn;
    return ERR_OK;
}

enum err net_conn_reserve(struct net_conn *conn, size_t len, uint8_t **ret_room)
{
    if (conn->state == CONN_HANDSHAKE)
        return ERR_STATE;
    if (conn->state != CONN_OPEN && conn->state != CONN_OPENING)
        return ERR_CLOSED;
    if (conn->upgrading)
        return ERR_STATE; /* it would leave in clear */
    struct buf *out = &conn->out;
    if (out->data == NULL)
        *out = loop_buf_take(conn->loop);
    if (conn->out_at > 0 && out->cap - out->len < len) {
        buf_consume(out, conn->out_at);
        conn->out_at = 0;
    }
    enum err err = buf_reserve(out, len > 4096 || out->cap > 0 ? len : 4096);
    if (err != ERR_OK) {
        conn_fail(conn, NET_CLOSE_IO, err, "no memory for what is to be sent");
        return err;
    }
    *ret_room = out->data + out->len;
    return ERR_OK;
}

void net_conn_commit(struct net_conn *conn, size_t used)
{
    assert(conn->out.cap - conn->out.len >= used);
    conn->out.len += used;
    if (used == 0)
        return;
    mark_dirty(conn);
    if (!conn->crowded && net_conn_unsent(conn) > conn->limits.write_buffer_max) {
        conn->crowded = true;
        conn_rearm(conn);
    }
}

enum err net_conn_write(struct net_conn *conn, struct bytes data)
{
    uint8_t *room = NULL;
    TRY(net_conn_reserve(conn, data.len, &room));
    if (data.len != 0)
        memcpy(room, data.data, data.len);
    net_conn_commit(conn, data.len);
    return ERR_OK;
}

size_t net_conn_unsent(const struct net_conn *conn)
{
    return conn->out.len - conn->out_at;
}

void net_conn_hold(struct net_conn *conn)
{
    conn->outstanding++;
    if (conn->outstanding == conn->limits.outstanding_max)
        conn_rearm(conn);
}

static void go_on(struct net_conn *conn)
{
    conn_rearm(conn);
    /* TLS or `in` may hold what raises no event */
    if (conn->state == CONN_OPEN &&
        (conn->recheck || conn->eof || (conn->ssl != NULL && SSL_has_pending(conn->ssl))))
        conn_later(conn);
}

void net_conn_release(struct net_conn *conn)
{
    assert(conn->outstanding > 0);
    conn->outstanding--;
    conn->frame_ns = net_loop_now_ns(conn->loop);
    if (conn->state == CONN_DEAD) {
        bury(conn);
        return;
    }
    if (conn->outstanding == conn->limits.outstanding_max - 1)
        go_on(conn);
    if (conn->outstanding == 0) {
        conn_rearm(conn);
        /* the peer has half closed and waited for this one */
        if (conn->eof)
            mark_dirty(conn);
    }
}

unsigned net_conn_outstanding(const struct net_conn *conn)
{
    return conn->outstanding;
}

void net_conn_pause(struct net_conn *conn)
{
    conn->paused = true;
    conn_rearm(conn);
}

void net_conn_resume(struct net_conn *conn)
{
    conn->paused = false;
    go_on(conn);
}

void net_conn_close(struct net_conn *conn)
{
    if (conn->state == CONN_OPEN || conn->state == CONN_OPENING) {
        conn_enter(conn, CONN_FLUSHING);
        mark_dirty(conn);
    } else if (conn->state < CONN_FLUSHING) {
        net_conn_abort(conn);
    }
}

void net_conn_abort(struct net_conn *conn)
{
    conn_fail(conn, NET_CLOSE_LOCAL, ERR_CLOSED, "closed");
}

bool net_conn_is_open(const struct net_conn *conn)
{
    return conn->opened && (conn->state == CONN_OPEN || conn->state == CONN_HANDSHAKE);
}

enum err net_conn_starttls(struct net_conn *conn, struct net_tls *tls, const char *tls_name)
{
    if (conn->ssl != NULL || conn->upgrading)
        return ERR_STATE;
    if (conn->state != CONN_OPEN)
        return ERR_CLOSED;
    if (tls_name != NULL) {
        char *name = strdup(tls_name);
        if (name == NULL)
            return ERR_NO_MEMORY;
        free(conn->tls_name);
        conn->tls_name = name;
    }
    conn->tls = net_tls_ref(tls);
    conn->upgrading = true;
    conn_rearm(conn);
    mark_dirty(conn);
    return ERR_OK;
}

struct net_loop *net_conn_loop(const struct net_conn *conn)
{
    return conn->loop;
}

void net_conn_set_ctx(struct net_conn *conn, void *ctx)
{
    conn->ctx = ctx;
}

const char *net_conn_peer(const struct net_conn *conn)
{
    return conn->peer;
}

bool net_conn_is_tls(const struct net_conn *conn)
{
    return conn->ssl != NULL && conn->state != CONN_HANDSHAKE;
}

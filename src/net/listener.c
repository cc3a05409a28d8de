#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn_priv.h"
#include "net/metrics.h"

#define ACCEPT_BURST 64
#define PAUSE_MS     10
#define BUCKETS      1024

/* How many connections one source address has. */
struct source {
    struct source *next;
    uint8_t address[16];
    unsigned count;
};

struct net_listener {
    _Atomic unsigned refs; /* one per connection, one for the owner */
    char name[32];
    int fd;
    struct net_loop *loop;
    struct net_loops *spread;
    struct event event;
    struct net_timer *pause;
    bool warned;
    pthread_mutex_t lock; /* guards setup.limits, per_address_max and sources */
    struct net_conn_setup setup;
    unsigned per_address_max;
    struct source *sources[BUCKETS];
    _Atomic unsigned connections_max;
    unsigned handshakes_max;
    _Atomic unsigned connections;
    _Atomic unsigned handshakes;
};

static void unref(struct net_listener *l)
{
    if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    net_tls_unref(l->setup.tls);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

void listener_handshake_over(struct net_listener *l)
{
    atomic_fetch_sub(&l->handshakes, 1);
}

static struct source **find_source(struct net_listener *l, const uint8_t address[16])
{
    uint32_t hash = 2166136261U;
    for (unsigned i = 0; i < 16; i++)
        hash = (hash ^ address[i]) * 16777619U;
    struct source **at = &l->sources[hash % BUCKETS];
    while (*at != NULL && memcmp((*at)->address, address, 16) != 0)
        at = &(*at)->next;
    return at;
}

static bool count_source(struct net_listener *l, const uint8_t address[16])
{
    (void)pthread_mutex_lock(&l->lock);
    struct source **at = find_source(l, address);
    if (*at == NULL && (*at = calloc(1, sizeof **at)) != NULL)
        memcpy((*at)->address, address, 16);
    bool taken = *at != NULL && (l->per_address_max == 0 || (*at)->count < l->per_address_max);
    if (taken)
        (*at)->count++;
    (void)pthread_mutex_unlock(&l->lock);
    return taken;
}

void listener_conn_gone(struct net_listener *l, const uint8_t address[16])
{
    (void)pthread_mutex_lock(&l->lock);
    struct source **at = find_source(l, address);
    if (*at != NULL && --(*at)->count == 0) {
        struct source *gone = *at;
        *at = gone->next;
        free(gone);
    }
    (void)pthread_mutex_unlock(&l->lock);
    atomic_fetch_sub(&l->connections, 1);
    unref(l);
}

/* IPv4 as it is, IPv6 by its /64: whoever has one address of it has them all. */
static void source_of(const struct sockaddr_storage *from, uint8_t address[16])
{
    memset(address, 0, 16);
    if (from->ss_family == AF_INET) {
        memcpy(address + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)from)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(in6);
        memcpy(address + (mapped ? 12 : 0), in6->s6_addr + (mapped ? 12 : 0), mapped ? 4 : 8);
    }
}

static void peer_text(const struct sockaddr_storage *from, char *to, size_t cap)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        (void)snprintf(to, cap, "%s:%u", text, (unsigned)ntohs(in->sin_port));
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        if (mapped)
            (void)inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, text, sizeof text);
        else
            (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
        (void)snprintf(to, cap, mapped ? "%s:%u" : "[%s]:%u", text,
                       (unsigned)ntohs(in6->sin6_port));
    } else {
        (void)snprintf(to, cap, "unix");
    }
}

/* An accepted socket on its way to its loop. */
struct handed {
    struct net_post post;
    struct net_listener *listener;
    struct net_loop *loop;
    struct sockaddr_storage from;
    uint8_t address[16];
    int fd;
};

static void adopt(void *arg)
{
    struct handed *h = arg;
    struct net_listener *l = h->listener;
    (void)pthread_mutex_lock(&l->lock);
    struct net_conn_setup setup = l->setup;
    (void)pthread_mutex_unlock(&l->lock);
    struct net_conn *conn = NULL;
    if (conn_new(h->loop, &setup, &conn) != ERR_OK) {
        (void)close(h->fd);
        if (setup.tls != NULL)
            listener_handshake_over(l);
        listener_conn_gone(l, h->address);
        free(h);
        return;
    }
    conn->listener = l;
    conn->shaking = setup.tls != NULL;
    memcpy(conn->address, h->address, sizeof conn->address);
    peer_text(&h->from, conn->peer, sizeof conn->peer);
    if (h->from.ss_family != AF_UNIX) {
        int one = 1;
        (void)setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)setsockopt(h->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    conn_attach(conn, h->fd);
    conn_connected(conn);
    free(h);
}

static void hand_over(struct net_listener *l, int fd, const struct sockaddr_storage *from,
                      const uint8_t address[16])
{
    struct handed *h = calloc(1, sizeof *h);
    if (h == NULL) {
        (void)close(fd);
        listener_conn_gone(l, address);
        return;
    }
    if (l->setup.tls != NULL)
        atomic_fetch_add(&l->handshakes, 1);
    struct net_loop *loop = l->spread != NULL ? net_loops_next(l->spread) : l->loop;
    *h = (struct handed){
        .post = {NULL, adopt, h}, .listener = l, .loop = loop, .from = *from, .fd = fd};
    memcpy(h->address, address, sizeof h->address);
    if (loop == l->loop)
        adopt(h);
    else
        net_loop_post_item(loop, &h->post);
}

static void refuse(int fd, struct metric *why)
{
    metric_add(why, 1);
    (void)close(fd);
}

static void pause_accept(struct net_listener *l)
{
    (void)event_del(&l->event);
    net_timer_set(l->pause, PAUSE_MS);
}

static void go_on(void *arg)
{
    struct net_listener *l = arg;
    (void)event_add(&l->event, NULL);
}

/* False where there is nothing to accept for now. */
static bool accept_one(struct net_listener *l)
{
    struct sockaddr_storage from = {0};
    socklen_t len = sizeof from;
    int fd = accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (!l->warned)
                log_warn("%s: can't accept connections: %s; hint: raise LimitNOFILE=", l->name,
                         strerror(errno));
            l->warned = true;
            pause_accept(l);
            return false;
        }
        return errno == EINTR || errno == ECONNABORTED;
    }
    uint8_t address[16];
    source_of(&from, address);
    if (atomic_fetch_add(&l->connections, 1) >= atomic_load(&l->connections_max)) {
        atomic_fetch_sub(&l->connections, 1);
        refuse(fd, &net_metrics.refused_limit);
        return true;
    }
    if (!count_source(l, address)) {
        atomic_fetch_sub(&l->connections, 1);
        refuse(fd, &net_metrics.refused_address);
        return true;
    }
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    metric_add(&net_metrics.accepted, 1);
    hand_over(l, fd, &from, address);
    return true;
}

static void accept_ready(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct net_listener *l = arg;
    for (unsigned i = 0; i < ACCEPT_BURST; i++) {
        /* the backlog holds them meanwhile; a connection that goes takes its own reference along,
         * never the listener's. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        if (atomic_load(&l->handshakes) >= l->handshakes_max) {
            pause_accept(l);
            return;
        }
        if (!accept_one(l))
            return;
    }
}

enum err net_listener_new(struct net_loop *loop, struct net_loops *spread,
                          const struct net_listener_config *config,
                          struct net_listener **ret_listener, struct err_detail *detail)
{
    if (config->setup.tls != NULL && !net_tls_is_server(config->setup.tls))
        return err_set(detail, ERR_ARGUMENT, "a listener needs TLS settings of a server");
    struct net_listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ERR_NO_MEMORY;
    enum err err = net_timer_new(loop, go_on, l, &l->pause);
    if (err != ERR_OK) {
        free(l);
        return err;
    }
    atomic_init(&l->refs, 1);
    (void)snprintf(l->name, sizeof l->name, "%s", config->name);
    l->fd = config->fd;
    l->loop = loop;
    l->spread = spread;
    (void)pthread_mutex_init(&l->lock, NULL);
    l->setup = config->setup;
    if (l->setup.tls != NULL)
        (void)net_tls_ref(l->setup.tls);
    l->per_address_max = config->per_address_max;
    atomic_init(&l->connections_max,
                config->connections_max != 0 ? config->connections_max : 10000);
    l->handshakes_max = config->handshakes_max != 0 ? config->handshakes_max : 512;
    (void)evutil_make_socket_nonblocking(l->fd);
    (void)evutil_make_socket_closeonexec(l->fd);
    (void)event_assign(&l->event, loop->base, l->fd, EV_READ | EV_PERSIST, accept_ready, l);
    (void)event_add(&l->event, NULL);
    *ret_listener = l;
    return ERR_OK;
}

void net_listener_free(struct net_listener *l)
{
    if (l == NULL)
        return;
    (void)event_del(&l->event);
    net_timer_free(l->pause);
    (void)close(l->fd);
    unref(l);
}

void net_listener_limit(struct net_listener *l, const struct net_conn_limits *limits,
                        unsigned connections_max, unsigned per_address_max)
{
    (void)pthread_mutex_lock(&l->lock);
    l->setup.limits = *limits;
    l->per_address_max = per_address_max;
    (void)pthread_mutex_unlock(&l->lock);
    atomic_store(&l->connections_max, connections_max != 0 ? connections_max : 10000);
}

unsigned net_listener_connections(const struct net_listener *l)
{
    return atomic_load(&l->connections);
}

uint16_t net_listener_port(const struct net_listener *l)
{
    return net_socket_port(l->fd);
}

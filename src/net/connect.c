#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/conn_priv.h"

/* Names are resolved by a blocking call on a thread that lives for one name. */
struct resolve {
    struct net_post post;
    struct net_loop *loop;
    struct net_conn *conn;
    struct addrinfo *found;
    int result;
    char port[8];
    char host[];
};

static int lookup(const char *host, const char *port, int flags, struct addrinfo **ret_found)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    return getaddrinfo(host, port, &hints, ret_found);
}

static void resolved(void *arg)
{
    struct resolve *r = arg;
    struct net_conn *conn = r->conn;
    conn->refs--;
    if (conn->state == CONN_RESOLVING && r->result == 0) {
        conn->addrs = conn->addr = r->found;
        r->found = NULL;
        conn_connect_next(conn);
    } else if (conn->state == CONN_RESOLVING) {
        conn_fail(conn, NET_CLOSE_CONNECT, ERR_NOT_FOUND, "%s: %s", r->host,
                  gai_strerror(r->result));
    } else if (conn->state == CONN_DEAD) {
        net_conn_hold(conn);
        net_conn_release(conn);
    }
    if (r->found != NULL)
        freeaddrinfo(r->found);
    free(r);
}

static void *resolve_run(void *arg)
{
    struct resolve *r = arg;
    struct net_loop *loop = r->loop;
    r->result = lookup(r->host, r->port, AI_ADDRCONFIG, &r->found);
    net_loop_post_item(loop, &r->post);
    atomic_fetch_sub(&loop->resolving, 1);
    return NULL;
}

static enum err resolve_start(struct net_conn *conn, const char *host, const char *port)
{
    struct resolve *r = calloc(1, sizeof *r + strlen(host) + 1);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->post = (struct net_post){NULL, resolved, r};
    r->loop = conn->loop;
    r->conn = conn;
    (void)snprintf(r->port, sizeof r->port, "%s", port);
    memcpy(r->host, host, strlen(host) + 1);
    sigset_t all, before;
    (void)sigfillset(&all);
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    atomic_fetch_add(&conn->loop->resolving, 1);
    pthread_t thread;
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attr, resolve_run, r);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    if (failed != 0) {
        atomic_fetch_sub(&conn->loop->resolving, 1);
        free(r);
        return ERR_NO_MEMORY;
    }
    conn->refs++;
    conn_enter(conn, CONN_RESOLVING);
    return ERR_OK;
}

static void drop_socket(struct net_conn *conn)
{
    if (conn->fd < 0)
        return;
    (void)event_del(&conn->read_event);
    (void)event_del(&conn->write_event);
    (void)close(conn->fd);
    conn->fd = -1;
    conn->reading = conn->writing = false;
}

/* Start connecting to one address; false where it fails at once. */
static bool try_connect(struct net_conn *conn, int family, const struct sockaddr *addr,
                        socklen_t len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        (void)err_errno(&conn->detail, "%s", conn->peer);
        return false;
    }
    int one = 1;
    if (family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, addr, len) != 0 && errno != EINPROGRESS) {
        (void)err_errno(&conn->detail, "%s", conn->peer);
        (void)close(fd);
        return false;
    }
    conn_attach(conn, fd);
    return true;
}

void conn_connect_next(struct net_conn *conn)
{
    uint64_t since = conn->since_ns;
    for (; conn->addr != NULL; conn->addr = conn->addr->ai_next) {
        const struct addrinfo *at = conn->addr;
        char host[INET6_ADDRSTRLEN] = "", port[8] = "";
        (void)getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
        (void)snprintf(conn->peer, sizeof conn->peer,
                       at->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
        if (try_connect(conn, at->ai_family, at->ai_addr, at->ai_addrlen)) {
            conn_enter(conn, CONN_CONNECTING);
            conn->since_ns = since; /* one time-out for all addresses */
            return;
        }
    }
    conn->reason = NET_CLOSE_CONNECT;
    conn_fail(conn, NET_CLOSE_CONNECT, ERR_IO, "no address");
}

void conn_connect_done(struct net_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error == 0) {
        conn->detail = (struct err_detail){0};
        conn_connected(conn);
        return;
    }
    errno = error;
    (void)err_errno(&conn->detail, "%s", conn->peer);
    drop_socket(conn);
    if (conn->addr != NULL)
        conn->addr = conn->addr->ai_next;
    conn_connect_next(conn);
}

static void connect_unix(struct net_conn *conn, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(conn->peer, sizeof conn->peer, "unix");
    if (strlen(path) >= sizeof addr.sun_path) {
        conn_fail(conn, NET_CLOSE_CONNECT, ERR_LIMIT, "%s: path is too long", path);
        return;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (!try_connect(conn, AF_UNIX, (const struct sockaddr *)&addr, sizeof addr)) {
        conn->reason = NET_CLOSE_CONNECT;
        conn_fail(conn, NET_CLOSE_CONNECT, ERR_IO, "can't connect");
        return;
    }
    conn_enter(conn, CONN_CONNECTING);
}

static enum err start(struct net_conn *conn, const struct net_target *target)
{
    const char *name = target->tls_name != NULL ? target->tls_name : target->host;
    conn->tls_name = strdup(name);
    if (conn->tls_name == NULL)
        return ERR_NO_MEMORY;
    conn->pinned = target->tls_pin != NULL;
    if (conn->pinned)
        memcpy(conn->pin, target->tls_pin, sizeof conn->pin);
    if (target->host[0] == '/') {
        connect_unix(conn, target->host);
        return ERR_OK;
    }
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)target->port);
    if (lookup(target->host, port, AI_NUMERICHOST, &conn->addrs) != 0)
        return resolve_start(conn, target->host, port);
    conn->addr = conn->addrs;
    conn_connect_next(conn);
    return ERR_OK;
}

enum err net_connect(struct net_loop *loop, const struct net_target *target,
                     const struct net_conn_setup *setup, struct net_conn **ret_conn)
{
    struct net_conn *conn = NULL;
    TRY(conn_new(loop, setup, &conn));
    enum err err = start(conn, target);
    if (err != ERR_OK) {
        /* nothing is owed: the caller hears of it here */
        conn_fail(conn, NET_CLOSE_CONNECT, err, "can't connect");
        return err;
    }
    conn->owed = true;
    *ret_conn = conn;
    return ERR_OK;
}

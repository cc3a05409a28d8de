#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/workers.h"
#include "kmip/op/async.h"
#include "kmip/op/streams.h"
#include "kmip/op/tickets.h"
#include "kmip/server/log.h"
#include "kmip/server/notify.h"
#include "kmip/server/process.h"
#include "kmip/server/server.h"
#include "kmip/server/session.h"
#include "net/conn.h"
#include "net/fibers.h"
#include "net/http.h"

/* Private to the server: what its files share. */

#define KMIP_HTTPS_MAX 8 /* addresses of HTTPS */

/* All that a reload replaces. Never changed, counted. */
struct kmip_setup {
    struct arena *arena; /* strings of config */
    struct kmip_config config;
    struct net_tls *tls, *https_tls;
    struct kmip_log_config log;
    struct net_conn_limits limits;
    struct net_http_route route; /* of HTTPS */
    unsigned connections, per_address, requests, https_connections, https_idle_s;
    atomic_uint references;
};
struct kmip_setup *kmip_setup_ref(struct kmip_setup *setup);
void kmip_setup_unref(struct kmip_setup *setup); /* NULL is allowed */

struct kmip_loop;
struct kmip_job;

/* A connection of TTLV. */
struct kmip_conn {
    struct kmip_conn *prev, *next;
    struct kmip_loop *loop; /* NULL once the server is gone */
    struct net_conn *conn;
    struct kmip_session *session;
};

/* Somebody waits for time to pass. */
struct kmip_nap {
    struct kmip_nap *prev, *next;
    struct fiber *fiber;
    bool over;
};

/* What lives on one network loop; touched on its thread, or while it does not run. */
struct kmip_loop {
    struct kmip_server *server;
    struct net_loop *net;
    struct kmip_setup *setup;
    struct kmip_env env;
    struct kmip_streams *streams;
    struct net_fibers *fibers;
    struct store_reader *reader;
    bool reading;            /* a snapshot is open */
    uint64_t read_resumed;   /* net_fibers_resumed when it was begun */
    struct net_watch *watch; /* of the keeper */
    unsigned watching;       /* what `watch` waits for; 0: the keeper is gone */
    struct net_timer *timer;
    struct kmip_conn *conns;
    struct net_http *https[KMIP_HTTPS_MAX];
    struct kmip_job *spare; /* job.h */
    unsigned spare_len;
    struct kmip_job *waiting, **waiting_tail; /* for a fiber */
    struct kmip_nap *naps;
    struct net_post *spawned_first, *spawned_last; /* for a fiber, before those of `waiting` */
    bool stopping;
    uint64_t log_second;
    unsigned logged;
};

struct kmip_server {
    struct net_loops *loops;
    struct kmip_loop *loop;
    unsigned loops_len;
    struct kmip_gate *gate;
    struct kmip_tickets *tickets;
    struct kmip_async *async;
    struct kmip_notify *notify;
    struct kmip_log *log;
    struct workers *workers;
    struct vault_clients *clients;
    const void *ca;
    char *token_label;
    int *ttlv_fds, *https_fds; /* listeners get duplicates */
    unsigned ttlv_len, https_len;
    struct net_http_table tables[NET_HTTP_TABLES_MAX - 1]; /* beside /kmip */
    unsigned tables_len;
    const char *headers;
    struct net_listener **listeners;
    atomic_uint connections, requests;
    atomic_uint_fast64_t numbers;
};

/* Everything of one loop but `setup`; `keeper_fd` is taken over on success. */
MUST_CHECK enum err kmip_loop_init(struct kmip_loop *loop, struct kmip_server *server,
                                   struct net_loop *net, int keeper_fd,
                                   const struct kmip_server_config *config, unsigned fibers,
                                   struct err_detail *detail);
void kmip_loop_done(struct kmip_loop *loop);
/* Takes the caller's reference. */
void kmip_loop_configure(struct kmip_loop *loop, struct kmip_setup *setup);
bool kmip_loop_may_log(struct kmip_loop *loop);
struct kmip_loop *kmip_loop_of(struct kmip_server *server, const struct net_loop *net);
/* In a fiber: let `ms` milliseconds pass; less where the server stops. */
void kmip_loop_nap(struct kmip_loop *loop, uint64_t ms);

extern const struct net_conn_ops kmip_conn_ops;
void kmip_conn_detach(struct kmip_conn *conn);
/* Close every connection of the loop that is between two requests; others once they are answered.
 */
void kmip_loop_goodbye(struct kmip_loop *loop);

/* What connections to clients that listen show and check. */
MUST_CHECK enum err kmip_notify_tls(const struct settings *settings,
                                    const struct kmip_server_paths *paths, struct net_tls **ret_tls,
                                    struct err_detail *detail);
MUST_CHECK enum err kmip_log_from_settings(const struct settings *settings,
                                           const struct kmip_server_paths *paths,
                                           struct kmip_log_config *ret_config,
                                           struct err_detail *detail);

/* HTTPS on this loop, for each of the server's sockets. */
struct net_http_route kmip_https_route(size_t body_max);
MUST_CHECK enum err kmip_https_listen(struct kmip_loop *loop, struct kmip_setup *setup,
                                      struct err_detail *detail);
void kmip_https_close(struct kmip_loop *loop);

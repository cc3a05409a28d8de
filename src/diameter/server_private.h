#pragma once

#include "diameter/clerk.h"
#include "diameter/peer.h"
#include "diameter/registry.h"
#include "diameter/server.h"
#include "net/conn.h"

/* Private to the server: what its files share. */

/* All that a reload replaces. Never changed, counted. */
struct server_setup {
    struct diameter_properties props;
    struct diameter_node *node;
    struct net_tls *tls; /* NULL: none */
    uint32_t references;
};
struct server_setup *server_setup_ref(struct server_setup *setup);
void server_setup_unref(struct server_setup *setup); /* NULL is allowed */

/* What lives on one network loop; touched on its thread, or while it does not run. */
struct server_loop {
    struct diameter_server *server;
    struct net_loop *net;
    struct server_setup *setup;
    struct keyapp *app;
    struct fleet_lookup *lookup;
    bool looking; /* fleet_lookup_begin was called in this iteration */
    struct keeper_client *keeper;
    struct net_watch *watch;
    unsigned watching; /* what `watch` waits for */
    struct net_timer *timer;
    struct server_conn *conns;
    struct clerk_check *checks; /* under way */
    uint64_t log_second;
    unsigned logged;
    struct diameter_message message; /* scratch, like `out` */
    uint8_t *out;
    size_t out_len;
};

struct server_conn {
    struct server_conn *prev, *next;
    struct server_loop *loop; /* NULL once the server is gone */
    struct net_conn *conn;
    struct diameter_peer peer;
    struct diameter_claim claim;
    struct keyapp_link link;
    atomic_bool tls;
    int64_t since;
};

struct diameter_server {
    struct fleet *fleet;
    struct net_loops *loops;
    char *properties;
    char *cert_file, *key_file, *ca_file, *crl_file;
    uint32_t state_id;
    struct diameter_registry *registry;
    struct clerk *clerk;
    struct server_loop *loop; /* one per network loop */
    unsigned loops_len;
    int *fds; /* TCP, then TLS; listeners get duplicates */
    unsigned tcp_len, fds_len;
    struct net_listener **listeners;
};

extern const struct net_conn_ops server_conn_ops;
extern const struct keyapp_ops server_keyapp_ops;

/* Everything of one loop but `setup`; `keeper_fd` is taken over on success. */
MUST_CHECK enum err server_loop_init(struct server_loop *loop, struct diameter_server *server,
                                     struct net_loop *net, int keeper_fd,
                                     struct err_detail *detail);
void server_loop_done(struct server_loop *loop);
/* Takes the caller's reference. */
MUST_CHECK enum err server_loop_configure(struct server_loop *loop, struct server_setup *setup);
/* One read transaction per iteration, begun with the first need. */
MUST_CHECK enum err server_loop_look(struct server_loop *loop);
/* To the peer `host`, or with NULL to all. */
void server_loop_goodbye(struct server_loop *loop, enum diameter_disconnect cause,
                         const char *host);
/* At most a few lines a second. */
bool server_loop_may_log(struct server_loop *loop);
uint64_t server_loop_now_ms(const struct server_loop *loop);
/* Do what the peer's machine said; `out` was filled by it. */
void server_conn_after(struct server_conn *conn, enum diameter_event event, struct bytes frame,
                       struct writer *out);
void server_conn_tick(struct server_conn *conn, uint64_t now_ms);
void server_conn_detach(struct server_conn *conn);

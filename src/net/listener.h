#pragma once

#include "net/conn.h"

/* Accepts connections on a listening socket and spreads them over loops. */
struct net_listener;

struct net_listener_config {
    const char *name; /* for the log: "diameter" */
    int fd;           /* listening socket, inherited or from below; taken over on success */
    struct net_conn_setup setup;
    unsigned connections_max; /* open at a time; above it they are refused (0: 10,000) */
    unsigned per_address_max; /* the same per source address (0: no limit) */
    unsigned handshakes_max;  /* TLS handshakes at a time; above it nothing is accepted until some
                                 are done (0: 512) */
};

/* Accepts on `loop`; connections live on the loops of `spread` in turn (NULL: on `loop`). Loop's
 * thread, or before it runs. */
MUST_CHECK enum err net_listener_new(struct net_loop *loop, struct net_loops *spread,
                                     const struct net_listener_config *config,
                                     struct net_listener **ret_listener, struct err_detail *detail);
/* Stops accepting, closes the socket; open connections live on. Loop's thread, or while it does not
 * run. NULL is allowed. */
void net_listener_free(struct net_listener *listener);
/* Other limits for what connects from now on (reload). Loop's thread. */
void net_listener_limit(struct net_listener *listener, const struct net_conn_limits *limits,
                        unsigned connections_max, unsigned per_address_max);
unsigned net_listener_connections(const struct net_listener *listener); /* any thread */
uint16_t net_listener_port(const struct net_listener *listener);        /* 0 on a Unix socket */

/* Bind and listen: SO_REUSEADDR, close-on-exec, non-blocking, TCP_NODELAY (accepted sockets inherit
 * it), backlog 4,096. `address`: numeric IPv4 or IPv6, "" or "*" for all (IPv6 with IPv4). Port 0
 * takes a free one. */
MUST_CHECK enum err net_listen_socket(const char *address, uint16_t port, int *ret_fd,
                                      struct err_detail *detail);
/* A Unix stream socket. One that nobody listens on any more is replaced; ERR_LOCKED where somebody
 * does; anything that is no socket is left alone (ERR_EXISTS). */
MUST_CHECK enum err net_listen_unix(const char *path, unsigned mode, int *ret_fd,
                                    struct err_detail *detail);
/* "0.0.0.0:3868", "[::]:3868", ":3868", "localhost:9464" or "3868" from a configuration; `host` has
 * room for 256. */
MUST_CHECK enum err net_address_parse(const char *text, uint16_t default_port, char *host,
                                      uint16_t *ret_port);
/* Port a socket is bound to; 0 where it has none. */
uint16_t net_socket_port(int fd);

#pragma once

#include "diameter/keyapp.h"
#include "diameter/properties.h"
#include "net/listener.h"

/* The Diameter service of a daemon: peers over TCP and TLS on the network loops, the key
 * application on fleet and keeper. */
struct diameter_server;

struct diameter_server_config {
    struct fleet *fleet;          /* borrowed, outlives the server */
    struct net_loops *loops;      /* borrowed; peers live on all of them, loop 0 accepts */
    const char *properties;       /* path of diameter_server.conf; copied */
    const int *keeper_fds;        /* one keeper connection per loop; taken over on success */
    int clerk_fd;                 /* one more, for authenticators and notes; taken over */
    const int *tcp_fds, *tls_fds; /* listening sockets; taken over */
    unsigned tcp_len, tls_len;
    /* Used where the property file names no TLS files; copied. May be NULL. */
    const char *cert_file, *key_file, *ca_file, *crl_file;
};

/* Reads the property file and registers with the loops; serves as soon as they run. Before the
 * loops run; where it fails the process can't go on with these loops and descriptors. ERR_CONFIG
 * names file and line. */
MUST_CHECK enum err diameter_server_new(const struct diameter_server_config *config,
                                        struct err_detail *detail,
                                        struct diameter_server **ret_server);
/* Take these properties (the text of the property file), and read peer table, certificates and
 * revocation lists again. What is wrong changes nothing; open connections live on with what they
 * agreed. Any thread, may block on files. */
MUST_CHECK enum err diameter_server_reload(struct diameter_server *server, struct bytes properties,
                                           struct err_detail *detail);
/* Stop accepting and say goodbye to every peer (DPR, cause REBOOTING); returns at once. Any thread.
 */
void diameter_server_stop(struct diameter_server *server);
/* Peers that are connected. Any thread. */
unsigned diameter_server_peers(struct diameter_server *server);

/* One peer that is connected; borrowed for the call. */
struct diameter_server_peer {
    const char *host, *realm, *address;
    bool tls;
    int64_t since; /* seconds since 1970 */
};
typedef void diameter_server_peer_fn(void *ctx, const struct diameter_server_peer *peer);
/* Any thread; `each` runs under a lock and must not call back. */
void diameter_server_each(struct diameter_server *server, diameter_server_peer_fn *each, void *ctx);
/* Say goodbye to one peer (DPR, cause DO_NOT_WANT_TO_TALK_TO_YOU) where it is connected: a gateway
 * that was removed. Any thread; returns at once. */
void diameter_server_disconnect(struct diameter_server *server, const char *host);
/* After net_loops_stop, before net_loops_free. NULL is allowed. */
void diameter_server_free(struct diameter_server *server);

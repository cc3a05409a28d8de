#pragma once

#include "base/settings.h"
#include "kmip/server/config.h"
#include "net/http.h"
#include "net/listener.h"
#include "vault/clients.h"

/* The KMIP service of a daemon: TTLV over TLS, and TTLV, JSON and XML over HTTPS. A request is a
 * fiber of its network loop (kmip/server/process.h); one at a time per connection, so answers stay
 * in order. */
struct kmip_server;

/* Where files are that the settings leave open; borrowed for the call. */
struct kmip_server_paths {
    const char *cert_file, *key_file, *ca_file, *log_dir;
};

struct kmip_server_config {
    const struct settings *settings; /* borrowed for the call */
    struct kmip_server_paths paths;
    struct store *store; /* borrowed, as all up to `loops`; they outlive the server */
    struct vault_objects *objects;
    struct vault_clients *clients;
    struct net_loops *loops;         /* connections live on all of them, loop 0 accepts TTLV */
    const int *keeper_fds;           /* one keeper connection per loop; taken over on success */
    const int *ttlv_fds, *https_fds; /* listening sockets; taken over */
    unsigned ttlv_len, https_len;
    /* what else the HTTPS sockets serve; copied, routes and contexts outlive the server */
    const struct net_http_table *tables;
    unsigned tables_len;
    const char *headers;     /* net_http_config.headers; borrowed */
    const void *ca;          /* kmip_config.ca */
    const char *token_label; /* kmip_config.token_label; NULL: no token for objects */
};

/* Registers with the loops; serves as soon as they run. Before the loops run; where it fails the
 * process can't go on with these loops and descriptors. Blocks. ERR_CONFIG names the setting. */
MUST_CHECK enum err kmip_server_new(const struct kmip_server_config *config,
                                    struct err_detail *detail, struct kmip_server **ret_server);
/* Take these settings, and read certificates, revocation lists and the OCSP response again. What is
 * wrong changes nothing; open connections live on. Any thread but the loops', may block on files.
 */
MUST_CHECK enum err kmip_server_reload(struct kmip_server *server, const struct settings *settings,
                                       const struct kmip_server_paths *paths,
                                       struct err_detail *detail);
/* Stop accepting; connections end once the request under way is answered. Returns at once. Any
 * thread. */
void kmip_server_stop(struct kmip_server *server);
/* Any thread. */
unsigned kmip_server_connections(const struct kmip_server *server);
unsigned kmip_server_requests(const struct kmip_server *server); /* under way */
/* After net_loops_stop, before net_loops_free. NULL is allowed. */
void kmip_server_free(struct kmip_server *server);

/* What the settings say, without a server: for `clavigerd check-config`. Names and lists are in
 * `arena`. ERR_CONFIG names the setting. */
MUST_CHECK enum err kmip_config_from_settings(const struct settings *settings, struct arena *arena,
                                              struct kmip_config *ret_config,
                                              struct err_detail *detail);
/* `https`: as the front that people and stations use, too, which asks for a certificate and does
 * without. */
MUST_CHECK enum err kmip_tls_from_settings(const struct settings *settings,
                                           const struct kmip_server_paths *paths, bool https,
                                           struct net_tls **ret_tls, struct err_detail *detail);

#pragma once

#include <sys/types.h>

#include "base/bytes.h"
#include "net/http_route.h"
#include "net/loop.h"
#include "net/tls.h"

/* HTTP/1.1 for the API, the pages, KMIP and the metrics: over a Unix socket, or over loopback TCP
 * where requests of web pages are refused (an Origin header, a Host that is not this machine); and
 * over TLS for other machines, where an Origin header must name the Host that was asked: pages of
 * this server are served, those of others are not. Every refusal is
 * {"error":{"code":"NOT_FOUND","text":"...","detail":"...","hint":"..."}} with the status of the
 * error's row, and the header X-Claviger-Error: NOT_FOUND. */
struct net_http;
struct net_http_request;

/* Answers now, or later from any thread: exactly one of net_http_answer, _json, _fail, _stream. */
typedef void net_http_handler(struct net_http_request *request, void *ctx);

/* Routes and the context of their handlers; one listener serves several, the first that knows the
 * path. */
struct net_http_table {
    const struct net_http_route *routes; /* borrowed */
    unsigned routes_len;
    void *ctx;
    net_http_handler *fallback; /* GET of a path that no table has; the first one. NULL: none */
};
#define NET_HTTP_TABLES_MAX 4

struct net_http_config {
    int fd;       /* listening socket (net_listen_unix, net_listen_socket); taken over on success */
    bool is_unix; /* else TCP: loopback, or with `tls` */
    bool any_host;                       /* plain TCP for other machines, whatever Host they name */
    struct net_tls *tls;                 /* NULL: plain; a reference is taken */
    const struct net_http_table *tables; /* copied */
    unsigned tables_len;                 /* at most NET_HTTP_TABLES_MAX */
    const char *headers;      /* lines for every answer, each with its CRLF; borrowed. NULL: none */
    unsigned connections_max; /* (0: 128) */
    unsigned timeout_s;       /* for the next byte either way (0: 30); a handler may take longer */
    unsigned per_address_max; /* connections of one source (0: no limit) */
    unsigned handshake_ms;    /* (0: 10,000) */
    /* For what net_http_slot was set to, when its connection is gone; after net_http_free, too. */
    void (*free_slot)(void *slot);
};

/* Loop's thread, or before it runs. */
MUST_CHECK enum err net_http_new(struct net_loop *loop, const struct net_http_config *config,
                                 struct net_http **ret_http, struct err_detail *detail);
/* Listen anew with another configuration; open connections live on under it. On failure all stays
 * as it was. Loop's thread, or while it does not run. */
MUST_CHECK enum err net_http_renew(struct net_http *http, const struct net_http_config *config,
                                   struct err_detail *detail);
/* Stops accepting; open connections are closed after the answer under way. Loop's thread. */
void net_http_goodbye(struct net_http *http);
/* Closes all connections. Requests that wait for their answer stay valid; their answers go nowhere.
 * Loop's thread, or while it does not run; the loop must live until the last one is answered. */
void net_http_free(struct net_http *http); /* NULL is allowed */

/* Request: what these give is borrowed and lives until the answer. Any one thread at a time. */
enum net_http_method net_http_method(const struct net_http_request *request);
const char *net_http_path(const struct net_http_request *request); /* decoded, without query */
/* Decoded value of "{name}" in the pattern; never NULL for a name that is in it. */
const char *net_http_param(const struct net_http_request *request, const char *name);
/* Decoded value in the query; NULL where absent, "" without "=". */
const char *net_http_query(const struct net_http_request *request, const char *name);
/* NULL where absent. */
const char *net_http_header(const struct net_http_request *request, const char *name);
struct bytes net_http_body(const struct net_http_request *request);
/* Who is at the other end of the Unix socket; false on TCP. */
bool net_http_peer(const struct net_http_request *request, uid_t *ret_uid, gid_t *ret_gid,
                   pid_t *ret_pid);
/* The n-th header as it came; false beyond the last. */
bool net_http_field(const struct net_http_request *request, unsigned n, const char **ret_name,
                    const char **ret_value);
/* What the handlers keep with the connection, NULL at first. Loop's thread. */
void **net_http_slot(struct net_http_request *request);
/* As net_conn_peer and net_conn_peer_cert. Loop's thread. */
const char *net_http_address(const struct net_http_request *request);
const struct net_peer_cert *net_http_peer_cert(struct net_http_request *request);

/* Answers: end the request, any thread; the body is copied. `type`: "application/json". */
void net_http_answer(struct net_http_request *request, int status, const char *type,
                     struct bytes body);
void net_http_answer_json(struct net_http_request *request, int status, const char *json);
/* `detail` may be NULL; its text goes to the client, so it holds nothing secret. */
void net_http_fail(struct net_http_request *request, enum err err, const struct err_detail *detail);

/* A body in pieces: `read` gives up to `cap` (64 KiB) bytes, 0 at the end; an error cuts the
 * connection, so that the client sees it. Called on the loop's thread whenever the client has taken
 * the piece before. `done` is called once at the end, whether or not all was sent. */
struct net_http_source {
    enum err (*read)(void *ctx, uint8_t *to, size_t cap, size_t *ret_len);
    void (*done)(void *ctx);
    void *ctx;
    /* NULL, or whether `read` has something to give (or the end) now. Where it has not, it is asked
     * again after net_http_wake. */
    bool (*ready)(void *ctx);
};
void net_http_stream(struct net_http_request *request, int status, const char *type,
                     const struct net_http_source *source);
/* A stream that was not ready may be. Any thread, from net_http_stream to its `done`: whoever may
 * call it takes care, with a lock of his own, that it does not come after. */
void net_http_wake(struct net_http_request *request);
/* A response header for the answer to come, before it; at most 8, copied.
 * Cache-Control takes the place of `no-store`. */
MUST_CHECK enum err net_http_set_header(struct net_http_request *request, const char *name,
                                        const char *value);

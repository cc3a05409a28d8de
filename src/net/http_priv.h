#pragma once

/* Inside of the HTTP server; for http.c and http_answer.c only. */

#include <stdatomic.h>
#include <sys/socket.h>

#include "net/conn_priv.h"
#include "net/http.h"
#include "net/http_head.h"
#include "net/listener.h"

struct net_http {
    struct net_loop *loop;
    struct net_listener *listener;
    struct net_http_config config;
    struct http_conn *conns;
    struct net_http_table tables[NET_HTTP_TABLES_MAX];
    unsigned tables_len;
    bool orphan; /* net_http_free was called; the last connection frees it */
};

struct http_conn {
    struct net_http *http;
    struct net_conn *conn;
    struct net_http_request *request; /* the one being worked on, in order of arrival */
    struct http_conn *next, *prev;
    bool closed;
    void *slot; /* the handlers' */
};

struct net_http_request {
    struct http_conn *hc; /* held, so it lives as long as the request */
    struct net_loop *loop;
    char *text; /* copy of the head; all views point into it, each with a NUL behind */
    size_t text_len;
    struct net_http_head head;
    struct net_http_target target;
    const struct net_http_table *table; /* the route is of this one */
    uint8_t *body;
    size_t body_len;
    bool has_peer;
    struct ucred peer;
    bool close;
    /* the answer */
    struct net_post post;
    struct buf headers;
    unsigned headers_len;
    struct buf out;
    struct net_http_source source;
    bool streaming, chunked;
    bool waiting; /* of a stream: for the client to take what was sent */
    bool asleep;  /* of a stream: for net_http_wake */
    bool cached;  /* the handlers have said how long the answer may be kept */
    struct net_post wake;
    _Atomic bool waking; /* `wake` is on its way */
    bool over;           /* finished while it was: the wake frees it */
};

/* The exchange is over, whether or not all was sent. */
void http_finish(struct net_http_request *request);
/* All that was written has left. */
void http_drained(struct net_http_request *request);

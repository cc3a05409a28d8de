#pragma once

#include "base/bytes.h"

/* Finding the handler of a request target: pure, for any thread, any input. */

enum net_http_method {
    NET_HTTP_GET = 1,
    NET_HTTP_POST = 2,
    NET_HTTP_PUT = 4,
    NET_HTTP_DELETE = 8,
    NET_HTTP_PATCH = 16,
};
#define NET_HTTP_METHODS 5

struct net_http_request;

struct net_http_route {
    enum net_http_method method;
    const char *pattern; /* "/v1/networks/{name}": each {} takes one whole segment, not empty */
    void (*handler)(struct net_http_request *request, void *ctx);
    size_t body_max; /* bytes of body; 0: none is taken. At most NET_HTTP_BODY_MAX */
};

#define NET_HTTP_BODY_MAX   ((size_t)2 * 1024 * 1024)
#define NET_HTTP_HEADER_MAX ((size_t)16 * 1024)
#define NET_HTTP_TARGET_MAX 4096
#define NET_HTTP_PARAMS_MAX 8
#define NET_HTTP_QUERY_MAX  32

struct net_http_pair {
    const char *name;
    const char *value;
};

/* A target taken apart. Strings point into `text` (names of path parameters are in `names`), are
 * percent-decoded, valid UTF-8 without control characters. */
struct net_http_target {
    const struct net_http_route *route; /* NULL until matched */
    unsigned allowed;                   /* methods the path is known for */
    const char *path;
    struct net_http_pair params[NET_HTTP_PARAMS_MAX];
    struct net_http_pair query[NET_HTTP_QUERY_MAX];
    unsigned params_len;
    unsigned query_len;
    size_t used;
    char text[3 * NET_HTTP_TARGET_MAX + 256];
};

/* `method` is one of the enum. ERR_NOT_FOUND: no such path; ERR_METHOD: known, `allowed` says with
 * what; ERR_SYNTAX: not a path, bad escapes, or a name twice in the query; ERR_LIMIT. `target` is
 * not meaningful after any other error. A literal segment wins over a parameter only by standing
 * first in the table. */
MUST_CHECK enum err net_http_match(const struct net_http_route *routes, unsigned routes_len,
                                   enum net_http_method method, struct bytes target,
                                   struct net_http_target *ret_target);
const char *net_http_method_name(enum net_http_method method);
/* A Host header that names this machine: localhost, 127.0.0.0/8, [::1], with or without port. */
bool net_http_host_is_local(const char *host);
/* Append `text` as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
struct buf;
MUST_CHECK enum err net_json_string(struct buf *to, const char *text);

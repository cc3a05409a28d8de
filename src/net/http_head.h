#pragma once

#include "net/http_route.h"

/* The head of an HTTP/1.1 request taken apart, strictly (RFC 9112): one space in the request line,
 * CRLF, no folded lines, no control characters, one Host. Pure, any input. */

#define NET_HTTP_FIELDS_MAX 64

struct net_http_field {
    struct bytes name;
    struct bytes value;
};

/* Views into what was parsed. */
struct net_http_head {
    enum net_http_method method; /* 0: a token we don't know */
    struct bytes target;
    unsigned minor; /* of HTTP/1.x: 0 or 1 */
    struct net_http_field fields[NET_HTTP_FIELDS_MAX];
    unsigned fields_len;
    uint64_t content_length;
    bool close; /* the connection ends with this exchange */
};

/* Length of the head with its empty line; 0 where it is not complete. */
size_t net_http_head_len(struct bytes data);
/* `head` is exactly that long. ERR_SYNTAX; ERR_HEADERS: too many; ERR_UNSUPPORTED: a transfer
 * coding (bodies come with Content-Length) or a version that is not 1.x. */
MUST_CHECK enum err net_http_head_parse(struct bytes head, struct net_http_head *ret_head);

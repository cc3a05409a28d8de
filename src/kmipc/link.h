#pragma once

#include "base/buf.h"
#include "kmip/codec/codec.h"
#include "net/tls.h"

/* One message out, one message in: TTLV over TLS, or a POST over HTTPS (KMIP Additional Message
 * Encodings, HTTPS profile). Connects when it has to. One thread. */
struct kmipc_link;

struct kmipc_link_config {
    const char *host;
    uint16_t port;
    const char *server_name; /* NULL: host */
    const char *http_path;   /* NULL: TTLV over TLS */
    struct net_tls *tls;     /* taken over on success; NULL: without TLS, for tests */
    unsigned timeout_ms;
};
MUST_CHECK enum err kmipc_link_new(const struct kmipc_link_config *config,
                                   struct kmipc_link **ret_link, struct err_detail *detail);
void kmipc_link_free(struct kmipc_link *link); /* NULL is allowed */
bool kmipc_link_is_http(const struct kmipc_link *link);

/* Over TLS only KMIP_TTLV. The answer replaces what `response` has. ERR_UNREACHABLE, ERR_TIMEOUT,
 * ERR_CLOSED, ERR_TLS, ERR_PEER where it is no message; `hint` says what to look at. After a
 * failure the next exchange connects anew. */
MUST_CHECK enum err kmipc_link_exchange(struct kmipc_link *link, enum kmip_format format,
                                        struct bytes request, struct buf *response,
                                        struct err_detail *detail, char hint[256]);

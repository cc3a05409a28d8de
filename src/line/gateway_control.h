#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* What a gateway knows of nodes that join it: the control part of docs/join-protocol.md, on the
 * gateway's port (4021). Blocking; one call, one connection. */

#define LINE_GATEWAY_PORT 4021

enum line_gateway_join { LINE_GATEWAY_UNKNOWN, LINE_GATEWAY_JOINED, LINE_GATEWAY_REFUSED };

struct line_gateway_status {
    enum line_gateway_join join; /* of the newest attempt since the status was cleared */
    uint32_t joins;              /* since then */
    uint32_t seconds;            /* since that attempt */
};

struct line_gateway {
    const char *host;
    uint16_t port;       /* 0: LINE_GATEWAY_PORT */
    unsigned timeout_ms; /* 0: 5,000 */
    bool one_x;          /* node ids of 32 bits, as systems of version 1.x have them */
};

/* ERR_UNREACHABLE: nobody listens; ERR_TIMEOUT, ERR_CLOSED, ERR_PEER: what came is no answer;
 * ERR_ARGUMENT: an id that `one_x` can't say. */
MUST_CHECK enum err line_gateway_status(const struct line_gateway *gateway, uint64_t node,
                                        struct line_gateway_status *ret_status,
                                        struct err_detail *detail);
/* Forget what was of this node. */
MUST_CHECK enum err line_gateway_clear(const struct line_gateway *gateway, uint64_t node,
                                       struct err_detail *detail);

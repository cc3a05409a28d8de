#pragma once

#include "programs/claviger-sim/protocol.h"

/* A node's side of joining, over a connection that is kept for the next one. Blocking. */
struct join_client {
    char host[256];
    uint16_t port;
    int fd; /* -1: not connected */
};

/* ERR_CLOSED, ERR_TIMEOUT, ERR_SYNTAX: no conversation; the connection is closed then. */
MUST_CHECK enum err join_client_run(struct join_client *client, uint64_t node,
                                    const uint8_t key[JOIN_KEY], enum join_outcome *ret_outcome,
                                    struct err_detail *detail);

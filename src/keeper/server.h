#pragma once

#include "keeper/audit.h"
#include "keeper/policy.h"
#include "keeper/token_ops.h"

/* The keeper at work: connections to the engine's threads, all there from the start. It runs in the
 * keeper process, or as a thread over socket pairs. */
struct keeper_server;

struct keeper_server_config {
    const int *fds; /* SOCK_SEQPACKET, one per engine thread; taken */
    size_t fd_count;
    int control; /* link to the supervisor (keeper/control.h), borrowed; -1: none */
    struct keeper_token token;
    struct keeper_policy policy;
    struct audit *audit; /* borrowed; used by the running thread only */
    bool buffered;       /* audit.reads = buffered: releases may be 100 ms ahead of the disk */
    unsigned workers;    /* threads for token and Argon2id; 0: 2 */
};

/* Starts the worker threads, so call it before the sandbox closes. Takes the descriptors on
 * failure, too. */
MUST_CHECK enum err keeper_server_new(const struct keeper_server_config *config,
                                      struct keeper_server **ret_server, struct err_detail *detail);
/* Serve until stopped (ERR_OK: by keeper_server_stop or the supervisor), until the engine or the
 * supervisor is gone (ERR_CLOSED), or until the audit chain can't be written any more. In any case
 * what was answered is on the disk. */
MUST_CHECK enum err keeper_server_run(struct keeper_server *server, struct err_detail *detail);
/* Any thread, or a signal handler. */
void keeper_server_stop(struct keeper_server *server);
void keeper_server_free(struct keeper_server *server);

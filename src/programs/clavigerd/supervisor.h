#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Runs keeper and engine as two children of this process and keeps them running: where one dies the
 * other is killed and both are started anew. Makes the audit segments for the keeper. Speaks
 * sd_notify(3). The calling process must have one thread only and no other children. */

/* Exit status of a child that can't be helped by starting it again (a refused PIN, a damaged audit
 * chain): the supervisor gives up at once. EX_CONFIG of sysexits.h. */
#define SUPERVISED_FATAL 78

/* What a child is given; every other descriptor but 0 to 2 is closed before its main is called. */
struct supervised {
    int control;      /* keeper/control.h */
    const int *links; /* SOCK_SEQPACKET, non-blocking; link i of one is connected with link i of the
                         other */
    unsigned link_count;
    const int *listeners; /* the engine's; none for the keeper */
    unsigned listener_count;
};

/* A child's whole life; returns its exit status. Called after the fork, with the privileges of
 * `user`, SIGINT, SIGTERM and SIGHUP ignored (CONTROL_STOP and CONTROL_RELOAD come in their
 * place), SIGPIPE ignored, and SIGKILL to come when the supervisor dies. Must send CONTROL_READY,
 * and CONTROL_ALIVE at least every 10 s then. */
typedef int supervised_main(const struct supervised *given, void *ctx);

struct supervisor_config {
    supervised_main *keeper_main;
    supervised_main *engine_main;
    void *ctx; /* for all callbacks */
    unsigned links;
    const int *listeners; /* stay open here, so that a restart refuses no connection */
    unsigned listener_count;
    const char *audit_dir; /* made where it is missing */
    uint64_t segment_size;
    const char *const *files; /* that the engine reads anew on a reload; at most 8 */
    unsigned file_count;
    const char *user;  /* for the children; "" or NULL: as this process */
    const char *group; /* "" or NULL: the user's own */
    /* On SIGHUP, before the children are told; an error is logged and they are not. May be NULL. */
    enum err (*reload)(void *ctx, struct err_detail *detail);
    /* 0 takes what stands here. */
    unsigned start_timeout_ms; /* until both are ready: 120,000 */
    unsigned stop_timeout_ms;  /* for each: 30,000; then SIGKILL */
    unsigned alive_timeout_ms; /* without CONTROL_ALIVE: 60,000 */
    unsigned backoff_ms;       /* before the first restart, doubled with each quick one: 250 */
    unsigned quick_ms;         /* both ready for less than this is a quick failure: 30,000 */
    unsigned quick_max;        /* quick failures in a row before it gives up: 5 */
};

/* Until SIGTERM or SIGINT: ERR_OK after an orderly stop (engine first, then keeper). ERR_STATE
 * where it gave up; ERR_LOCKED where another daemon has the audit folder; ERR_AUDIT where segments
 * are missing; ERR_CONFIG for an unknown user. */
MUST_CHECK enum err supervisor_run(const struct supervisor_config *config,
                                   struct err_detail *detail);

#pragma once

#include <stdatomic.h>

#include "base/log.h"
#include "line/gateway.h"
#include "line/node.h"
#include "line/server.h"

/* One device from the port to the server's record: what is done to it, in which order, and what is
 * left after a cut at any point (docs/provisioning-client.md). Blocking. Any number of threads,
 * each with a port and a struct line_server of its own. */

struct line_hooks {
    void *ctx;
    /* A stage has begun, or is at `done` of `total` (0: not known). `stage` is static text. */
    void (*progress)(void *ctx, const char *stage, uint32_t done, uint32_t total);
    /* A line for the log; never a secret. */
    void (*log)(void *ctx, enum log_level level, const char *text);
    /* The device said who it is. */
    void (*device)(void *ctx, uint64_t node_id);
};

/* All borrowed. */
struct line_job {
    struct line_server *server;
    const char *port;
    uint32_t baud;       /* 0: 115,200 */
    const char *wrapper; /* NULL: none */
    unsigned answer_ms;  /* that the device has for an answer; 0: as line/node.h */
    enum line_operation operation;
    struct line_choice choice;
    uint32_t batch;
    bool factory_config, skip_keys, skip_lock;
    const char *partial_host_id;           /* hexadecimal; NULL: any */
    const struct line_ota *ota;            /* PRETEST, POSTTEST */
    unsigned join_timeout_s, join_poll_ms; /* 0: 600 s; 0: 1,000 ms */
    const char *operator;                  /* or NULL */
    struct line_hooks hooks;
    const atomic_bool *cancel; /* ends a wait for a device to join; or NULL */
};

struct line_outcome {
    enum line_code code;
    char text[256]; /* what and where; "" where there is no more to say */
    char run[LINE_RUN_MAX];
    uint64_t node_id;   /* 0: not known */
    bool locked, keyed; /* at the end of this run; a fresh root key in this run */
    double seconds;
};

/* Always fills `ret_outcome`; its code is returned too. */
enum line_code line_procedure_run(const struct line_job *job, struct line_outcome *ret_outcome);
/* Is there a device that answers? For whoever waits for the next one; quiet and quick. */
bool line_device_is_there(const struct line_job *job);
/* A new id of a run: a random UUID (RFC 9562, 5.4). */
MUST_CHECK enum err line_run_id(char to[LINE_RUN_MAX], struct line_fault *fault);

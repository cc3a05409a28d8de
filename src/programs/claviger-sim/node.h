#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "line/wrapper/wrapper.h"
#include "programs/claviger-sim/image.h"
#include "programs/claviger-sim/node_line.h"
#include "programs/claviger-sim/node_radio.h"

/* One simulated device: its flash, its line, its wrapper, its faults. Runs on a thread of its own.
 */

/* Of a device that does not do as it should; `--fault NAME`. */
enum sim_fault {
    SIM_BAD_HARDWARE = 1, /* the self test fails */
    SIM_BAD_CALIBRATION = 2,
    SIM_FAILING_HOST = 4,     /* the hosts say that their hardware fails */
    SIM_SILENT_HOST = 8,      /* the hosts don't answer the node */
    SIM_HOST_ERROR = 16,      /* the hosts answer with an error */
    SIM_NO_METER = 32,        /* the hosts can't talk to what they serve */
    SIM_BAD_HOST_CONFIG = 64, /* the hosts have another configuration than was written */
    SIM_BAD_CONFIG = 128,     /* the node has another configuration than was written */
    SIM_BAD_KEY = 256,        /* keys come out wrong */
    SIM_NODE_ERROR = 512,     /* the node answers with an error */
    SIM_GARBAGE = 2048,       /* what the node says is no message */
    SIM_OLD_PROTOCOL = 1024,  /* no protocol version in common */
};
/* 0: no such fault. */
unsigned sim_fault_of(const char *name);
/* What the faults make of an answer that leaves; in place. */
void sim_fault_apply(unsigned faults, uint8_t *message, size_t len);

struct sim_node {
    struct image image; /* first: its callbacks' context is the node too */
    unsigned faults;
    uint64_t silent_after; /* answers, 0: never silent */
    uint64_t answers;
    struct sim_line *line;
    const struct claviger_line_wrapper *wrapper;
    uint32_t baud; /* of the line, for the wrapper's patience; 0: none */
    struct claviger_line_io io;
    void *state;
    struct radio *radio; /* NULL: none */
    struct radio_node radio_node;
    struct buf outbox; /* messages that the wrapper had no room for: length (u16), bytes */
    uint64_t started_ms, heard_ms;
    bool restart;
    atomic_bool *stop;
    bool json;
};

/* The thread's function; `arg` is a struct sim_node that was opened. */
void *sim_node_run(void *arg);
/* With profile, faults, wrapper and line set: flash, and the first start. */
MUST_CHECK enum err sim_node_open(struct sim_node *node, const char *directory,
                                  struct err_detail *detail);
void sim_node_close(struct sim_node *node);
/* A line of what happened, on standard output; any thread. */
void sim_node_say(bool json, uint64_t node_id, const char *event, const char *text);

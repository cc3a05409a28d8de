#pragma once

#include "base/secret.h"
#include "line/fault.h"
#include "line/node_protocol.h"

/* A node on its port, from the station's side: docs/node-protocol.md. Every call waits for its
 * answer, sends again where none comes (a device does a request once, however often it arrives),
 * and fails with `fault` filled: LINE_NO_DEVICE where nothing answers, LINE_NO_HOST and
 * LINE_HOST_ERROR for hosts (targets 1 to 4), LINE_NODE_MESSAGE where what comes is no answer,
 * LINE_NODE_ERROR for an error that the caller did not ask for, and what the calls name. One thread
 * at a time. */
struct line_node;

typedef void line_node_progress_fn(void *ctx, uint32_t done, uint32_t total);
typedef void line_node_bytes_fn(void *ctx, struct bytes data);

struct line_node_config {
    const char *port;                   /* line/port.h */
    uint32_t baud;                      /* 0: 115,200 */
    const char *wrapper;                /* line_wrapper_choose; NULL: none */
    unsigned timeout_ms;                /* for one answer, beside the time of its bytes; 0: 1,000 */
    unsigned tries;                     /* 0: 5 */
    line_node_progress_fn *on_progress; /* of transfers; NULL */
    line_node_bytes_fn *on_host_bytes;  /* what was for the host's own software; NULL */
    void *ctx;
};

/* Nothing is sent yet. LINE_NO_DEVICE: no such port, or it is in use; LINE_ARGUMENTS: the wrapper.
 */
MUST_CHECK enum err line_node_open(const struct line_node_config *config,
                                   struct line_node **ret_node, struct line_fault *fault);
void line_node_close(struct line_node *node); /* NULL is allowed */
void line_node_closep(struct line_node **node);

#define LINE_NODE_TEXT (NODE_TEXT_MAX + 1)

struct line_identity {
    uint64_t node_id;
    char type[LINE_NODE_TEXT], version[LINE_NODE_TEXT], hardware[LINE_NODE_TEXT];
    uint32_t flags; /* enum node_flag */
    unsigned hosts; /* targets 1 to hosts */
    unsigned protocol, message_max, window;
};
/* First of all: agrees on version and sizes. LINE_NODE_VERSION: no protocol version in common. */
MUST_CHECK enum err line_node_identify(struct line_node *node, struct line_identity *ret_identity,
                                       struct line_fault *fault);

struct line_hardware {
    char type[LINE_NODE_TEXT];
    uint16_t revision;
    uint8_t self_test; /* 0: good */
};
MUST_CHECK enum err line_node_hardware(struct line_node *node, struct line_hardware *ret_hardware,
                                       struct line_fault *fault);
MUST_CHECK enum err line_node_calibration(struct line_node *node,
                                          enum node_calibration *ret_calibration,
                                          uint16_t *ret_revision, struct line_fault *fault);

/* What is on the node (target 0) or one of its hosts. */
struct line_target {
    char name[LINE_NODE_TEXT], version[LINE_NODE_TEXT]; /* of the running firmware */
    char label[LINE_NODE_TEXT];                         /* of the configuration */
    bool has_firmware_hash, has_config; /* firmware that was not transferred has no hash */
    uint8_t firmware_hash[32], config_hash[32];
    uint8_t identifier[16]; /* of a host */
    size_t identifier_len;
    bool link_down; /* of a host: it can't talk to what it serves, as a meter */
};
/* LINE_NO_HOST: it does not answer the node; LINE_HOST_HARDWARE: it says that its hardware fails.
 */
MUST_CHECK enum err line_node_target(struct line_node *node, unsigned target,
                                     struct line_target *ret_target, struct line_fault *fault);

struct line_transfer_spec {
    unsigned target;
    enum node_kind kind;
    const char *text; /* firmware: its version; configuration: its label; NODE_TEXT_MAX at most */
    const char *type; /* firmware: the type of device it is for; NULL: not checked */
    struct bytes data;
};
/* Begin, blocks, end: checked against the data's hash by the device, which takes all or nothing.
 * One that was cut off is gone on with where the device still has it. New firmware of the node runs
 * after line_node_reset. LINE_NODE_FIRMWARE_FILE, LINE_HOST_FIRMWARE_FILE, LINE_NODE_CONFIG_FILE,
 * LINE_HOST_CONFIG_FILE: the device won't have it (size, type); LINE_NODE_ERROR: locked. */
MUST_CHECK enum err line_node_transfer(struct line_node *node,
                                       const struct line_transfer_spec *spec,
                                       struct line_fault *fault);

/* Write a key as pending; `target` is 0 but for NODE_HOST_KEY. 16 bytes, a gateway key 24. The
 * check value that the device gives is compared with the key's: LINE_NODE_VERIFY, LINE_HOST_VERIFY.
 */
MUST_CHECK enum err line_node_key_write(struct line_node *node, enum node_key kind, unsigned target,
                                        const struct secret *key, struct line_fault *fault);
/* All pending keys become active, at once or not at all. `root` is the check value of the pending
 * root key: LINE_NODE_VERIFY where that of the device is another. It may be repeated: a device
 * whose active root key is that one and that has nothing pending says that it is done. */
MUST_CHECK enum err line_node_key_activate(struct line_node *node, const uint8_t root[NODE_CHECK],
                                           struct line_fault *fault);
struct line_key_state {
    bool has_active, has_pending;
    uint8_t active[NODE_CHECK], pending[NODE_CHECK];
};
/* Check values; keys are never read. */
MUST_CHECK enum err line_node_key_check(struct line_node *node, enum node_key kind, unsigned target,
                                        struct line_key_state *ret_state, struct line_fault *fault);

struct line_node_status {
    uint32_t uptime; /* seconds since its start */
    uint32_t starts; /* since it was cleared */
    uint32_t flags;
    enum node_join join; /* what the node knows of its joining a network */
};
MUST_CHECK enum err line_node_status(struct line_node *node, struct line_node_status *ret_status,
                                     struct line_fault *fault);
/* Join state and counters begin anew. */
MUST_CHECK enum err line_node_status_clear(struct line_node *node, struct line_fault *fault);

/* No keys, firmware or configuration can be written any more. Locked already: ERR_OK. */
MUST_CHECK enum err line_node_lock(struct line_node *node, struct line_fault *fault);
/* With its root key. LINE_NODE_ERROR: not that key. */
MUST_CHECK enum err line_node_unlock(struct line_node *node, const struct secret *root,
                                     struct line_fault *fault);
/* Start it anew and wait until it answers to identify again, `wait_ms` at most. */
MUST_CHECK enum err line_node_reset(struct line_node *node, unsigned wait_ms,
                                    struct line_identity *ret_identity, struct line_fault *fault);

struct line_node_counters {
    uint64_t sent, received;            /* bytes on the port */
    uint32_t requests, repeated, noise; /* noise: bytes that belonged to no message */
};
void line_node_counters(const struct line_node *node, struct line_node_counters *ret_counters);

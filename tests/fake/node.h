#pragma once

#include "line/node.h"

/* line/node.h with a device that is a few variables: whatever links this has no other. Every call
 * counts; one can be told to fail, and the cable can be pulled. Keys written are kept, so that a
 * test can say which the device has. */

#define FAKE_HOSTS 2

struct fake_target {
    char name[LINE_NODE_TEXT], version[LINE_NODE_TEXT], label[LINE_NODE_TEXT];
    bool has_firmware_hash, has_config;
    uint8_t firmware_hash[32], config_hash[32], identifier[16];
    size_t identifier_len;
    bool link_down;
    enum line_code fails; /* line_node_target gives this */
};

struct fake_key {
    uint8_t active[24], pending[24];
    size_t active_len, pending_len; /* 0: none */
};

struct fake_node {
    uint64_t id;
    char type[LINE_NODE_TEXT], hardware[LINE_NODE_TEXT];
    uint8_t self_test;
    enum node_calibration calibration;
    struct fake_target targets[1 + FAKE_HOSTS];
    unsigned hosts;
    char new_version[LINE_NODE_TEXT]; /* runs after a reset */
    uint8_t new_hash[32];
    bool new_image, locked, stale;   /* stale: a reset starts the old firmware again */
    struct fake_key keys[NODE_KEYS]; /* of hosts: one for all */
    unsigned cleared, starts, transfers;

    unsigned calls;
    unsigned pull_at;      /* this call and all after it find no device; 0: never */
    bool pulled_after;     /* ... and this one is still done, only its answer is lost */
    const char *fail_call; /* the name of a call that fails ... */
    enum line_code fail_code;
    bool absent; /* no port at all */
};
extern struct fake_node fake_node;
/* A UNODE of hardware 7 with version 1.0 and a host "meter", nothing provisioned. */
void fake_node_reset(void);

#pragma once

#include <pthread.h>

#include "fake/token.h"
#include "keeper/audit_verify.h"
#include "keeper/client.h"
#include "keeper/server.h"
#include "support/test.h"

/* A keeper as a thread, with a chain in a temporary folder, a token in software and some engine
 * threads' connections; one domain (7) is loaded. */

#define RIG_CONNS  5
#define RIG_DOMAIN 7
#define RIG_NAME   "network/7"
#define RIG_ACTOR  "cli:test"

struct rig {
    char *dir;
    struct audit *audit;
    struct fake_token token;
    struct keeper_server *server;
    pthread_t thread;
    enum err ended;
    bool joined; /* the thread was waited for */
    int keeper_control;
    int control;                              /* the supervisor's end; -1: none */
    int fds[RIG_CONNS];                       /* raw ends, -1 once a client has them */
    struct keeper_client *clients[RIG_CONNS]; /* NULL until rig_client */
};

struct rig_options {
    struct keeper_policy policy;
    bool buffered;
    bool supervised;                  /* with a control link, whose other end is rig.control */
    uint64_t segment_size;            /* 0: 16 MiB */
    const struct keeper_token *token; /* NULL: the one in software */
};

/* Everything allowed without limit. */
struct keeper_policy rig_open_policy(void);
void rig_begin(struct rig *rig, const struct rig_options *options); /* NULL: the open policy */
struct keeper_client *rig_client(struct rig *rig, unsigned number);
/* Stop the keeper, verify the chain, free all. Gives the result of keeper_server_run. */
enum err rig_end(struct rig *rig);
/* Stop it and give what the chain holds, by kind. rig_end afterwards. */
void rig_chain(struct rig *rig, struct audit_verify_result *ret_result);
/* Records of a kind with a result, and the last one's event. After rig_chain. */
unsigned rig_records(const struct rig *rig, enum audit_kind kind, enum err result,
                     struct audit_event *ret_last);

/* A sealed key of the domain, with its row. */
struct rig_key {
    struct keeper_row row;
    struct keeper_made made;
};
struct rig_key rig_generate(struct rig *rig, uint8_t table, uint64_t row);
/* Release one key over client 0 and wait for it. */
enum err rig_release(struct rig *rig, const struct keeper_row *row, struct bytes sealed,
                     uint8_t key[KEEPER_KEY_MAX], size_t *ret_len);

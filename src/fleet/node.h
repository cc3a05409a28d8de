#pragma once

#include "fleet/name.h"
#include "fleet/network.h"

/* Nodes of a network: root key (always sealed), batch, reprovision count, state, older versions. */

enum fleet_node_state {
    FLEET_NODE_ACTIVE = 1,
    FLEET_NODE_REVOKED = 2,   /* not given out; can be reinstated */
    FLEET_NODE_DESTROYED = 3, /* the key is wiped, the id stays taken */
};
const char *fleet_node_state_name(enum fleet_node_state state);
MUST_CHECK enum err fleet_node_state_parse(const char *name, enum fleet_node_state *ret_state);

struct fleet_node {
    uint64_t id;
    enum fleet_node_state state;
    uint32_t batch;
    uint32_t reprovisioned;
    uint32_t epoch;         /* serial of the operation that wrote this version */
    uint8_t fingerprint[8]; /* keyed: says whether two keys are the same, nothing else */
};

struct fleet_node_generate {
    const char *network;
    struct fleet_range range;
    uint32_t batch;
    bool random;      /* draw the keys instead of deriving them from the network's base */
    bool reprovision; /* ids that exist get a new key, their old one goes to history */
};
struct fleet_node_generated {
    uint64_t created;
    uint64_t reprovisioned;
    uint32_t epoch;
};
/* All or nothing. ERR_EXISTS names the first id that is there (without `reprovision`); ERR_STATE
 * one that is revoked or destroyed. Derived keys of a reprovisioned node take its new count. */
MUST_CHECK enum err fleet_node_generate(const struct fleet_call *call,
                                        const struct fleet_node_generate *request,
                                        struct err_detail *detail,
                                        struct fleet_node_generated *ret_result);

struct fleet_node_filter {
    const char *network;
    bool by_batch;
    uint32_t batch;
    enum fleet_node_state state; /* 0: any */
    uint64_t first;              /* ids from here on: the next page starts after the last id */
    uint64_t max;                /* 0: no limit */
};
typedef enum err fleet_node_fn(void *ctx, const struct fleet_node *node, unsigned id_bits,
                               struct err_detail *detail);
/* In order of ids, from one snapshot. */
MUST_CHECK enum err fleet_node_list(const struct fleet_call *call,
                                    const struct fleet_node_filter *filter, fleet_node_fn *each,
                                    void *ctx, struct err_detail *detail);

#define FLEET_HISTORY_MAX 64
struct fleet_node_version {
    uint32_t reprovisioned;
    uint32_t batch;
    uint32_t epoch;
    int64_t replaced; /* seconds since 1970 */
};
struct fleet_node_info {
    struct fleet_node node;
    unsigned id_bits;
    int64_t written; /* when its version came, by which operation and whom */
    char operation[32];
    char actor[VAULT_ACTOR_MAX + 1];
    uint32_t versions; /* older ones, newest first; at most FLEET_HISTORY_MAX are told */
    struct fleet_node_version history[FLEET_HISTORY_MAX];
};
MUST_CHECK enum err fleet_node_show(const struct fleet_call *call, const char *network, uint64_t id,
                                    struct err_detail *detail, struct fleet_node_info *ret_info);

enum fleet_node_change { FLEET_NODE_REVOKE, FLEET_NODE_REINSTATE, FLEET_NODE_DESTROY };
/* All nodes of the range, or none: every id must exist and allow the step (ERR_NOT_FOUND, ERR_STATE
 * name the first that does not). A node that is already in the wanted state is left alone. Destroy
 * wipes the sealed keys of all versions. */
MUST_CHECK enum err fleet_node_change(const struct fleet_call *call, const char *network,
                                      struct fleet_range range, enum fleet_node_change change,
                                      struct err_detail *detail, uint64_t *ret_changed);

#pragma once

#include "base/buf.h"
#include "fleet/fleet.h"

/* Networks and their three keys, each in versions: the newest whose activation date has come is
 * active; those before it are previous and stay readable until they are retired. */

enum fleet_key_kind { FLEET_KEY_GATEWAY = 1, FLEET_KEY_CDLD = 2, FLEET_KEY_BASE = 3 };
#define FLEET_KEY_KINDS    3
#define FLEET_VERSIONS_MAX 64 /* of one kind, destroyed ones included */

/* "gateway", "cdld", "base" */
const char *fleet_key_kind_name(enum fleet_key_kind kind);
MUST_CHECK enum err fleet_key_kind_parse(const char *name, enum fleet_key_kind *ret_kind);
/* Bytes of such a key: 24, 16, 16. */
size_t fleet_key_kind_size(enum fleet_key_kind kind);

enum fleet_key_state {
    FLEET_KEY_PRE_ACTIVE, /* its activation date is still to come */
    FLEET_KEY_ACTIVE,
    FLEET_KEY_PREVIOUS,
    FLEET_KEY_RETIRED, /* kept, no longer given out */
    FLEET_KEY_DESTROYED,
};
const char *fleet_key_state_name(enum fleet_key_state state);

struct fleet_key_version {
    enum fleet_key_kind kind;
    uint32_t version; /* from 1 */
    enum fleet_key_state state;
    int64_t created;
    int64_t activates; /* seconds since 1970 */
};

struct fleet_network {
    uint32_t id;
    char name[FLEET_NAME_MAX + 1];
    char realm[FLEET_REALM_MAX + 1]; /* lower case */
    unsigned id_bits;                /* 32 or 64 */
    int64_t created;
    uint32_t passphrase_version;
    uint8_t salt[FLEET_SALT_SIZE];
    uint32_t argon_passes, argon_memory_kib, argon_lanes;
    uint16_t domain_version;
    bool resealing;
    uint32_t keys; /* entries of `key`, by kind, then version */
    struct fleet_key_version key[FLEET_KEY_KINDS * FLEET_VERSIONS_MAX];
};

struct fleet_network_create {
    const char *name;
    const char *realm;
    unsigned id_bits;        /* 0: 32 */
    struct bytes passphrase; /* of FLEET_PASS_MIN to FLEET_PASS_MAX bytes; the caller wipes it */
    /* 0: 3 passes, 64 MiB, 4 lanes */
    uint32_t argon_passes, argon_memory_kib, argon_lanes;
};

/* With version 1 of each key. ERR_EXISTS for name or realm. */
MUST_CHECK enum err fleet_network_create(const struct fleet_call *call,
                                         const struct fleet_network_create *request,
                                         struct err_detail *detail, uint32_t *ret_id);
/* By name; `ret_network` is large: on the heap or static. ERR_NOT_FOUND. */
MUST_CHECK enum err fleet_network_show(const struct fleet_call *call, const char *name,
                                       struct err_detail *detail,
                                       struct fleet_network *ret_network);
/* In order of names; `each` returns an error to stop. */
typedef enum err fleet_network_fn(void *ctx, const struct fleet_network *network,
                                  struct err_detail *detail);
MUST_CHECK enum err fleet_network_list(const struct fleet_call *call, fleet_network_fn *each,
                                       void *ctx, struct err_detail *detail);
/* Nodes of the network by state: active, revoked, destroyed. Walks the network: for a worker. */
MUST_CHECK enum err fleet_network_count(const struct fleet_call *call, const char *name,
                                        struct err_detail *detail, uint64_t ret_counts[3]);

/* A new version. `activates` in seconds since 1970; 0 or the past: now. ERR_STATE while another
 * version of the kind waits for its date; ERR_LIMIT past FLEET_VERSIONS_MAX. */
MUST_CHECK enum err fleet_network_rotate(const struct fleet_call *call, const char *name,
                                         enum fleet_key_kind kind, int64_t activates,
                                         struct err_detail *detail, uint32_t *ret_version);
/* The version is no longer given out; with `destroy` its bytes are wiped too. ERR_STATE for the
 * active version. A version that waits for its date may be retired: it never becomes active. */
MUST_CHECK enum err fleet_network_retire(const struct fleet_call *call, const char *name,
                                         enum fleet_key_kind kind, uint32_t version, bool destroy,
                                         struct err_detail *detail);
/* New salt, new derived keys. Batch files under the old passphrase are refused from now on. */
MUST_CHECK enum err fleet_network_set_passphrase(const struct fleet_call *call, const char *name,
                                                 struct bytes passphrase,
                                                 struct err_detail *detail);
/* ERR_MISMATCH where it is not the network's passphrase. */
MUST_CHECK enum err fleet_network_check_passphrase(const struct fleet_call *call, const char *name,
                                                   struct bytes passphrase,
                                                   struct err_detail *detail);
/* Network, keys, nodes, history; the domain key first, so that nothing left on a disk opens again.
 * `confirm` must be the name once more. */
MUST_CHECK enum err fleet_network_destroy(const struct fleet_call *call, const char *name,
                                          const char *confirm, struct err_detail *detail);
/* A new domain key; its background reseal is fleet_network_reseal (a job). */
MUST_CHECK enum err fleet_network_rotate_domain(const struct fleet_call *call, const char *name,
                                                struct err_detail *detail);
/* Seals every record of the network under the newest domain key; see vault_domain_reseal. Without a
 * name: whatever a crash left unfinished. */
MUST_CHECK enum err fleet_network_reseal(const struct fleet_call *call, const char *name,
                                         struct err_detail *detail);

/* The gateway key file and its RSA signature; see docs/formats.md. `passphrase` must be the
 * network's where it is not empty: a check, the file is made with what the network has. Both
 * buffers are appended to. */
MUST_CHECK enum err fleet_gateway_export(const struct fleet_call *call, const char *name,
                                         struct bytes passphrase, struct buf *file,
                                         struct buf *signature, struct err_detail *detail);

struct fleet_gateway_import {
    const char *name; /* what the caller calls the network: must be the file's; NULL: don't care */
    struct bytes file;
    struct bytes signature;
    struct bytes signer_pem;
    struct bytes passphrase;
};
struct fleet_gateway_result {
    char name[FLEET_NAME_MAX + 1];
    bool created;
    uint32_t added;     /* key versions that were not there */
    uint32_t unchanged; /* key versions that were */
};
/* Creates the network as the file names it, or adds versions that it lacks. ERR_SIGNATURE,
 * ERR_DECRYPT (passphrase or file), ERR_MISMATCH (another realm, another name, an existing version
 * with another key). Nothing is changed where it fails. */
MUST_CHECK enum err fleet_gateway_import(const struct fleet_call *call,
                                         const struct fleet_gateway_import *request,
                                         struct err_detail *detail,
                                         struct fleet_gateway_result *ret_result);

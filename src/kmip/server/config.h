#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kmip/codec/limits.h"

/* What the service is set to: what Query says, what it refuses, its limits. Filled once from the
 * settings; read by any thread afterwards, never changed while requests run. Strings and arrays are
 * borrowed and live as long as the config. Zeroed fields are not defaults: begin with
 * kmip_config_default. */

#define KMIP_RESPONSE_MAX   ((size_t)4 * 1024 * 1024)
#define KMIP_ARENA_MAX      ((size_t)32 * 1024 * 1024) /* all memory of one request */
#define KMIP_ATTRIBUTES_MAX 256                        /* instances of one object */
#define KMIP_ATTRIBUTES_OWN 64                         /* those of the server beside them */
#define KMIP_PROFILES_MAX   128
#define KMIP_NAMESPACES_MAX 32

/* Random Number Generator (KMIP 1.4, 3.44; RNG Parameters): said of keys made here and in Query.
 * Numbers of the enumerations; 0: not said. */
struct kmip_rng {
    uint32_t algorithm, crypto_alg, bits, hash, drbg, curve, fips186;
    int8_t prediction_resistance; /* -1: not said */
};

/* What becomes of a client's seed: the answers of CS-RNG-O-1 to CS-RNG-O-4. */
enum kmip_rng_seed {
    KMIP_SEED_REFUSED, /* Permission Denied */
    KMIP_SEED_TAKEN,
    KMIP_SEED_HALF,    /* half of it */
    KMIP_SEED_IGNORED, /* none of it, without an error */
};

/* A Profile Information of Query; ports and names 0 and NULL: not said. */
struct kmip_profile {
    uint32_t name;
    const char *uri;
    int32_t port;
};

struct kmip_config {
    /* Query Server Information. NULL: not said; the product's structure is empty without any. */
    const char *vendor;
    const char *server_name, *server_serial, *server_version, *server_load, *product_name,
        *build_level, *build_date, *cluster_info;

    /* Operations (KMIP number below 64) and object types (below 32) that Query does not name and
     * that are answered with Operation Not Supported, or Invalid Field for a type. */
    uint64_t hidden_operations;
    uint32_t hidden_objects;
    struct kmip_profile profiles[KMIP_PROFILES_MAX];
    size_t profile_count;
    const char *namespaces[KMIP_NAMESPACES_MAX]; /* Query Application Namespaces */
    size_t namespace_count;

    struct kmip_rng rng;
    /* Capability Information; 0: not said. */
    uint32_t unwrap_mode, destroy_action, shredding, rng_mode;
    bool streaming, asynchronous, attestation, batch_undo, batch_continue;
    bool quantum_safe; /* 2.1: Quantum Safe Capability is said */
    bool token;        /* placement "token" works: keys made there are Hardware protected */
    const char *token_label;

    uint16_t version_min, version_max; /* KMIP_1_0 .. KMIP_2_1 */

    size_t message_max, response_max, arena_max;
    unsigned batch_max;
    unsigned locate_max;      /* identifiers in one answer */
    int64_t clock_skew_s;     /* a request's Time Stamp may be off by this; 0: not looked at */
    uint32_t lease_s;         /* Lease Time of objects without one of their own */
    uint32_t usage_chunk_max; /* units of one Get Usage Allocation; 0: as many as there are */
    bool require_login;       /* a certificate alone is not enough: credentials or a ticket too */
    uint32_t rng_seed;        /* enum kmip_rng_seed: what RNG Seed does */
    bool export_secrets;      /* Get of private keys and secrets in clear is allowed at all */

    const void *ca; /* what Certify signs with; kmip/op/ca.h, NULL: no Certify */
};

void kmip_config_default(struct kmip_config *ret_config);

#pragma once

#include "keeper/types.h"

/* What an engine may ask for, whoever runs it: per purpose the tables and a token bucket. Read from
 * the configuration before the sandbox closes; the engine can't change it. */

#define KEEPER_UNLIMITED INT64_MAX

struct keeper_rate {
    int64_t rate;  /* keys a second; 0 forbids the purpose, KEEPER_UNLIMITED */
    int64_t burst; /* keys at once; at least what one second gives is kept */
};

struct keeper_policy {
    struct keeper_rate rates[KEEPER_PURPOSES];
};

/* | purpose        | keys/s  | burst   | why
 * | diameter       | 5,000   | 200,000 | joining is rare; a whole district may join again at once
 * | export-batch   | 500,000 | 1 s     | a factory's batch is made as fast as the disk takes it
 * | export-keyring | 100,000 | 1 s     | leaves in clear in the end; 0 forbids it
 * | export-gateway | 100     | 1,000   | four keys a file
 * | backup         | 500,000 | 1 s     | to this server's own key
 * | certificate    | 10      | 1,000   | signatures of the CA
 * | mac            | 100     | 1,000   | sessions; what tells a right secret from a wrong one
 * | kmip-release   | 200,000 | 1,000,000 | Get, Export; wrapped too
 * | kmip-use       | 500,000 | 1,000,000 | operations, pieces of a stream each
 * | kmip-create    | 100,000 | 1,000,000 | made, registered, derived
 * | export-line    | 1,000   | 2,000   | two keys a run of a station; 0 forbids it
 * | sign-devices   | 10      | 1,000   | signatures of device_keys.xml */
struct keeper_policy keeper_policy_default(void);

/* The policy at work. One thread. */
struct policy {
    struct keeper_policy set;
    struct {
        double level;
        uint64_t at_ns;
    } buckets[KEEPER_PURPOSES];
};

/* Buckets start full. `now_ns` of clock_mono_ns, here and below. */
void policy_init(struct policy *policy, const struct keeper_policy *set, uint64_t now_ns);
/* May a row of this table be used for the purpose at all? */
bool policy_allows(const struct policy *policy, uint8_t purpose, uint8_t table);
/* ERR_DENIED for a purpose or table that is not allowed, ERR_RATE where less than `keys` are left;
 * nothing is taken then. */
MUST_CHECK enum err policy_take(struct policy *policy, uint8_t purpose, uint8_t table,
                                unsigned keys, uint64_t now_ns);

#pragma once

#include "factory/run.h"

/* Devices and the keys they got. Each keying is kept; the newest of a device counts. */

enum factory_device_state {
    FACTORY_DEVICE_PRETESTED, /* seen in a PRETEST, has no key from here */
    FACTORY_DEVICE_KEYED,     /* its key is recorded, no run has ended well since */
    FACTORY_DEVICE_PROVISIONED,
    FACTORY_DEVICE_STATES
};
const char *factory_device_state_name(enum factory_device_state state);

#define FACTORY_DEVICE_APPLICATIONS_MAX 16
#define FACTORY_APPLICATION_KEY_MAX     1024
#define FACTORY_EXTRA_MAX               4096

/* What an application of the device got: encrypted for its backend, we only pass it on. */
struct factory_device_application {
    const char *name;
    const char *id;
    struct bytes key, extra;
};

struct factory_keying {
    uint64_t node_id;
    uint8_t run[FACTORY_RUN_ID];
    uint64_t config_id;
    uint32_t revision;
    uint32_t batch;
    int64_t time; /* by the station's clock */
    const char *station;
    struct bytes encrypted; /* RSA-OAEP to the KMS key of the package; empty: the one it has */
    uint8_t kcv[FACTORY_KCV];
    const struct factory_device_application *applications;
    size_t applications_len;
};
/* Durable on return. The same once more gives the same serial and changes nothing. ERR_NOT_FOUND:
 * no such run of this station under way, or no such configuration; ERR_STATE: a run that began
 * later has keyed the device; ERR_ARGUMENT: the key is not as
 * long as the KMS key of the package. Without a key the device keeps its own and its state, and the
 * applications are added to those it has; ERR_NOT_FOUND where it has none. */
MUST_CHECK enum err factory_device_key(struct factory *factory, const struct factory_keying *keying,
                                       uint64_t *ret_serial, struct err_detail *detail);

struct factory_device {
    uint64_t node_id;
    uint64_t keying; /* 0: none */
    enum factory_device_state state;
    unsigned stage; /* enum factory_operation that last ended well; 0: none */
    uint64_t config_id;
    uint32_t revision;
    uint32_t batch;
    int64_t time;
    const char *station, *operator;
    int return_code;          /* of its last run; -1: none has ended */
    uint64_t exported;        /* the last export of its key; 0: never */
    uint8_t kcv[FACTORY_KCV]; /* with factory_device_get only */
};
typedef enum err factory_device_fn(void *ctx, const struct factory_device *device);
/* ERR_NOT_FOUND. `each` is called once. */
MUST_CHECK enum err factory_device_get(struct factory *factory, uint64_t node_id,
                                       factory_device_fn *each, void *ctx,
                                       struct err_detail *detail);

/* What a station asks before it gives a device a key. */
struct factory_device_had {
    const struct factory_device *device;
    bool newest; /* the keying is the one that counts; else the device's state is not about it */
    uint64_t config_id;
    uint32_t revision;
    uint8_t kcv[FACTORY_KCV];
    bool tested; /* keyed by a POSTTEST, so it had joined, and no PRETEST went well since */
    const struct factory_device_application *applications;
    size_t applications_len;
};
typedef enum err factory_device_had_fn(void *ctx, const struct factory_device_had *had);
/* The newest keying with the check value `kcv`, which is the key that the device says it has; where
 * there is none, or `kcv` is NULL, the one that counts. ERR_NOT_FOUND: no such device, or no key.
 */
MUST_CHECK enum err factory_device_had(struct factory *factory, uint64_t node_id,
                                       const uint8_t *kcv, struct arena *arena,
                                       factory_device_had_fn *each, void *ctx,
                                       struct err_detail *detail);

struct factory_device_filter {
    uint64_t from, to; /* node ids, both included; to 0: no end */
    const uint64_t *config_id;
    const uint32_t *batch;
    const enum factory_device_state *state;
    const bool *exported;
    const int *return_code;
    unsigned limit;
};
/* In order of node ids; `ret_next` is where the next page begins, `ret_more` whether there is one.
 */
MUST_CHECK enum err factory_device_list(struct factory *factory,
                                        const struct factory_device_filter *filter,
                                        factory_device_fn *each, void *ctx, bool *ret_more,
                                        uint64_t *ret_next, struct err_detail *detail);
/* By state and whether exported; at once, however many there are. */
struct factory_device_counts {
    uint64_t of[FACTORY_DEVICE_STATES][2];
};
MUST_CHECK enum err factory_device_count(struct factory *factory,
                                         struct factory_device_counts *ret_counts,
                                         struct err_detail *detail);
/* All keyings of a device, the newest first. */
typedef enum err factory_keying_fn(void *ctx, uint64_t serial, int64_t received,
                                   const struct factory_keying *keying);
MUST_CHECK enum err factory_keying_list(struct factory *factory, uint64_t node_id,
                                        struct arena *arena, factory_keying_fn *each, void *ctx,
                                        struct err_detail *detail);

#pragma once

#include "factory/factory.h"

/* Runs: each time a station works on a device, from its beginning to its return code. */

enum factory_operation {
    FACTORY_PROVISION = 1,
    FACTORY_PRETEST,
    FACTORY_CHECKCONFIG,
    FACTORY_POSTTEST,
    FACTORY_OPERATIONS
};
const char *factory_operation_name(enum factory_operation operation); /* "PROVISION"... */
MUST_CHECK enum err factory_operation_of(const char *name, enum factory_operation *ret_operation);

#define FACTORY_RUN_ID       16
#define FACTORY_VERSIONS_MAX 4096 /* bytes of the versions before or after, the API's JSON */

struct factory_run_begin {
    uint8_t run[FACTORY_RUN_ID];
    enum factory_operation operation;
    uint64_t config_id;
    uint32_t revision;
    uint32_t batch;
    const char *station, *operator, * port;
    const uint64_t *node_id; /* NULL: not known yet */
};
/* The same again: ERR_OK, nothing changed, `ret_new` false. ERR_EXISTS for another with that run
 * id, ERR_NOT_FOUND for an unknown configuration. */
MUST_CHECK enum err factory_run_begin(struct factory *factory, const struct factory_run_begin *run,
                                      bool *ret_new, struct err_detail *detail);

struct factory_run_end {
    uint8_t run[FACTORY_RUN_ID];
    const char *station;
    int return_code;
    const uint64_t *node_id; /* NULL: it was never known */
    const char *node_type, *hardware;
    const char *versions_before, *versions_after;
    bool locked;
    uint64_t milliseconds;
    const char *text;
    const uint8_t *kcv; /* of the root key that the device was seen to have; or NULL */
};
/* What a device is after it: provisioned by a PROVISION or POSTTEST that ended with 0 and that saw
 * the device's key (`kcv`), or had given it one itself. That keying is the one that counts then,
 * also where another one came in meanwhile. The second time: ERR_OK, nothing changed, `ret_new`
 * false. ERR_NOT_FOUND: no such run of this station; ERR_MISMATCH: no keying of the device has
 * `kcv`. */
MUST_CHECK enum err factory_run_end(struct factory *factory, const struct factory_run_end *end,
                                    bool *ret_new, struct err_detail *detail);

struct factory_run {
    uint64_t id;
    uint8_t run[FACTORY_RUN_ID];
    enum factory_operation operation;
    uint64_t config_id;
    uint32_t revision;
    uint32_t batch;
    const char *station, *operator, * port;
    bool has_node, has_ended;
    uint64_t node_id;
    int64_t begun, ended;
    int return_code;
    bool locked;
    uint64_t milliseconds;
    const char *node_type, *hardware, *versions_before, *versions_after, *text;
};
struct factory_run_filter {
    uint64_t before; /* runs with a smaller number; 0: from the newest on */
    const char *station;
    const uint32_t *batch;
    const int *return_code;
    const uint64_t *node_id;
    unsigned limit;
};
/* The newest first; strings are borrowed for the call. `ret_next` is untouched where there are no
 * more. */
typedef enum err factory_run_fn(void *ctx, const struct factory_run *run);
MUST_CHECK enum err factory_run_list(struct factory *factory,
                                     const struct factory_run_filter *filter, factory_run_fn *each,
                                     void *ctx, uint64_t *ret_next, struct err_detail *detail);
/* One, by the id that its station gave it. */
MUST_CHECK enum err factory_run_get(struct factory *factory, const uint8_t run[FACTORY_RUN_ID],
                                    factory_run_fn *each, void *ctx, struct err_detail *detail);

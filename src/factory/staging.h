#pragma once

#include "factory/catalogue.h"

/* Importing a package has two phases: its files are unpacked and checked where nobody sees them,
 * so that a person can look at what is inside; then it becomes a revision all at once, or is
 * dropped. What is staged is gone after an hour, or when the daemon starts again. */

#define FACTORY_STAGED_MAX 8
#define FACTORY_STAGED_S   3600

struct factory_import {
    const char *path; /* the package, in the spool */
    const char *name; /* its file name, for messages */
    struct bytes passphrase;
    const char *comment;
};

/* ERR_SIGNATURE, ERR_DECRYPT (passphrase), ERR_SYNTAX, ERR_LIMIT, ERR_MISMATCH and so on, as
 * factory/package.h has them; ERR_EXISTS where an alias belongs to another configuration, ERR_BUSY
 * where FACTORY_STAGED_MAX are waiting. `package` is of the caller's arena; `ret_replaces` is the
 * revision that counts now, or 0. */
MUST_CHECK enum err factory_stage(struct factory *factory, const struct fleet_call *call,
                                  const struct factory_import *request, struct arena *arena,
                                  uint64_t *ret_import, struct factory_package *ret_package,
                                  uint32_t *ret_replaces, struct err_detail *detail);
/* How many wait to be committed or dropped. */
unsigned factory_staged_count(struct factory *factory);
/* They, in the order in which they came. `package` and strings are for the call only; `left_s`
 * until it is dropped by itself. `each` may not call back. */
struct factory_waiting {
    uint64_t import;
    const struct factory_package *package;
    unsigned left_s;
};
typedef enum err factory_waiting_fn(void *ctx, const struct factory_waiting *waiting);
MUST_CHECK enum err factory_staged_each(struct factory *factory, uint64_t now_ns,
                                        factory_waiting_fn *each, void *ctx);
/* ERR_NOT_FOUND; ERR_EXISTS as above; after another error it is staged still. */
MUST_CHECK enum err factory_stage_commit(struct factory *factory, const struct fleet_call *call,
                                         uint64_t import, uint64_t *ret_config_id,
                                         uint32_t *ret_revision, struct err_detail *detail);
MUST_CHECK enum err factory_stage_drop(struct factory *factory, uint64_t import,
                                       struct err_detail *detail);
/* Drops what nobody asked for since FACTORY_STAGED_S; `now_ns` is the monotonic clock. */
void factory_stage_tidy(struct factory *factory, uint64_t now_ns);

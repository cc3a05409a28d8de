#pragma once

#include "factory/factory.h"

/* Old records go: runs of stations but the newest of each device, and keys that a newer one has
 * replaced and that no export has. What an export repeats, a key that is not exported yet, and a
 * key that a device may still have (its last run did not end well) stay however old they are. */
struct factory_prune {
    int64_t before; /* seconds; by the daemon's clock */
    bool dry_run;   /* count only */
    /* Where to go on in runs and keys, and where it came to: zeros for all. Nullable. */
    uint64_t *cursor;
};
struct factory_pruned {
    uint64_t runs, keyings;
};
/* In transactions of some thousand rows, beside everything else; on the record, with what went.
 * `ret_pruned` is filled in any case: with what was done until then. */
MUST_CHECK enum err factory_prune(struct factory *factory, const struct fleet_call *call,
                                  const struct factory_prune *request,
                                  struct factory_pruned *ret_pruned, struct err_detail *detail);

#pragma once

#include "fleet/stage.h"

/* What staged rows mean for the nodes that are there, and putting them in. */

enum merge_reason { MERGE_FINE, MERGE_REVOKED, MERGE_DESTROYED, MERGE_SUPERSEDED };
const char *merge_reason_text(enum merge_reason reason);

struct merge {
    const struct fleet_call *call;
    const struct net *net;
    const struct stage *stage;
    struct operation *op;
    bool write;        /* false: only say what would happen */
    bool skip_refused; /* false: a refused row refuses all (ERR_REFUSED) */
    /* out, written anew by each run */
    uint64_t count[FLEET_VERDICTS];
    uint64_t batches;
    uint8_t *verdicts; /* stage.count entries in order of ids: verdict | reason << 4 */
};

/* Inside a transaction, or on a reader with `write` false. */
MUST_CHECK enum err merge_rows(struct store_conn *conn, struct merge *merge,
                               struct err_detail *detail);

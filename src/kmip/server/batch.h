#pragma once

#include "kmip/server/process.h"

/* The items of a message, one after the other (KMIP 1.4, 6.12, 6.13; 2.1, 9.5, 9.6): always in the
 * order they came in, so that Batch Order Option has nothing to change. */
struct kmip_batch {
    struct kmip_request *request;
    const struct kmip_node *root; /* the request */
    struct kmip_node *response;   /* gets a Batch Item for each item that was reached */
    struct kmip_processed *processed;
    size_t max; /* bytes of the response in TTLV */
};
/* An error only where no answer can be made. */
MUST_CHECK enum err kmip_batch_run(struct kmip_batch *batch);
/* The Result Reason of an error's row. */
uint32_t kmip_reason_of(enum err err, uint16_t version);

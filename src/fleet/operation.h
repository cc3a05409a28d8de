#pragma once

#include "fleet/fleet.h"

/* Operations: begun durably (row and note), ended inside the change's own transaction. */
struct operation {
    uint32_t serial;
    uint32_t network;
    const char *kind; /* "import" */
    char source[FLEET_SOURCE_MAX + 1];
    char summary[161];
    bool ended;
};
MUST_CHECK enum err operation_begin(const struct fleet_call *call, const char *kind,
                                    uint32_t network, const char *what, struct operation *op,
                                    struct err_detail *detail);
/* In the transaction; op->summary is filled before. */
MUST_CHECK enum err operation_end(struct store_conn *conn, const struct operation *op,
                                  struct err_detail *detail);
/* The same for an operation that changes nothing in the store. */
MUST_CHECK enum err operation_finish(const struct fleet_call *call, struct operation *op,
                                     struct err_detail *detail);
/* After it: notes success, or records and notes why nothing was changed. Returns `err`, or that of
 * the note where all else went well. */
MUST_CHECK enum err operation_close(const struct fleet_call *call, struct operation *op,
                                    enum err err, const struct err_detail *why,
                                    struct err_detail *detail);
/* At start-up. */
MUST_CHECK enum err operations_recover(struct fleet *fleet, struct keeper_client *keeper,
                                       struct err_detail *detail);

#pragma once

#include "line/gateway_message.h"

/* What a gateway knows of nodes that joined it, for the control part of docs/join-protocol.md.
 * Zero-initialise. One thread. */
struct node_statuses {
    struct node_status *rows; /* by rising id */
    size_t len, cap;
};

void node_statuses_done(struct node_statuses *statuses);
/* An attempt to join has ended. Beyond a million nodes new ones are not noted. */
void node_statuses_note(struct node_statuses *statuses, uint64_t node, bool joined);
/* May the key server be asked for a newer key of the node? Once in a while: whoever guesses proofs
 * makes no traffic of it. */
MUST_CHECK bool node_statuses_may_ask(struct node_statuses *statuses, uint64_t node);
/* The answer to a frame of the control part. ERR_SYNTAX: it is none. */
MUST_CHECK enum err node_statuses_answer(struct node_statuses *statuses, struct bytes frame,
                                         struct writer *w);

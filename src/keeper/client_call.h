#pragma once

#include "keeper/client.h"
#include "keeper/message.h"

/* Inside keeper only: one blocking request of the client. */
struct client_call {
    struct keeper_client *client;
    struct writer out; /* the request behind its head */
    struct reader in;  /* the answer's body, after client_call_run */
    uint8_t verb;
    uint16_t count;
    bool secret; /* wipe the request when it was sent */
};

/* Embedded; the buffers are the client's, so one at a time. */
void client_call_begin(struct client_call *call, struct keeper_client *client, uint8_t verb);
/* The same with an actor in front; a wrong one makes client_call_run fail. */
void client_call_actor(struct client_call *call, const char *actor);
/* Send it and wait for the answer. The keeper's refusal is the result, its text in `detail`. */
MUST_CHECK enum err client_call_run(struct client_call *call, struct err_detail *detail);
/* After the answer's body was read: ERR_INTERNAL where it isn't of the expected form. The answer is
 * wiped. */
MUST_CHECK enum err client_call_end(struct client_call *call);
/* The same where the answer has no body. */
MUST_CHECK enum err client_call_run_empty(struct client_call *call, struct err_detail *detail);

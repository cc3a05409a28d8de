#pragma once

#include "keeper/client.h"
#include "keeper/message.h"

struct fiber;

/* Inside keeper only: one request of the client that is waited for. Declared with AUTO and
 * zero-initialised, so that every way out wipes the answer:
 *
 *     AUTO(client_call_done) struct client_call call = {0};
 *     client_call_begin(&call, client, KEEPER_...);
 *     ... writers on call.out ...
 *     TRY(client_call_run(&call, detail));
 *     ... readers on call.in ...
 *     return client_call_end(&call);
 *
 * The request is built in a buffer of the client's, so nothing may pause or call the client between
 * begin and run. Behind run the call has memory of its own: many may be under way. */

/* Answers up to this long need no memory: a key, a kilobyte of ciphertext. */
#define CLIENT_ANSWER_SMALL 1400

struct client_call {
    struct keeper_client *client;
    struct writer out; /* the request behind its head */
    struct reader in;  /* the answer's body, after client_call_run */
    uint8_t verb;
    uint16_t count;
    bool secret; /* wipe the request when it was sent */
    bool slow;   /* makes a key pair: few of them at a time */

    /* client_call.c's */
    struct fiber *fiber; /* NULL: a thread waits */
    uint64_t id;         /* 0: not sent */
    bool done;
    enum err err; /* no answer will come */
    struct client_call *next;
    struct bytes request; /* of one that waits for others to be answered; on the heap */
    uint8_t *answer;
    size_t answer_len;
    uint8_t small[CLIENT_ANSWER_SMALL];
};

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
/* Wipes and frees what the call holds. */
void client_call_done(struct client_call *call);

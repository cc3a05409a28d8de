#pragma once

#include "keeper/bundle.h"
#include "keeper/client_call.h"

/* Inside keeper only: what client.c (connection, releases) and client_call.c (calls, bundles)
 * share. */

/* Messages of releases under way or waiting to be sent. With fewer outstanding rows than fill
 * them all, a full ring is rare; then the next message waits. */
#define FLIGHTS_MAX 64

/* One message of releases. */
struct flight {
    uint64_t id;
    uint8_t *message; /* kept for the next one */
    size_t len;
    unsigned count;
    enum keeper_purpose purpose;
    bool sent;
    struct keeper_release *first;
    struct keeper_release **last;
    uint8_t actor_len; /* of the row before: equal ones are not repeated */
    uint8_t actor[KEEPER_ACTOR_MAX];
};

/* A packet with calls of fibers, filled until it is sent. */
struct packet {
    struct packet *next;
    size_t len;
    unsigned count; /* 0: one message that is too long for a bundle */
    uint8_t data[KEEPER_MESSAGE_MAX];
};

/* Calls of fibers are KEEPER_CALLS_MAX at most; blocking ones come from callbacks, one in another.
 */
#define SLOTS_MAX (KEEPER_CALLS_MAX + 32)
/* Key pairs take long: others are let by. */
#define SLOW_MAX 16

struct keeper_client {
    int fd;
    bool gone;
    bool blocked; /* the socket was full */
    bool waiting; /* something asked to be flushed was not sent */
    uint64_t last_id;
    unsigned timeout_ms;
    /* A ring: `oldest` to `newest` are under way; the newest may still be filled. */
    struct flight flights[FLIGHTS_MAX];
    unsigned oldest;
    unsigned count;
    bool filling;
    size_t outstanding;
    uint8_t *out; /* where requests are built */
    uint8_t *in;
    size_t in_len;

    /* Calls under way; a call's id is its number shifted by 16, and its slot. Messages of releases
     * have the slot NO_SLOT. */
    struct client_call *slots[SLOTS_MAX];
    uint16_t free_slots[SLOTS_MAX];
    unsigned free_count;
    unsigned calls; /* in slots, of fibers */
    unsigned slow;
    struct client_call *backlog; /* wait for a slot */
    struct client_call **backlog_last;
    struct client_call *slow_backlog;
    struct client_call **slow_last;
    struct packet *packets; /* to be sent; the last may still be filled */
    struct packet **packets_last;
    struct packet *tail;
    struct packet *spare;
};
#define NO_SLOT 0xffff
_Static_assert(SLOTS_MAX <= NO_SLOT, "slots in ids");

uint64_t client_next_id(struct keeper_client *client, unsigned slot);
/* ERR_BUSY: the socket is full. */
MUST_CHECK enum err client_send(struct keeper_client *client, const uint8_t *message, size_t len);
/* One packet from the socket, with all that is in it. ERR_BUSY: none is there. */
MUST_CHECK enum err client_receive_one(struct keeper_client *client);
/* Everything outstanding gets `err`. */
void client_fail_all(struct keeper_client *client, enum err err);

/* client_call.c. */
void client_calls_init(struct keeper_client *client);
void client_calls_free(struct keeper_client *client);
/* An answer that is not to a release. One to a call that has timed out is dropped. */
void client_calls_answer(struct keeper_client *client, uint64_t id, struct bytes answer);
void client_calls_fail(struct keeper_client *client, enum err err);
/* Send packets. ERR_BUSY: the socket is full. */
MUST_CHECK enum err client_calls_flush(struct keeper_client *client);

#pragma once

#include "diameter/message.h"
#include "diameter/node.h"

/* One peer's conversation (RFC 6733, 5) as a state machine without socket or clock: frames and
 * milliseconds in, bytes to send and one event out. Both sides: a responder waits for the CER, an
 * initiator sends it. There is no election: a server never connects by itself, so two connections
 * of one pair never cross (see diameter/registry.h for a second one). One thread. */

enum diameter_peer_state {
    DIAMETER_PEER_WAIT_CER,
    DIAMETER_PEER_WAIT_ADMIT,
    DIAMETER_PEER_WAIT_CEA,
    DIAMETER_PEER_WAIT_TLS,
    DIAMETER_PEER_OPEN,
    DIAMETER_PEER_CLOSING, /* DPR sent */
    DIAMETER_PEER_CLOSED,
};

/* What the caller has to do after it sent what is in `out`. */
enum diameter_event {
    DIAMETER_EVENT_NONE,
    DIAMETER_EVENT_ADMIT,   /* call diameter_peer_admit before anything else */
    DIAMETER_EVENT_SECURE,  /* start TLS, then call diameter_peer_secured */
    DIAMETER_EVENT_OPEN,    /* requests may travel */
    DIAMETER_EVENT_REQUEST, /* an application request of a command we serve; not yet checked beyond
                               its header, which is in message->header */
    DIAMETER_EVENT_ANSWER,  /* an answer to a request of ours; header as above */
    DIAMETER_EVENT_CLOSE,   /* send what is written, then close */
    DIAMETER_EVENT_ABORT,   /* close at once */
};

enum diameter_disconnect { /* Disconnect-Cause, 5.4.3 */
                           DIAMETER_DISCONNECT_REBOOTING = 0,
                           DIAMETER_DISCONNECT_BUSY = 1,
                           DIAMETER_DISCONNECT_NOT_WANTED = 2,
};

struct diameter_peer {
    struct diameter_node *node; /* a reference */
    enum diameter_peer_state state;
    bool responder;
    bool secure;                  /* TLS is up */
    bool to_secure;               /* in-band TLS was agreed on */
    char host[DIAMETER_NAME_MAX]; /* Origin-Host from CER or CEA */
    char realm[DIAMETER_NAME_MAX];
    uint32_t state_id;   /* its Origin-State-Id, 0 where absent */
    uint32_t result;     /* of the CEA that was sent or received */
    const char *why;     /* for the log, static: why it closes; NULL while it doesn't */
    uint64_t base_ms;    /* the timer counts from here */
    uint32_t timer_ms;   /* and fires after this */
    unsigned missed;     /* watchdog requests without any sign of life */
    uint32_t hop_by_hop; /* next of our own requests */
    uint32_t end_to_end;
    uint32_t noise;
};

/* `noise` seeds jitter and identifiers: any number that differs. Takes a reference on `node`. */
void diameter_peer_init(struct diameter_peer *peer, struct diameter_node *node, bool responder,
                        bool secure, uint32_t noise, uint64_t now_ms);
void diameter_peer_done(struct diameter_peer *peer);

/* Initiator: write the CER. */
void diameter_peer_start(struct diameter_peer *peer, uint64_t now_ms, struct writer *out);
/* One whole frame. `message` is scratch of the caller; it stays valid as long as `frame`. `out` has
 * room for frame.len + DIAMETER_ANSWER_EXTRA. */
enum diameter_event diameter_peer_frame(struct diameter_peer *peer, struct bytes frame,
                                        uint64_t now_ms, struct diameter_message *message,
                                        struct writer *out);
/* The answer to DIAMETER_EVENT_ADMIT, with the same `message`: 2001 goes on, anything else is sent
 * in the CEA and closes. `text` is static or NULL. */
enum diameter_event diameter_peer_admit(struct diameter_peer *peer, uint32_t result,
                                        const char *text, uint64_t now_ms,
                                        const struct diameter_message *message, struct writer *out);
/* In-band TLS is up. `named`: the certificate names peer->host. */
enum diameter_event diameter_peer_secured(struct diameter_peer *peer, bool named, uint64_t now_ms);
/* Call now and then (once a second is enough): watchdog and time limits. */
enum diameter_event diameter_peer_tick(struct diameter_peer *peer, uint64_t now_ms,
                                       struct writer *out);
/* Is it still there? A DWR at once; without an answer within 6 s (RFC 3539, 3.4.1: the least Tw)
 * the connection ends. */
void diameter_peer_probe(struct diameter_peer *peer, uint64_t now_ms, struct writer *out);
/* Say goodbye: DPR, then _CLOSE with the DPA or after 5 s. */
enum diameter_event diameter_peer_disconnect(struct diameter_peer *peer,
                                             enum diameter_disconnect cause, uint64_t now_ms,
                                             struct writer *out);
/* Identifiers of the next request of ours. */
uint32_t diameter_peer_next_hop(struct diameter_peer *peer);
uint32_t diameter_peer_next_end(struct diameter_peer *peer);

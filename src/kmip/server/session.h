#pragma once

#include "kmip/op/op.h"

/* Who is at the other end. A session is one connection (over HTTPS too): whose certificate it
 * showed, and which credentials it proved. The gate is what all sessions of the service share: how
 * often somebody was wrong, and the tickets. */

#define KMIP_GATE_TRIES      5  /* wrong passwords of one name from one address, then it waits */
#define KMIP_GATE_NAME_TRIES 30 /* of one name from all addresses; then strangers wait... */
#define KMIP_GATE_NAME_WAIT  2  /* ...these seconds after each wrong one */
#define KMIP_GATE_WAIT       4  /* seconds; doubles with each further wrong one */
#define KMIP_GATE_WAIT_MAX   60
#define KMIP_GATE_PLACES     4096 /* names and addresses remembered; the oldest go first */
#define KMIP_CREDENTIAL_MAX  1024 /* bytes of a password */

struct kmip_tickets; /* kmip/op/tickets.h */

struct kmip_gate;
/* Any thread. `tickets` is borrowed; NULL: tickets are refused. */
MUST_CHECK enum err kmip_gate_new(struct kmip_tickets *tickets, struct kmip_gate **ret_gate);
void kmip_gate_free(struct kmip_gate *gate); /* NULL is allowed */

struct kmip_session;
/* `peer` is its address with port ("192.0.2.1:40112"), copied; `number` is the connection's in this
 * process. One loop's. */
MUST_CHECK enum err kmip_session_new(struct kmip_gate *gate, const char *peer, uint64_t number,
                                     struct kmip_session **ret_session);
void kmip_session_free(struct kmip_session *session); /* NULL is allowed; wipes */
const char *kmip_session_peer(const struct kmip_session *session);
uint64_t kmip_session_number(const struct kmip_session *session);
uint64_t kmip_session_since_us(const struct kmip_session *session); /* clock_now_us when it began */

struct kmip_who {
    bool known; /* false: nobody; only what needs no authentication is answered */
    struct vault_client client;
    uint64_t ticket;  /* for kmip_request.ticket; 0: none */
    int64_t pause_ms; /* > 0: hold the answer back that long; also where it is refused */
};

/* Who asks with this message (KMIP 1.4, 6.6; 2.1, 9.4): whom the header's Authentication proves
 * (NULL: there is none), else the certificate's client (NULL: it is nobody's). A credential that
 * does not prove anything is refused, whatever the certificate says; with several, all must hold
 * and name one client.
 *   username and password: a client with that name and a password;
 *   device: a client whose name is the Device Serial Number, or without one the Device Identifier,
 *     by its password, or without one by the certificate that it shows beside;
 *   ticket: of Login;
 *   attestation, one time password, hashed password: refused.
 * Passwords are verified on a worker (pauses a fiber, blocks a thread); one that was verified in
 * this session is recognised by a keyed hash until the client changes. `ret_who` is written in
 * every case. ERR_UNAUTHENTICATED (Authentication Not Successful), also after too many wrong ones;
 * ERR_BUSY. */
MUST_CHECK enum err kmip_session_who(struct kmip_session *session, struct kmip_env *env,
                                     const struct vault_client *certificate,
                                     const struct kmip_node *authentication, int64_t now,
                                     struct kmip_who *ret_who, struct err_detail *detail);

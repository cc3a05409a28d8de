#pragma once

#include "kmip/op/op.h"

/* Tickets of Login and Delegated Login (KMIP 2.1, 6.1.30 and 6.1.12): who shows one is the client
 * that logged in, within the ticket's rights. In memory only, hashed; they end with the process.
 * Any thread. */

#define KMIP_TICKET_LEN        32   /* bytes of a Ticket Value, random */
#define KMIP_TICKET_LIFE_S     3600 /* where the client asks for no lease */
#define KMIP_TICKET_LIFE_MAX_S (24 * 3600)
#define KMIP_TICKETS_MAX       65536
#define KMIP_TICKETS_OF_CLIENT 256
#define KMIP_RIGHTS_MAX        32 /* of a ticket */

struct kmip_tickets;

MUST_CHECK enum err kmip_tickets_new(struct kmip_tickets **ret_tickets);
void kmip_tickets_free(struct kmip_tickets *tickets); /* NULL is allowed */

/* A message's Credential of type Ticket: `credential_value` is its Credential Value. Counts one
 * request. Gives whose it is (to be looked up anew: clients are disabled meanwhile, and
 * removed: another may have got the name, but never the number) and the number
 * for kmip_request.ticket. ERR_UNAUTHENTICATED for every ticket that does not hold, without saying
 * why. */
MUST_CHECK enum err kmip_ticket_open(struct kmip_tickets *tickets,
                                     const struct kmip_node *credential_value, int64_t now,
                                     char ret_client[VAULT_CLIENT_NAME_MAX + 1], uint64_t *ret_id,
                                     uint64_t *ret_ticket);
/* Before an item is run: Permission Denied where the request's ticket does not give the right to
 * this operation on this object; takes one of its Usage Limits. ERR_OK without a ticket. */
MUST_CHECK enum err kmip_ticket_allows(struct kmip_call *call);

#pragma once

#include "kmip/server/session.h"

/* Private to sessions: who was wrong how often, and the key of the hashes by which a session knows
 * a password again. Any thread. */

/* ERR_UNAUTHENTICATED while this name, or all of this address, has to wait; or while this name is
 * guessed at from many addresses, for all but those from where it was right before. */
MUST_CHECK enum err gate_check(struct kmip_gate *gate, struct bytes name, struct bytes address,
                               int64_t now, struct err_detail *detail);
/* One more wrong one: how long the answer is to be held back, in milliseconds. */
int64_t gate_wrong(struct kmip_gate *gate, struct bytes name, struct bytes address, int64_t now);
/* The name was right from there. */
void gate_right(struct kmip_gate *gate, struct bytes name, struct bytes address, int64_t now);
MUST_CHECK enum err gate_hash(const struct kmip_gate *gate, const struct bytes *parts, size_t count,
                              uint8_t ret_hash[32]);
struct kmip_tickets *gate_tickets(const struct kmip_gate *gate);

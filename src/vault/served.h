#pragma once

#include "vault/objects.h"

/* Which objects have been given out at least once, a bit for each row number: KMIP's attribute
 * Fresh changes with the first Get of an object, and that must not cost a write of its row. The
 * bits are in memory and reach the store within seconds and at an orderly end; a crash may take the
 * last of them back. (Members of an object group, where a second client must not get the same key,
 * are written at once by the protocol.) Any thread. */
struct vault_served;

MUST_CHECK enum err vault_served_open(struct store *store, struct vault_served **ret_served,
                                      struct err_detail *detail);
void vault_served_close(struct vault_served *served); /* without a flush; NULL is allowed */

bool vault_served_is(const struct vault_served *served, uint64_t id);
void vault_served_mark(struct vault_served *served, uint64_t id);
/* Write what changed since the last time. Blocks: for a background thread. */
MUST_CHECK enum err vault_served_flush(struct vault_served *served, struct err_detail *detail);

#pragma once

#include "keeper/client.h"
#include "store/store.h"

/* The store remembers how far the audit chain had come, so that a chain that was cut, swapped for
 * an older copy or begun anew shows at the next start. Any thread; one struct for one thread. */
struct vault_chain {
    struct store *store;
    uint64_t seq; /* seen at the last call, durable in the chain by the next one; 0: none */
    uint8_t head[32];
};

/* Compare what the store remembers with the keeper's chain. ERR_AUDIT where the chain is not the
 * one that was, or ends too early. With `forget` the store takes the chain as it is from now on. */
MUST_CHECK enum err vault_chain_check(struct vault_chain *chain, struct store *store,
                                      struct keeper_client *keeper, bool forget,
                                      struct err_detail *detail);
/* Remember. Call it now and then, and at the end: it stores what the call before saw, because
 * records may reach the disk a moment later than they are seen. */
MUST_CHECK enum err vault_chain_remember(struct vault_chain *chain, struct keeper_client *keeper,
                                         struct err_detail *detail);

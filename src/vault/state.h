#pragma once

#include "base/err.h"

/* Lifecycle of a key (NIST SP 800-57 part 1, section 7; KMIP 1.4, 3.22). The numbers stand in the
 * store: append only. */
enum vault_state {
    VAULT_PRE_ACTIVE = 1,
    VAULT_ACTIVE = 2,
    VAULT_DEACTIVATED = 3, /* may still be read, never made anew */
    VAULT_COMPROMISED = 4,
    VAULT_DESTROYED = 5,
    VAULT_DESTROYED_COMPROMISED = 6,
};

/* "pre-active", "active", ...; never NULL. */
const char *vault_state_name(enum vault_state state);
MUST_CHECK enum err vault_state_parse(const char *name, enum vault_state *ret_state);
/* ERR_STATE where the step is not in the diagram of SP 800-57. */
MUST_CHECK enum err vault_state_check(enum vault_state from, enum vault_state to);

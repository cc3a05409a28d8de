#include "vault/state.h"

#include <string.h>

static const char *const names[] = {
    [VAULT_PRE_ACTIVE] = "pre-active",   [VAULT_ACTIVE] = "active",
    [VAULT_DEACTIVATED] = "deactivated", [VAULT_COMPROMISED] = "compromised",
    [VAULT_DESTROYED] = "destroyed",     [VAULT_DESTROYED_COMPROMISED] = "destroyed-compromised",
};

/* SP 800-57 part 1, 7.3: which states follow which, a bit each. */
#define TO(state) (1u << (state))
static const unsigned follows[] = {
    [VAULT_PRE_ACTIVE] = TO(VAULT_ACTIVE) | TO(VAULT_COMPROMISED) | TO(VAULT_DESTROYED),
    [VAULT_ACTIVE] = TO(VAULT_DEACTIVATED) | TO(VAULT_COMPROMISED),
    [VAULT_DEACTIVATED] = TO(VAULT_COMPROMISED) | TO(VAULT_DESTROYED),
    [VAULT_COMPROMISED] = TO(VAULT_DESTROYED_COMPROMISED),
    [VAULT_DESTROYED] = TO(VAULT_DESTROYED_COMPROMISED),
    [VAULT_DESTROYED_COMPROMISED] = 0,
};

const char *vault_state_name(enum vault_state state)
{
    if ((size_t)state >= ARRAY_LEN(names) || !names[state])
        return "unknown";
    return names[state];
}

enum err vault_state_parse(const char *name, enum vault_state *ret_state)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i] && strcmp(names[i], name) == 0) {
            *ret_state = (enum vault_state)i;
            return ERR_OK;
        }
    }
    return ERR_ARGUMENT;
}

enum err vault_state_check(enum vault_state from, enum vault_state to)
{
    if ((size_t)from >= ARRAY_LEN(follows) || (size_t)to >= ARRAY_LEN(follows))
        return ERR_ARGUMENT;
    return follows[from] & TO(to) ? ERR_OK : ERR_STATE;
}

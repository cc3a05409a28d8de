#pragma once

#include <stdatomic.h>

#include "keeper/token_ops.h"

/* A token in software for the keeper's tests, complete, with faults on demand. */
struct fake_token {
    struct rsa_private *server, *ca;
    struct aead *root;
    _Atomic int fail; /* enum err of every call while it is not ERR_OK */
    _Atomic unsigned calls;
    _Atomic unsigned delay_ms;
};

/* Makes RSA keys of 2048 bits once in a process and shares them. */
MUST_CHECK enum err fake_token_init(struct fake_token *fake);
void fake_token_done(struct fake_token *fake);
struct keeper_token fake_token_of(struct fake_token *fake);

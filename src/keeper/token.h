#pragma once

#include "hsm/hsm.h"
#include "keeper/token_ops.h"

/* The keeper's operations on a real token. */

#define KEEPER_LABEL_ROOT   "claviger-root"   /* AES, wraps the domain keys */
#define KEEPER_LABEL_SERVER "claviger-server" /* RSA */
#define KEEPER_LABEL_CA     "claviger-ca"     /* RSA; may be absent */

struct keeper_token_hsm;

/* Find the keys and read the public ones. `hsm` is borrowed and outlives it. ERR_NOT_FOUND names
 * the key that is missing. */
MUST_CHECK enum err keeper_token_new(struct hsm *hsm, struct keeper_token_hsm **ret_token,
                                     struct err_detail *detail);
void keeper_token_free(struct keeper_token_hsm *token); /* NULL is allowed */
void keeper_token_freep(struct keeper_token_hsm **token);
struct keeper_token keeper_token_of(struct keeper_token_hsm *token);

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
/* How managed objects leave the token, where they may: wrapped under a key-encrypting key that is
 * known here and there. */
struct keeper_token_objects {
    struct secret *kek;    /* AES; NULL: one is drawn for each release */
    const char *kek_label; /* of the same key in the token; NULL: by its handle */
    unsigned long kek_handle;
    bool digest_key; /* ask for C_DigestKey */
};
/* Takes the KEK whatever comes of it; before the token is used. ERR_CONFIG for its length. */
MUST_CHECK enum err keeper_token_objects(struct keeper_token_hsm *token,
                                         const struct keeper_token_objects *config,
                                         struct err_detail *detail);
/* Whether that KEK opens what the token wraps with its own; ERR_OK where none is set. Errors as
 * hsm_kek_check. */
MUST_CHECK enum err keeper_token_kek_check(struct keeper_token_hsm *token,
                                           struct err_detail *detail);
void keeper_token_free(struct keeper_token_hsm *token); /* NULL is allowed */
void keeper_token_freep(struct keeper_token_hsm **token);
struct keeper_token keeper_token_of(struct keeper_token_hsm *token);

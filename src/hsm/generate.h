#pragma once

#include "hsm/session.h"

/* Making objects inside an operation; for this folder only. A failure destroys nothing but what it
 * made itself. */

#define PKCS8_MAX 4096

struct rsa_parts;

/* Where a key goes: a token object with label and id, or an object of the session where label is
 * NULL. */
struct place {
    const char *label;
    struct bytes id;
};

MUST_CHECK CK_RV make_aes(struct hsm_call *call, const struct place *where,
                          CK_OBJECT_HANDLE *ret_key);
MUST_CHECK CK_RV make_rsa(struct hsm_call *call, const struct place *where, unsigned bits,
                          CK_OBJECT_HANDLE *ret_private, CK_OBJECT_HANDLE *ret_public);
MUST_CHECK CK_RV import_create(struct hsm_call *call, const struct place *where,
                               const struct rsa_parts *parts, CK_OBJECT_HANDLE *ret_private);
MUST_CHECK CK_RV import_unwrap(struct hsm_call *call, const struct place *where, struct bytes pkcs8,
                               CK_OBJECT_HANDLE *ret_private);

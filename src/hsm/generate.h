#pragma once

#include "hsm/key.h"

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

/* Try a template whole, then drop its last attributes one by one, `optional` at most, as long as
 * the token finds fault with the template. */
typedef CK_RV create_fn(struct hsm_call *call, struct template *t, CK_ULONG dropped, void *ctx);
MUST_CHECK CK_RV create_with_fewer(struct hsm_call *call, struct template *t, CK_ULONG optional,
                                   create_fn *fn, void *ctx);

#pragma once

#include "factory/factory.h"

/* Who may sign packages: names and public keys (RSA or ECDSA P-256). */

#define FACTORY_PACKAGER_KEY_MAX 1024 /* bytes of a SubjectPublicKeyInfo */

struct factory_packager {
    char name[FACTORY_NAME_MAX + 1];
    struct bytes public_key; /* SubjectPublicKeyInfo, DER */
    uint8_t fingerprint[32]; /* its SHA-256 */
    int64_t created;
    char created_by[VAULT_ACTOR_MAX + 1];
};
typedef enum err factory_packager_fn(void *ctx, const struct factory_packager *packager);

/* `pem`: a public key. ERR_EXISTS for a name or a key that is known. */
MUST_CHECK enum err factory_packager_add(struct factory *factory, const char *actor,
                                         const char *name, struct bytes pem,
                                         uint8_t ret_fingerprint[32], struct err_detail *detail);
/* Packages that were imported before stay. */
MUST_CHECK enum err factory_packager_remove(struct factory *factory, const char *name,
                                            struct err_detail *detail);
/* In order of names; borrowed for the call. An error of `each` ends the walk and is returned. */
MUST_CHECK enum err factory_packager_each(struct factory *factory, factory_packager_fn *each,
                                          void *ctx, struct err_detail *detail);

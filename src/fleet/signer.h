#pragma once

#include "fleet/fleet.h"

/* Factories whose device_keys.xml is believed: their server's public keys, for one network or for
 * all. Where a network has any, what none of them signed is not imported into it. */

struct fleet_signer {
    char name[FLEET_NAME_MAX + 1];
    char network[FLEET_NAME_MAX + 1]; /* "": all */
    uint8_t fingerprint[32];          /* SHA-256 of its SubjectPublicKeyInfo */
    int64_t created;
    char created_by[VAULT_ACTOR_MAX + 1];
};
typedef enum err fleet_signer_fn(void *ctx, const struct fleet_signer *signer);

/* `pem`: an RSA public key, as `claviger server public-key` writes it at the factory. `network` may
 * be NULL: for all. ERR_EXISTS for a name that is known, and for a key that this network or all
 * have; ERR_NOT_FOUND for the network. */
MUST_CHECK enum err fleet_signer_add(const struct fleet_call *call, const char *name,
                                     const char *network, struct bytes pem,
                                     uint8_t ret_fingerprint[32], struct err_detail *detail);
MUST_CHECK enum err fleet_signer_remove(const struct fleet_call *call, const char *name,
                                        struct err_detail *detail);
/* In order of names; borrowed for the call. */
MUST_CHECK enum err fleet_signer_each(const struct fleet_call *call, fleet_signer_fn *each,
                                      void *ctx, struct err_detail *detail);

/* Who made the file at `path`, by the signature in the file at `sig_path` (NULL: none): the name of
 * one that `network` believes, "" where it has none. ERR_SIGNATURE where it has some and it is of
 * none of them; `source` is the file's name for that. Reads the file once, in flat memory. */
MUST_CHECK enum err fleet_signer_check(const struct fleet_call *call, uint32_t network,
                                       const char *path, const char *sig_path, const char *source,
                                       char ret_name[FLEET_NAME_MAX + 1],
                                       struct err_detail *detail);

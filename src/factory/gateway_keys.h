#pragma once

#include "factory/factory.h"

/* The gateway keys that come with a package (gw_keys.csv.aes): opened and sealed by the keeper at
 * the import, given to a station as a CMS for a key of the station's own. The engine has them
 * sealed only. */

/* As the package's row keeps them. */
struct factory_gateway_keys {
    char network[KEEPER_NAME_MAX + 1];
    char realm[KEEPER_NAME_MAX + 1];
    uint32_t domain, epoch; /* what they are sealed for; the row is the key's version */
    uint32_t gateway_version, cdld_version;
    struct keeper_made gateway, cdld;
};

/* All packages' keys are of one domain of this group, made with the first of them. */
#define FACTORY_DOMAIN_GROUP "factory"
MUST_CHECK enum err factory_gateway_domain(struct factory *factory, const struct fleet_call *call,
                                           uint32_t *ret_domain, struct err_detail *detail);
/* Walks the keys of revisions for the vault's reseal. For every daemon that has such a store,
 * whether it serves a factory now or not: a rotation that was cut off is finished at any start. */
struct vault_source factory_reseal_source(struct store *store);

/* The caller holds the domain until the keys are where a reseal finds them. `file` and its
 * `signature` by the KMS key (`signer`, PEM). ERR_SIGNATURE; ERR_DECRYPT where the passphrase is
 * wrong; ERR_SYNTAX. */
MUST_CHECK enum err factory_gateway_keys_open(struct factory *factory,
                                              const struct fleet_call *call, uint32_t domain,
                                              struct bytes file, struct bytes signature,
                                              struct bytes signer, struct bytes passphrase,
                                              struct err_detail *detail,
                                              struct factory_gateway_keys *ret_keys);

/* `recipient`: PEM of an RSA key that the station made for this. Appends the CMS to `cms`. The
 * record names the configuration, and the station by the call's actor. */
MUST_CHECK enum err factory_gateway_keys_give(struct factory *factory,
                                              const struct fleet_call *call,
                                              const struct factory_gateway_keys *keys,
                                              uint64_t config_id, struct bytes recipient,
                                              struct buf *cms, uint8_t ret_gateway_kcv[FACTORY_KCV],
                                              uint8_t ret_cdld_kcv[FACTORY_KCV],
                                              struct err_detail *detail);

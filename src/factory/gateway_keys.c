#include "factory/gateway_keys.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "factory/internal.h"
#include "vault/serial.h"

#define SERIAL "factory"

enum err factory_gateway_domain(struct factory *factory, const struct fleet_call *call,
                                uint32_t *ret_domain, struct err_detail *detail)
{
    uint32_t id = 0;
    enum err err = ERR_OK;
    (void)pthread_mutex_lock(&factory->commit);
    if (vault_domain_list(factory->vault, FACTORY_DOMAIN_GROUP, &id, 1) == 0)
        err = vault_domain_create(factory->vault, call->keeper, call->actor.name,
                                  FACTORY_DOMAIN_GROUP, detail, &id);
    (void)pthread_mutex_unlock(&factory->commit);
    TRY(err);
    *ret_domain = id;
    return ERR_OK;
}

static enum err check_signature(struct bytes file, struct bytes signature, struct bytes signer_pem,
                                struct err_detail *detail)
{
    AUTO(rsa_public_freep) struct rsa_public *signer = NULL;
    uint8_t digest[HASH_SHA256_SIZE];
    TRY(rsa_public_from_pem(signer_pem, &signer, detail));
    TRY(hash_sha256(&file, 1, digest));
    enum err err = rsa_verify_sha256(signer, digest, signature, detail);
    return err == ERR_SIGNATURE
               ? err_set(detail, err,
                         "gateway key file: not signed by the package's KMS key, or altered since")
               : err;
}

enum err factory_gateway_keys_open(struct factory *factory, const struct fleet_call *call,
                                   uint32_t domain, struct bytes file, struct bytes signature,
                                   struct bytes signer, struct bytes passphrase,
                                   struct err_detail *detail, struct factory_gateway_keys *ret_keys)
{
    struct factory_gateway_keys keys = {.domain = domain};
    struct keeper_gateway_file head;
    struct keeper_gateway_keys made;
    uint64_t epoch = 0;
    TRY(check_signature(file, signature, signer, detail));
    TRY(serial_take(factory->store, SERIAL, 1, &epoch, detail));
    if (epoch > UINT32_MAX)
        return err_set(detail, ERR_LIMIT, "no more serials of imports");
    keys.epoch = (uint32_t)epoch;
    TRY(keeper_import_gateway(call->keeper, call->actor.name, keys.domain, keys.epoch, file,
                              passphrase, &head, &made, detail));
    (void)snprintf(keys.network, sizeof keys.network, "%s", head.network);
    (void)snprintf(keys.realm, sizeof keys.realm, "%s", head.realm);
    keys.gateway_version = head.versions.gateway;
    keys.cdld_version = head.versions.cdld;
    keys.gateway = made.gateway;
    keys.cdld = made.cdld;
    *ret_keys = keys;
    return ERR_OK;
}

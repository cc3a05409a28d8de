#include <inttypes.h>
#include <stdio.h>

#include "crypto/rsa.h"
#include "factory/gateway_keys.h"

/* Only the recipient's public key and ciphertext pass through here. */

_Static_assert(FACTORY_KCV == KEEPER_KCV, "one check value");

static struct keeper_line_key key_of(const struct factory_gateway_keys *keys, uint32_t version,
                                     const struct keeper_made *made)
{
    return (struct keeper_line_key){version, keys->epoch, keeper_sealed_view(&made->sealed)};
}

enum err factory_gateway_keys_give(struct factory *factory, const struct fleet_call *call,
                                   const struct factory_gateway_keys *keys, uint64_t config_id,
                                   struct bytes recipient, struct buf *cms,
                                   uint8_t ret_gateway_kcv[FACTORY_KCV],
                                   uint8_t ret_cdld_kcv[FACTORY_KCV], struct err_detail *detail)
{
    (void)factory;
    char purpose[64];
    AUTO(rsa_public_freep) struct rsa_public *station = NULL;
    TRY(rsa_public_from_pem(recipient, &station, detail));
    (void)snprintf(purpose, sizeof purpose, "config 0x%016" PRIx64, config_id);
    const struct keeper_line_keys request = {
        .domain = keys->domain,
        .gateway = key_of(keys, keys->gateway_version, &keys->gateway),
        .cdld = key_of(keys, keys->cdld_version, &keys->cdld),
        .recipient = rsa_public_spki(station),
        .purpose = purpose,
    };
    return keeper_export_line(call->keeper, call->actor.name, &request, cms, ret_gateway_kcv,
                              ret_cdld_kcv, detail);
}

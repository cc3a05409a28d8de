#include "kmip/server/config.h"

#include "kmip/codec/table.h"
#include "kmip/op/op.h"

void kmip_config_default(struct kmip_config *ret_config)
{
    *ret_config = (struct kmip_config){
        .vendor = "Claviger",
        /* what the profiles' transcripts have; the truth about a token is the operator's to say */
        .rng = {.algorithm = KMIP_RNG_ALGORITHM_ANSI_X9_31,
                .crypto_alg = KMIP_CRYPTOGRAPHIC_ALGORITHM_AES,
                .bits = 256,
                .prediction_resistance = -1},
        .unwrap_mode = KMIP_UNWRAP_MODE_PROCESSED,
        .destroy_action = KMIP_DESTROY_ACTION_KEY_MATERIAL_DELETED,
        .shredding = KMIP_SHREDDING_ALGORITHM_CRYPTOGRAPHIC,
        .rng_mode = KMIP_RNG_MODE_SHARED_INSTANTIATION,
        .streaming = true,
        .asynchronous = true,
        .batch_undo = true,
        .batch_continue = true,
        .version_min = KMIP_1_0,
        .version_max = KMIP_2_1,
        .message_max = KMIP_MESSAGE_MAX_DEFAULT,
        .response_max = KMIP_RESPONSE_MAX,
        .arena_max = KMIP_ARENA_MAX,
        .batch_max = KMIP_BATCH_MAX,
        .locate_max = 1000,
        .lease_s = 3600,
        .rng_seed = KMIP_SEED_TAKEN,
        .export_secrets = true,
    };
}

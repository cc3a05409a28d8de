#include "kmip/op/crypto_ops.h"
#include "kmip/op/refuse.h"
#include "kmip/server/config.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* RNG Retrieve and RNG Seed (KMIP 1.4, 4.35 and 4.36; 2.1, 6.1.49 and 6.1.50). */

#define RNG_RETRIEVE_MAX 65536 /* bytes of one request */
#define RNG_SEED_MAX     65536

enum err kmip_op_rng_retrieve(struct kmip_call *call)
{
    struct kmip_request *request = call->request;
    TRY(kmip_may(call, VAULT_MAY_USE));
    int64_t len = kmip_num(call->in, KMIP_TAG_DATA_LENGTH, 0);
    if (len < 1 || len > RNG_RETRIEVE_MAX)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "Data Length is 1 to %d",
                         RNG_RETRIEVE_MAX);
    struct buf data = {0};
    enum err err = keeper_random(request->env->keeper, request->client->name, (size_t)len, &data,
                                 &call->detail);
    if (err == ERR_OK) {
        struct kmip_node *node = kmip_put_bytes_copy(kmip_out(call), call->out, KMIP_TAG_DATA,
                                                     KMIP_BYTE_STRING, buf_view(&data));
        if (node != NULL)
            node->secret = true;
        err = kmip_out(call)->err;
    }
    buf_done(&data);
    return err;
}

enum err kmip_op_rng_seed(struct kmip_call *call)
{
    struct kmip_request *request = call->request;
    TRY(kmip_may(call, VAULT_MAY_USE));
    struct bytes data = kmip_bytes(call->in, KMIP_TAG_DATA);
    if (data.data == NULL)
        return kmip_fail(call, KMIP_REASON_MISSING_DATA, "no Data");
    if (data.len > RNG_SEED_MAX)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "at most %d bytes", RNG_SEED_MAX);
    size_t used = data.len;
    switch (request->env->config->rng_seed) {
    case KMIP_SEED_REFUSED:
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "seeding is not allowed");
    case KMIP_SEED_IGNORED: used = 0; break;
    case KMIP_SEED_HALF: used = data.len / 2; break;
    case KMIP_SEED_TAKEN: break;
    }
    if (used > 0)
        TRY(keeper_random_seed(request->env->keeper, request->client->name,
                               bytes_of(data.data, used), &call->detail));
    (void)kmip_put_int(kmip_out(call), call->out, KMIP_TAG_DATA_LENGTH, (int32_t)used);
    return kmip_out(call)->err;
}

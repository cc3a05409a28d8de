#include "kmip/op/refuse.h"

#include "kmip_enums.h"

enum err kmip_wrong_type(struct kmip_call *call)
{
    bool v2 = call->request->version >= KMIP_2_0;
    return kmip_fail(call, v2 ? KMIP_REASON_INVALID_OBJECT_TYPE : KMIP_REASON_PERMISSION_DENIED,
                     "the object is of no type for this operation");
}

static enum err translate(struct kmip_call *call, enum err err)
{
    switch (err) {
    case ERR_UNSUPPORTED:
        return kmip_fail(call, KMIP_REASON_UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
                         "this algorithm, mode, padding or hash is not served");
    case ERR_ARGUMENT:
        return kmip_fail(call, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS,
                         "the parameters do not go with the key or the data");
    case ERR_DECRYPT:
    case ERR_KEY_FORM:
    case ERR_CRYPTO:
        return kmip_fail(call, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "cryptographic failure");
    case ERR_LIMIT: return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "too much data");
    default: return err;
    }
}

enum err kmip_crypto_failed(struct kmip_call *call, enum err err)
{
    if (call->reason != 0)
        return err;
    /* The client learns the reason, the operator what it was. */
    struct err_detail why = call->detail;
    enum err answer = translate(call, err);
    if (why.code != ERR_OK)
        call->detail = why;
    return answer;
}

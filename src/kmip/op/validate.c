#include "crypto/certs.h"
#include "kmip/op/ca.h"
#include "kmip/op/crypto_ops.h"
#include "kmip/op/make.h"
#include "kmip/op/refuse.h"
#include "kmip/server/config.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Validate (KMIP 1.4, 4.24; 2.1, 6.1.57). A chain ends at a self-signed certificate among those
 * that are given, or at the built-in authority; a registered one that was revoked spoils it. */

struct chain {
    struct bytes certificates[CERTS_CHAIN_MAX];
    size_t count;
    bool revoked;
};

static enum err add(struct kmip_call *call, struct chain *chain, struct bytes der)
{
    struct certs_info *info = arena_take(kmip_arena(call), sizeof(*info));
    if (info == NULL)
        return ERR_NO_MEMORY;
    if (chain->count == CERTS_CHAIN_MAX)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "more than %d certificates",
                         CERTS_CHAIN_MAX);
    if (certs_parse(der, info, &call->detail) != ERR_OK)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "not an X.509 certificate");
    chain->certificates[chain->count++] = der;
    return ERR_OK;
}

static enum err add_given(struct kmip_call *call, struct chain *chain)
{
    const struct kmip_node *n = kmip_child(call->in, KMIP_TAG_CERTIFICATE);
    for (; n != NULL; n = kmip_again(n)) {
        if (kmip_enum(n, KMIP_TAG_CERTIFICATE_TYPE, 0) != KMIP_CERTIFICATE_TYPE_X_509)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                             "only X.509 certificates are validated");
        TRY(add(call, chain, kmip_bytes(n, KMIP_TAG_CERTIFICATE_VALUE)));
    }
    return ERR_OK;
}

static enum err add_registered(struct kmip_call *call, struct chain *chain, struct bytes uid)
{
    struct vault_object object;
    TRY(kmip_get_object(call, uid, &object));
    if (object.type != KMIP_OBJECT_CERTIFICATE)
        return kmip_wrong_type(call);
    if (object.archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "a certificate is archived");
    uint32_t state = vault_object_state(&object, call->request->now);
    if (state == KMIP_STATE_DESTROYED || state == KMIP_STATE_DESTROYED_COMPROMISED)
        return kmip_fail(call, KMIP_REASON_OBJECT_DESTROYED, "a certificate is destroyed");
    chain->revoked =
        chain->revoked || state == KMIP_STATE_COMPROMISED || state == KMIP_STATE_DEACTIVATED;
    return add(call, chain, object.value);
}

static enum err judge(struct kmip_call *call, const struct chain *chain, int64_t when,
                      enum certs_verdict *ret_verdict)
{
    const struct kmip_ca *ca = call->request->env->config->ca;
    enum certs_verdict verdict = CERTS_UNKNOWN;
    TRY(certs_verify(chain->certificates, chain->count, NULL, 0, when, &verdict, &call->detail));
    if (verdict == CERTS_UNKNOWN && ca != NULL) {
        struct bytes root = buf_view(&ca->certificate);
        TRY(certs_verify(chain->certificates, chain->count, &root, 1, when, &verdict,
                         &call->detail));
    }
    *ret_verdict = chain->revoked && verdict == CERTS_VALID ? CERTS_INVALID : verdict;
    return ERR_OK;
}

enum err kmip_op_validate(struct kmip_call *call)
{
    struct chain *chain = arena_take(kmip_arena(call), sizeof(*chain));
    if (chain == NULL)
        return ERR_NO_MEMORY;
    TRY(add_given(call, chain));
    const struct kmip_node *uid = kmip_child(call->in, KMIP_TAG_UNIQUE_IDENTIFIER);
    for (; uid != NULL; uid = kmip_again(uid)) {
        if (uid->type != KMIP_TEXT_STRING)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "certificates are named by text");
        TRY(add_registered(call, chain, uid->bytes));
    }
    if (chain->count == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no certificate is given or named");
    int64_t when = kmip_num(call->in, KMIP_TAG_VALIDITY_DATE, call->request->now);
    enum certs_verdict verdict = CERTS_UNKNOWN;
    TRY(judge(call, chain, when, &verdict));
    (void)kmip_put_enum(kmip_out(call), call->out, KMIP_TAG_VALIDITY_INDICATOR, verdict);
    return kmip_out(call)->err;
}

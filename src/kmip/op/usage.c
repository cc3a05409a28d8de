#include "kmip/codec/table.h"
#include "kmip/op/make.h"
#include "kmip/op/ops.h"
#include "kmip/server/config.h"

/* Check, Obtain Lease, Get Usage Allocation (KMIP 1.4, 4.10, 4.17, 4.18; 2.1, 6.1.7, 6.1.37,
 * 6.1.23). */

static enum err find(struct kmip_call *call, struct vault_object *ret_object)
{
    TRY(kmip_find_object(call, ret_object));
    if (ret_object->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    return ERR_OK;
}

enum err kmip_op_check(struct kmip_call *call)
{
    struct vault_object object;
    const int64_t mask = kmip_num(call->in, KMIP_TAG_CRYPTOGRAPHIC_USAGE_MASK, 0);
    const int64_t count = kmip_num(call->in, KMIP_TAG_USAGE_LIMITS_COUNT, -1);
    const int64_t lease = kmip_num(call->in, KMIP_TAG_LEASE_TIME, -1);
    const uint32_t lease_s = call->request->env->config->lease_s;
    TRY(find(call, &object));
    if (object.type == KMIP_OBJECT_TEMPLATE)
        return kmip_fail(call, KMIP_REASON_INVALID_OBJECT_TYPE, "a template is not used");
    if (((uint32_t)mask & object.mask) != (uint32_t)mask)
        return kmip_fail(call, KMIP_REASON_INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
                         "the object is not for that use");
    if (count >= 0 && object.usage_total >= 0 && count > object.usage_left)
        return kmip_fail(call, KMIP_REASON_USAGE_LIMIT_EXCEEDED, "fewer units are left");
    if (lease > 0 && lease_s != 0 && lease > lease_s)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "no lease is that long");
    kmip_put_uid(call, object.uid);
    return ERR_OK;
}

enum err kmip_op_obtain_lease(struct kmip_call *call)
{
    struct vault_object object;
    const uint32_t lease_s = call->request->env->config->lease_s;
    TRY(find(call, &object));
    switch (vault_object_state(&object, call->request->now)) {
    case KMIP_STATE_PRE_ACTIVE:
    case KMIP_STATE_ACTIVE:
    case KMIP_STATE_DEACTIVATED: break;
    default: return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "no lease in this state");
    }
    if (lease_s == 0 || object.type == KMIP_OBJECT_TEMPLATE)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "no leases are given");
    kmip_put_uid(call, object.uid);
    kmip_put_num(kmip_out(call), call->out, KMIP_TAG_LEASE_TIME, KMIP_INTERVAL, lease_s);
    kmip_put_date(kmip_out(call), call->out, KMIP_TAG_LAST_CHANGE_DATE, object.last_change);
    return ERR_OK;
}

static enum err allocate(struct kmip_change *change, void *ctx)
{
    struct kmip_call *call = change->call;
    const int64_t count = *(const int64_t *)ctx;
    struct kmip_attr *a = kmip_attr_find(change->attrs, KMIP_TAG_USAGE_LIMITS);
    const uint32_t protects = KMIP_MASK_ENCRYPT | KMIP_MASK_SIGN | KMIP_MASK_WRAP_KEY |
                              KMIP_MASK_MAC_GENERATE | KMIP_MASK_CERTIFICATE_SIGN |
                              KMIP_MASK_CRL_SIGN | KMIP_MASK_CONTENT_COMMITMENT;
    change->quiet = true;
    if (change->object->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    if (a == NULL || (change->object->mask & protects) == 0)
        return kmip_fail(call,
                         call->request->version < KMIP_2_0 ? KMIP_REASON_ILLEGAL_OPERATION
                                                           : KMIP_REASON_INVALID_FIELD,
                         "the object has no Usage Limits, or protects nothing");
    const int64_t left = kmip_num(a->value, KMIP_TAG_USAGE_LIMITS_COUNT, 0);
    if (count > left)
        return kmip_fail(call, KMIP_REASON_USAGE_LIMIT_EXCEEDED, "fewer units are left");
    struct kmip_build build = {.arena = kmip_arena(call)};
    struct kmip_node *value = kmip_put_copy(&build, NULL, 0, a->value);
    TRY(build.err);
    kmip_child(value, KMIP_TAG_USAGE_LIMITS_COUNT)->num = left - count;
    a->value = value;
    return ERR_OK;
}

enum err kmip_op_get_usage_allocation(struct kmip_call *call)
{
    struct vault_object object;
    int64_t count = kmip_num(call->in, KMIP_TAG_USAGE_LIMITS_COUNT, -1);
    const uint32_t most = call->request->env->config->usage_chunk_max;
    TRY(kmip_may(call, VAULT_MAY_USE));
    TRY(find(call, &object));
    if (count <= 0)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Usage Limits Count");
    if (most != 0 && count > most)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "not so many units at a time");
    TRY(kmip_object_change(call, bytes_str(object.uid), allocate, &count));
    kmip_put_uid(call, object.uid);
    return ERR_OK;
}

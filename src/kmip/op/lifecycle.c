#include "kmip/codec/table.h"
#include "kmip/op/make.h"
#include "kmip/op/ops.h"
#include "kmip/op/placement.h"
#include "vault/object_tx.h"

/* Activate, Revoke, Destroy (KMIP 1.4, 4.19 to 4.21; 2.1, 6.1.1, 6.1.50, 6.1.15) and the states of
 * 1.4, 3.22. */

static enum err find_for(struct kmip_call *call, enum vault_client_may may,
                         struct vault_object *ret_object)
{
    TRY(kmip_may(call, may));
    return kmip_find_object(call, ret_object);
}

static enum err not_archived(struct kmip_call *call, const struct vault_object *object)
{
    if (object->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    return ERR_OK;
}

static enum err wrong_state(struct kmip_call *call, const char *text)
{
    return kmip_fail(call, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "%s", text);
}

static enum err activate(struct kmip_change *change, void *ctx)
{
    struct kmip_call *call = change->call;
    const int64_t now = call->request->now;
    (void)ctx;
    TRY(not_archived(call, change->object));
    if (change->object->type == KMIP_OBJECT_TEMPLATE)
        return kmip_fail(call, KMIP_REASON_INVALID_OBJECT_TYPE, "a template can't be activated");
    if (vault_object_state(change->object, now) != KMIP_STATE_PRE_ACTIVE)
        return wrong_state(call, "the object is not Pre-Active");
    TRY(kmip_attr_set_num(change->attrs, KMIP_TAG_ACTIVATION_DATE, KMIP_DATE_TIME, now));
    return kmip_attr_set_num(change->attrs, KMIP_TAG_STATE, KMIP_ENUMERATION, KMIP_STATE_ACTIVE);
}

enum err kmip_op_activate(struct kmip_call *call)
{
    struct vault_object object;
    TRY(find_for(call, VAULT_MAY_MANAGE, &object));
    TRY(kmip_object_change(call, bytes_str(object.uid), activate, NULL));
    kmip_put_uid(call, object.uid);
    return ERR_OK;
}

static enum err revoke_reason(struct kmip_change *change, const struct kmip_node *reason)
{
    struct kmip_build build = {.arena = kmip_arena(change->call)};
    struct kmip_node *copy = kmip_put_copy(&build, NULL, KMIP_TAG_REVOCATION_REASON, reason);
    TRY(build.err);
    return kmip_attr_set(change->attrs, KMIP_TAG_REVOCATION_REASON, copy);
}

static enum err compromise(struct kmip_change *change, uint32_t state)
{
    struct kmip_call *call = change->call;
    const bool gone = state == KMIP_STATE_DESTROYED || state == KMIP_STATE_DESTROYED_COMPROMISED;
    /* KMIP 1.4, 4.20: without a date of occurrence it is the one of creation */
    const int64_t occurred =
        kmip_num(call->in, KMIP_TAG_COMPROMISE_OCCURRENCE_DATE, change->object->initial);
    TRY(kmip_attr_set_num(change->attrs, KMIP_TAG_COMPROMISE_DATE, KMIP_DATE_TIME,
                          call->request->now));
    TRY(kmip_attr_set_num(change->attrs, KMIP_TAG_COMPROMISE_OCCURRENCE_DATE, KMIP_DATE_TIME,
                          occurred));
    return kmip_attr_set_num(change->attrs, KMIP_TAG_STATE, KMIP_ENUMERATION,
                             gone ? KMIP_STATE_DESTROYED_COMPROMISED : KMIP_STATE_COMPROMISED);
}

static enum err revoke(struct kmip_change *change, void *ctx)
{
    struct kmip_call *call = change->call;
    const struct kmip_node *reason = ctx;
    const int64_t now = call->request->now;
    TRY(not_archived(call, change->object));
    if (change->object->type == KMIP_OBJECT_TEMPLATE)
        return kmip_fail(call, KMIP_REASON_INVALID_OBJECT_TYPE, "a template can't be revoked");
    const uint32_t state = vault_object_state(change->object, now);
    const uint32_t code = kmip_enum(reason, KMIP_TAG_REVOCATION_REASON_CODE, 0);
    TRY(revoke_reason(change, reason));
    if (code == KMIP_REVOCATION_REASON_CODE_KEY_COMPROMISE ||
        code == KMIP_REVOCATION_REASON_CODE_CA_COMPROMISE)
        return compromise(change, state);
    switch (state) {
    case KMIP_STATE_PRE_ACTIVE: /* 4.20 names no state it could not be done in */
    case KMIP_STATE_ACTIVE: break;
    case KMIP_STATE_DEACTIVATED:
    case KMIP_STATE_COMPROMISED: return ERR_OK;
    default: return kmip_fail(call, KMIP_REASON_OBJECT_DESTROYED, "the object is destroyed");
    }
    TRY(kmip_attr_set_num(change->attrs, KMIP_TAG_DEACTIVATION_DATE, KMIP_DATE_TIME, now));
    return kmip_attr_set_num(change->attrs, KMIP_TAG_STATE, KMIP_ENUMERATION,
                             KMIP_STATE_DEACTIVATED);
}

enum err kmip_op_revoke(struct kmip_call *call)
{
    struct vault_object object;
    struct kmip_node *reason = kmip_child(call->in, KMIP_TAG_REVOCATION_REASON);
    const uint32_t code = kmip_enum(reason, KMIP_TAG_REVOCATION_REASON_CODE, 0);
    TRY(find_for(call, VAULT_MAY_MANAGE, &object));
    if (code == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Revocation Reason Code");
    if (!kmip_enum_known(KMIP_TAG_REVOCATION_REASON_CODE, code, call->request->version))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "unknown Revocation Reason Code");
    TRY(kmip_object_change(call, bytes_str(object.uid), revoke, reason));
    kmip_put_uid(call, object.uid);
    return ERR_OK;
}

static enum err destroy(struct kmip_change *change, void *ctx)
{
    struct kmip_call *call = change->call;
    struct vault_object *object = change->object;
    (void)ctx;
    TRY(not_archived(call, object));
    uint32_t to = KMIP_STATE_DESTROYED;
    switch (object->type == KMIP_OBJECT_TEMPLATE ? KMIP_STATE_PRE_ACTIVE
                                                 : vault_object_state(object, call->request->now)) {
    case KMIP_STATE_PRE_ACTIVE:
    case KMIP_STATE_DEACTIVATED:
        if (object->state == KMIP_STATE_DESTROYED)
            return wrong_state(call, "the object is destroyed already");
        break;
    case KMIP_STATE_COMPROMISED: to = KMIP_STATE_DESTROYED_COMPROMISED; break;
    case KMIP_STATE_ACTIVE: return wrong_state(call, "the object is Active: revoke it first");
    default:
        return kmip_fail(call, KMIP_REASON_OBJECT_DESTROYED, "the object is destroyed already");
    }
    object->value = (struct bytes){0};
    /* Of a key in the token the record says where it lies: it goes when the key has gone. */
    if (object->placement != VAULT_IN_TOKEN)
        object->sealed = (struct bytes){0};
    object->state = to;
    TRY(kmip_attr_set_num(change->attrs, KMIP_TAG_DESTROY_DATE, KMIP_DATE_TIME,
                          call->request->now));
    if (object->type == KMIP_OBJECT_TEMPLATE)
        return ERR_OK;
    return kmip_attr_set_num(change->attrs, KMIP_TAG_STATE, KMIP_ENUMERATION, to);
}

/* The object is destroyed in the store; now its key in the token. In a batch that may be undone it
 * has to wait for the end. */
static enum err destroy_in_token(struct kmip_call *call, const struct vault_object *object)
{
    const struct keeper_object key = kmip_keeper_object(object);
    if (call->request->deferred != NULL)
        return kmip_destroy_later(call, &key);
    return vault_object_token_gone(call->request->env->objects, call->request->env->keeper,
                                   kmip_actor(call), &key, &call->detail);
}

enum err kmip_op_destroy(struct kmip_call *call)
{
    struct vault_object object;
    TRY(find_for(call, VAULT_MAY_DESTROY, &object));
    const bool gone =
        object.state == KMIP_STATE_DESTROYED || object.state == KMIP_STATE_DESTROYED_COMPROMISED;
    const bool in_token = object.placement == VAULT_IN_TOKEN && object.sealed.len != 0;
    /* One whose key the token did not give up then (it was away, or the server fell) is ended: now,
     * or by the server's timer. */
    if (!gone || !in_token)
        TRY(kmip_object_change(call, bytes_str(object.uid), destroy, NULL));
    if (in_token)
        TRY(destroy_in_token(call, &object));
    kmip_put_uid(call, object.uid);
    return ERR_OK;
}

struct archive_ctx {
    bool archive;
};

static enum err archive(struct kmip_change *change, void *ctx)
{
    const struct archive_ctx *c = ctx;
    if (c->archive)
        TRY(not_archived(change->call, change->object));
    if (change->object->archived == c->archive) {
        change->nothing = true;
        return ERR_OK;
    }
    change->object->archived = c->archive;
    if (!c->archive) {
        kmip_attr_remove_all(change->attrs, KMIP_TAG_ARCHIVE_DATE);
        return ERR_OK;
    }
    return kmip_attr_set_num(change->attrs, KMIP_TAG_ARCHIVE_DATE, KMIP_DATE_TIME,
                             change->call->request->now);
}

static enum err do_archive(struct kmip_call *call, bool on)
{
    struct archive_ctx ctx = {on};
    struct vault_object object;
    TRY(find_for(call, VAULT_MAY_MANAGE, &object));
    TRY(kmip_object_change(call, bytes_str(object.uid), archive, &ctx));
    kmip_put_uid(call, object.uid);
    return ERR_OK;
}

enum err kmip_op_archive(struct kmip_call *call)
{
    return do_archive(call, true);
}

enum err kmip_op_recover(struct kmip_call *call)
{
    return do_archive(call, false);
}

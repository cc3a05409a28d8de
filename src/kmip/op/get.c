#include "kmip/codec/table.h"
#include "kmip/op/make.h"
#include "kmip/op/ops.h"
#include "kmip/op/value.h"
#include "vault/served.h"

/* Get (KMIP 1.4, 4.11; 2.1, 6.1.19). */

static enum err no_longer_fresh(struct kmip_change *change, void *ctx)
{
    (void)ctx;
    change->quiet = true;
    if (kmip_attr_num(change->attrs, KMIP_TAG_FRESH, 0) == 0) {
        change->nothing = true;
        return ERR_OK;
    }
    return kmip_attr_set_num(change->attrs, KMIP_TAG_FRESH, KMIP_BOOLEAN, 0);
}

enum err kmip_gettable(struct kmip_call *call, const struct vault_object *object)
{
    if (object->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    if (object->state == KMIP_STATE_DESTROYED || object->state == KMIP_STATE_DESTROYED_COMPROMISED)
        return kmip_fail(call,
                         call->request->version < KMIP_2_0 ? KMIP_REASON_ILLEGAL_OPERATION
                                                           : KMIP_REASON_OBJECT_DESTROYED,
                         "the object is destroyed");
    return ERR_OK;
}

enum err kmip_served_now(struct kmip_call *call, const struct vault_object *object,
                         const struct kmip_attrs *attrs)
{
    if (kmip_attr_num(attrs, KMIP_TAG_FRESH, 0) == 0)
        return ERR_OK;
    /* Who takes fresh members of a group takes each once, so that is durable before the answer. */
    if (kmip_attr_find(attrs, KMIP_TAG_OBJECT_GROUP) == NULL) {
        vault_served_mark(vault_objects_served(call->request->env->objects), object->id);
        return ERR_OK;
    }
    return kmip_object_change(call, bytes_str(object->uid), no_longer_fresh, NULL);
}

enum err kmip_op_get(struct kmip_call *call)
{
    struct vault_object object;
    struct kmip_attrs attrs;
    const struct kmip_value_as as = {
        .format = kmip_enum(call->in, KMIP_TAG_KEY_FORMAT_TYPE, 0),
        .compression = kmip_enum(call->in, KMIP_TAG_KEY_COMPRESSION_TYPE, 0),
        .wrapping = kmip_child(call->in, KMIP_TAG_KEY_WRAPPING_SPECIFICATION),
    };
    TRY(kmip_may(call, VAULT_MAY_READ));
    TRY(kmip_find_object(call, &object));
    TRY(kmip_gettable(call, &object));
    /* a wrapped key may have attributes beside it, any of them */
    TRY(as.wrapping != NULL ? kmip_object_attrs(call, &object, &attrs)
                            : kmip_object_attrs_kept(call, &object, &attrs));
    kmip_put_enum(kmip_out(call), call->out, KMIP_TAG_OBJECT_TYPE, object.type);
    kmip_put_uid(call, object.uid);
    TRY(kmip_value_put(call, &object, &attrs, &as));
    return kmip_served_now(call, &object, &attrs);
}

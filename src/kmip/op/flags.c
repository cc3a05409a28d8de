#include "kmip/op/flags.h"

#include "kmip/codec/table.h"

static uint32_t flags_of(const struct kmip_attrs *attrs)
{
    uint32_t flags = 0;
    if (kmip_attr_num(attrs, KMIP_TAG_SENSITIVE, 0) != 0)
        flags |= KEEPER_NO_RELEASE;
    if (kmip_attr_num(attrs, KMIP_TAG_EXTRACTABLE, 1) == 0)
        flags |= KEEPER_NO_EXTRACT;
    return flags;
}

/* What the stored object had, which the list no longer says. */
static enum err flags_before(struct kmip_change *change, uint32_t *ret_flags)
{
    struct kmip_attrs before;
    TRY(kmip_object_attrs(change->call, change->object, &before));
    *ret_flags = flags_of(&before);
    return ERR_OK;
}

enum err kmip_flags_changed(struct kmip_change *change)
{
    struct kmip_call *call = change->call;
    const uint32_t after = flags_of(change->attrs);
    uint32_t before = 0;
    TRY(flags_before(change, &before));
    if (after == before || change->object->sealed.len == 0)
        return ERR_OK;
    if ((before & ~after) != 0)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED,
                         "an object does not become less secret");
    const struct kmip_reflag *reflag = call->reflag;
    if (reflag == NULL || reflag->flags != after ||
        !bytes_equal(reflag->of, change->object->sealed)) {
        call->need_flags = after;
        return err_set(&call->detail, ERR_STATE, "the record needs other flags");
    }
    change->object->sealed = reflag->sealed;
    return ERR_OK;
}

enum err kmip_flags_change(struct kmip_call *call, const struct vault_object *object,
                           kmip_change_fn *fn, void *ctx)
{
    AUTO(buf_done) struct buf sealed = {0};
    call->need_flags = 0;
    call->reflag = NULL;
    enum err err = kmip_object_change(call, bytes_str(object->uid), fn, ctx);
    if (err == ERR_OK || call->need_flags == 0)
        return err;
    const struct keeper_object key = kmip_keeper_object(object);
    TRY(keeper_object_reflag(call->request->env->keeper, kmip_actor(call), &key, call->need_flags,
                             key.row, &sealed, &call->detail));
    const struct kmip_reflag reflag = {call->need_flags, object->sealed, buf_view(&sealed)};
    call->reflag = &reflag;
    call->need_flags = 0;
    err = kmip_object_change(call, bytes_str(object->uid), fn, ctx);
    call->reflag = NULL;
    return err;
}

#include "kmip/codec/table.h"
#include "kmip/op/make.h"
#include "kmip/op/ops.h"
#include "kmip/op/placement.h"

/* Create (KMIP 1.4, 4.1; 2.1, 6.1.8). */

static uint32_t default_bits(uint32_t alg)
{
    switch (alg) {
    case ALG_DES3: return 168;
    case ALG_DES: return 56;
    case ALG_CHACHA20:
    case ALG_POLY1305:
    case ALG_CHACHA20POLY1305: return 256;
    default: return 0;
    }
}

static enum err check(struct kmip_call *call, const struct kmip_new *new,
                      struct keeper_object_spec *spec)
{
    const struct kmip_attrs *attrs = &new->attrs;
    if (new->object.type == KMIP_OBJECT_SYMMETRIC_KEY) {
        if (spec->alg == 0)
            return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE,
                             "a symmetric key needs a Cryptographic Algorithm");
        if (kmip_attr_find(attrs, KMIP_TAG_CRYPTOGRAPHIC_USAGE_MASK) == NULL)
            return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE,
                             "a symmetric key needs a Cryptographic Usage Mask");
    }
    if (spec->bits == 0)
        spec->bits = default_bits(spec->alg);
    if (spec->bits == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Cryptographic Length");
    return ERR_OK;
}

static enum err create(struct kmip_call *call, struct kmip_new *new, uint32_t type)
{
    const struct kmip_node *const containers[] = {
        kmip_child(call->in, KMIP_TAG_TEMPLATE_ATTRIBUTE),
        kmip_child(call->in, KMIP_TAG_ATTRIBUTES),
    };
    struct keeper_object_spec spec;
    TRY(kmip_new_begin(call, type, containers, ARRAY_LEN(containers), new));
    TRY(kmip_place(call, new, kmip_child(call->in, KMIP_TAG_PROTECTION_STORAGE_MASKS)));
    TRY(kmip_new_spec(call, new, &spec));
    TRY(check(call, new, &spec));
    new->format = FORMAT_RAW;
    if (type == KMIP_OBJECT_SECRET_DATA)
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_SECRET_DATA_TYPE, KMIP_ENUMERATION,
                              KMIP_SECRET_DATA_TYPE_SEED));
    TRY(kmip_new_promise(call, new, &spec));
    const struct keeper_object object = kmip_new_object(new);
    struct keeper_object_made made = {.sealed = &new->sealed};
    const enum err err = keeper_object_generate(call->request->env->keeper, kmip_actor(call),
                                                &object, &spec, &made, &call->detail);
    if (err != ERR_OK)
        return kmip_made_error(call, err);
    if (made.bits == 0)
        made.bits = spec.bits;
    TRY(kmip_new_made(call, new, &made));
    TRY(kmip_new_generated(call, new));
    return kmip_new_insert(call, new, 1, NULL, NULL);
}

enum err kmip_op_create(struct kmip_call *call)
{
    const uint32_t type = kmip_enum(call->in, KMIP_TAG_OBJECT_TYPE, 0);
    if (type != KMIP_OBJECT_SYMMETRIC_KEY && type != KMIP_OBJECT_SECRET_DATA)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "objects of this type are not created");
    struct kmip_new new = {0};
    const enum err err = create(call, &new, type);
    if (err == ERR_OK) {
        kmip_put_enum(kmip_out(call), call->out, KMIP_TAG_OBJECT_TYPE, type);
        kmip_put_uid(call, new.object.uid);
    } else {
        kmip_new_abandon(call, &new);
    }
    kmip_new_done(&new);
    return err;
}

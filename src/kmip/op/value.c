#include "kmip/op/value.h"

#include "kmip/codec/table.h"
#include "kmip/op/key_block.h"
#include "kmip/op/key_wrap.h"
#include "kmip/op/refuse.h"
#include "kmip/server/config.h"

uint32_t kmip_value_tag(uint32_t object_type)
{
    switch (object_type) {
    case KMIP_OBJECT_CERTIFICATE: return KMIP_TAG_CERTIFICATE;
    case KMIP_OBJECT_SYMMETRIC_KEY: return KMIP_TAG_SYMMETRIC_KEY;
    case KMIP_OBJECT_PUBLIC_KEY: return KMIP_TAG_PUBLIC_KEY;
    case KMIP_OBJECT_PRIVATE_KEY: return KMIP_TAG_PRIVATE_KEY;
    case KMIP_OBJECT_SPLIT_KEY: return KMIP_TAG_SPLIT_KEY;
    case KMIP_OBJECT_TEMPLATE: return KMIP_TAG_TEMPLATE;
    case KMIP_OBJECT_SECRET_DATA: return KMIP_TAG_SECRET_DATA;
    case KMIP_OBJECT_OPAQUE_OBJECT: return KMIP_TAG_OPAQUE_OBJECT;
    case KMIP_OBJECT_PGP_KEY: return KMIP_TAG_PGP_KEY;
    case KMIP_OBJECT_CERTIFICATE_REQUEST: return KMIP_TAG_CERTIFICATE_REQUEST;
    default: return 0;
    }
}

/* A MAC or signature hides nothing. */
static bool is_hidden(const struct kmip_node *specification)
{
    return kmip_enum(specification, KMIP_TAG_WRAPPING_METHOD, 0) != KMIP_WRAPPING_METHOD_MAC_SIGN;
}

/* Both attributes hold for any kind of object, a public key too. */
static enum err attributes_allow(struct kmip_call *call, const struct kmip_attrs *attrs,
                                 bool wrapped)
{
    if (kmip_attr_num(attrs, KMIP_TAG_EXTRACTABLE, 1) == 0)
        return kmip_fail(call, KMIP_REASON_NOT_EXTRACTABLE, "the object is not Extractable");
    if (!wrapped && kmip_attr_num(attrs, KMIP_TAG_SENSITIVE, 0) != 0)
        return kmip_fail(call, KMIP_REASON_SENSITIVE, "the object is Sensitive");
    return ERR_OK;
}

static enum err may_leave(struct kmip_call *call, const struct kmip_attrs *attrs, bool wrapped)
{
    TRY(attributes_allow(call, attrs, wrapped));
    if (!wrapped && !call->request->env->config->export_secrets)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "keys don't leave in clear here");
    return ERR_OK;
}

/* Opens what is sealed; the caller's buffer is wiped when it is done. */
static enum err release(struct kmip_call *call, const struct vault_object *object,
                        const struct kmip_attrs *attrs, struct buf *material)
{
    TRY(may_leave(call, attrs, false));
    const struct keeper_object key = kmip_keeper_object(object);
    const enum err err = keeper_object_release(call->request->env->keeper, kmip_actor(call), &key,
                                               material, &call->detail);
    if (err == ERR_DENIED)
        return kmip_fail(call, KMIP_REASON_NOT_EXTRACTABLE, "the key may not leave");
    if (err == ERR_TOKEN_UNABLE)
        return kmip_fail(call, KMIP_REASON_NOT_EXTRACTABLE, "the token does not give the key");
    return err;
}

/* A field of the structure that is kept as an attribute without a rule. */
static void put_kept(struct kmip_call *call, struct kmip_node *to, const struct kmip_attrs *attrs,
                     uint32_t tag)
{
    const struct kmip_attr *a = kmip_attr_find(attrs, tag);
    if (a != NULL)
        kmip_put_copy(kmip_out(call), to, tag, a->value);
}

static void put_before_key(struct kmip_call *call, struct kmip_node *to,
                           const struct vault_object *object, const struct kmip_attrs *attrs)
{
    static const uint32_t split[] = {KMIP_TAG_SPLIT_KEY_PARTS, KMIP_TAG_KEY_PART_IDENTIFIER,
                                     KMIP_TAG_SPLIT_KEY_THRESHOLD, KMIP_TAG_SPLIT_KEY_METHOD,
                                     KMIP_TAG_PRIME_FIELD_SIZE};
    switch (object->type) {
    case KMIP_OBJECT_SECRET_DATA: put_kept(call, to, attrs, KMIP_TAG_SECRET_DATA_TYPE); break;
    case KMIP_OBJECT_PGP_KEY: put_kept(call, to, attrs, KMIP_TAG_PGP_KEY_VERSION); break;
    case KMIP_OBJECT_SPLIT_KEY:
        for (size_t i = 0; i < ARRAY_LEN(split); i++)
            put_kept(call, to, attrs, split[i]);
        break;
    default: break;
    }
}

static enum err put_key(struct kmip_call *call, const struct vault_object *object,
                        const struct kmip_attrs *attrs, const struct kmip_value_as *as,
                        struct kmip_node *to)
{
    put_before_key(call, to, object, attrs);
    if (kmip_attr_num(attrs, KMIP_TAG_KEY_VALUE_PRESENT, 1) == 0)
        return kmip_fail(call, KMIP_REASON_KEY_VALUE_NOT_PRESENT, "the key is kept elsewhere");
    if (as->wrapping != NULL) {
        TRY(may_leave(call, attrs, is_hidden(as->wrapping)));
        return kmip_key_wrap(call, object, attrs, as->wrapping, as->format, to);
    }
    if (object->type == KMIP_OBJECT_PUBLIC_KEY) {
        TRY(attributes_allow(call, attrs, false));
        return kmip_key_write(call, object, attrs, as->format, as->compression, object->value, to);
    }
    AUTO(buf_done) struct buf material = {0};
    TRY(release(call, object, attrs, &material));
    if (as->format == FORMAT_PKCS12)
        return kmip_value_pkcs12(call, object, attrs, buf_view(&material), to);
    return kmip_key_write(call, object, attrs, as->format, as->compression, buf_view(&material),
                          to);
}

static enum err put_certificate(struct kmip_call *call, const struct vault_object *object,
                                const struct kmip_attrs *attrs, const struct kmip_value_as *as,
                                struct kmip_node *to)
{
    struct kmip_build *out = kmip_out(call);
    const bool request = object->type == KMIP_OBJECT_CERTIFICATE_REQUEST;
    if (as->format != 0 && as->format != (request ? FORMAT_PKCS10 : FORMAT_X_509))
        return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                         "a certificate is not given in this format");
    const uint32_t type = request ? KMIP_TAG_CERTIFICATE_REQUEST_TYPE : KMIP_TAG_CERTIFICATE_TYPE;
    put_kept(call, to, attrs, type);
    kmip_put_bytes_copy(out, to,
                        request ? KMIP_TAG_CERTIFICATE_REQUEST_VALUE : KMIP_TAG_CERTIFICATE_VALUE,
                        KMIP_BYTE_STRING, object->value);
    return out->err;
}

static enum err put_opaque(struct kmip_call *call, const struct vault_object *object,
                           const struct kmip_attrs *attrs, struct kmip_node *to)
{
    AUTO(buf_done) struct buf material = {0};
    TRY(release(call, object, attrs, &material));
    put_kept(call, to, attrs, KMIP_TAG_OPAQUE_DATA_TYPE);
    struct kmip_node *value = kmip_put_bytes_copy(kmip_out(call), to, KMIP_TAG_OPAQUE_DATA_VALUE,
                                                  KMIP_BYTE_STRING, buf_view(&material));
    if (value != NULL)
        value->secret = true;
    return kmip_out(call)->err;
}

static enum err put_template(struct kmip_call *call, const struct vault_object *object,
                             struct kmip_node *to)
{
    struct kmip_attrs attrs = {.arena = kmip_arena(call)};
    TRY(kmip_attrs_decode(attrs.arena, object->value, &attrs, &call->detail));
    for (const struct kmip_attr *a = attrs.first; a != NULL; a = a->next)
        kmip_attr_put(kmip_out(call), to, call->request->version, a);
    return kmip_out(call)->err;
}

static bool has_key_block(uint32_t object_type)
{
    return object_type != KMIP_OBJECT_CERTIFICATE &&
           object_type != KMIP_OBJECT_CERTIFICATE_REQUEST &&
           object_type != KMIP_OBJECT_OPAQUE_OBJECT && object_type != KMIP_OBJECT_TEMPLATE;
}

enum err kmip_value_put(struct kmip_call *call, const struct vault_object *object,
                        const struct kmip_attrs *attrs, const struct kmip_value_as *as)
{
    struct kmip_node *to = kmip_put_struct(kmip_out(call), call->out, kmip_value_tag(object->type));
    /* What is asked for wrapped is not given in clear. */
    if (as->wrapping != NULL && !has_key_block(object->type))
        return kmip_wrong_type(call);
    switch (object->type) {
    case KMIP_OBJECT_CERTIFICATE:
    case KMIP_OBJECT_CERTIFICATE_REQUEST: return put_certificate(call, object, attrs, as, to);
    case KMIP_OBJECT_OPAQUE_OBJECT: return put_opaque(call, object, attrs, to);
    case KMIP_OBJECT_TEMPLATE: return put_template(call, object, to);
    default: return put_key(call, object, attrs, as, to);
    }
}

#include "kmip/op/key_block.h"

#include "crypto/keyform.h"
#include "kmip/codec/table.h"
#include "kmip/op/transparent.h"

const struct kmip_node *kmip_key_block(const struct kmip_node *object)
{
    return kmip_child(object, KMIP_TAG_KEY_BLOCK);
}

static enum err wrong_form(struct kmip_call *call, enum err err)
{
    switch (err) {
    case ERR_KEY_FORM:
    case ERR_MISMATCH:
    case ERR_ARGUMENT:
    case ERR_LIMIT:
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the key material is no such key");
    case ERR_UNSUPPORTED:
        return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                         "keys of this algorithm, curve or format are not served");
    default: return err;
    }
}

static enum err to_arena(struct kmip_call *call, struct bytes from, struct bytes *ret_to)
{
    const char *copy = arena_strndup(kmip_arena(call), from.data, from.len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    *ret_to = bytes_of(copy, from.len);
    return ERR_OK;
}

/* The algorithm that goes with a key's form, where the block names another of the same family. */
static uint32_t family(uint32_t alg)
{
    return alg == ALG_EC ? 0 : alg;
}

static enum err read_private(struct kmip_call *call, const struct kmip_node *material,
                             struct kmip_key_material *key)
{
    AUTO(secret_freep) struct secret *pkcs8 = NULL;
    struct keyform_info info = {0};
    enum err err;
    if (material->type == KMIP_STRUCTURE) {
        struct keyform_parts parts = {0};
        TRY(kmip_transparent_read(call, key->format, material, key->curve, &parts));
        err = keyform_private_of_parts(&parts, &pkcs8, &info, &call->detail);
    } else {
        const bool any = key->format == FORMAT_OPAQUE;
        err = keyform_private_in(any ? FORMAT_RAW : key->format, family(key->alg), key->curve,
                                 material->bytes, &pkcs8, &info, &call->detail);
        key->given = material->bytes;
    }
    if (err != ERR_OK)
        return wrong_form(call, err);
    key->alg = key->alg != 0 ? key->alg : info.alg;
    key->bits = info.bits;
    key->curve = info.curve;
    TRY(to_arena(call, secret_view(pkcs8), &key->material));
    return ERR_OK;
}

static enum err read_public(struct kmip_call *call, const struct kmip_node *material,
                            struct kmip_key_material *key)
{
    AUTO(buf_done) struct buf spki = {0};
    struct keyform_info info = {0};
    enum err err;
    if (material->type == KMIP_STRUCTURE) {
        struct keyform_parts parts = {0};
        TRY(kmip_transparent_read(call, key->format, material, key->curve, &parts));
        err = keyform_public_of_parts(&parts, &spki, &info, &call->detail);
    } else {
        const bool any = key->format == FORMAT_OPAQUE;
        err = keyform_public_in(any ? FORMAT_RAW : key->format, family(key->alg), key->curve,
                                material->bytes, &spki, &info, &call->detail);
        key->given = material->bytes;
    }
    if (err != ERR_OK)
        return wrong_form(call, err);
    key->alg = key->alg != 0 ? key->alg : info.alg;
    key->bits = info.bits;
    key->curve = info.curve;
    return to_arena(call, buf_view(&spki), &key->material);
}

/* Raw bytes: symmetric keys, secret data, split keys, PGP keys. */
static enum err read_plain(struct kmip_call *call, uint32_t type, const struct kmip_node *material,
                           struct kmip_key_material *key)
{
    if (material->type == KMIP_STRUCTURE) {
        if (key->format != FORMAT_TRANSPARENT_SYMMETRIC_KEY || type != KMIP_OBJECT_SYMMETRIC_KEY)
            return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                             "this Key Format Type is not one of this object type");
        key->material = kmip_bytes(material, KMIP_TAG_KEY);
    } else {
        if (key->format == FORMAT_TRANSPARENT_SYMMETRIC_KEY)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a transparent key is a structure");
        if (type == KMIP_OBJECT_SYMMETRIC_KEY && key->format != FORMAT_RAW &&
            key->format != FORMAT_OPAQUE)
            return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                             "this Key Format Type is not one of this object type");
        key->material = material->bytes;
    }
    if (key->material.len == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the key material is empty");
    key->given = key->material;
    if (key->bits == 0)
        key->bits = (uint32_t)(key->material.len * 8);
    return ERR_OK;
}

enum err kmip_key_read(struct kmip_call *call, uint32_t object_type, const struct kmip_node *block,
                       struct kmip_key_material *ret_key)
{
    const struct kmip_node *value = kmip_child(block, KMIP_TAG_KEY_VALUE);
    struct kmip_key_material key = {
        .format = kmip_enum(block, KMIP_TAG_KEY_FORMAT_TYPE, 0),
        .alg = kmip_enum(block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0),
        .bits = (uint32_t)kmip_num(block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 0),
        .curve = ret_key->curve,
    };
    if (key.format == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "a Key Block needs a Key Format Type");
    if (value == NULL) {
        key.absent = true;
        *ret_key = key;
        return ERR_OK;
    }
    const struct kmip_node *material = kmip_child(value, KMIP_TAG_KEY_MATERIAL);
    if (value->type != KMIP_STRUCTURE || material == NULL ||
        (material->type != KMIP_STRUCTURE && material->type != KMIP_BYTE_STRING))
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "a Key Value needs Key Material");
    switch (object_type) {
    case KMIP_OBJECT_PRIVATE_KEY: TRY(read_private(call, material, &key)); break;
    case KMIP_OBJECT_PUBLIC_KEY: TRY(read_public(call, material, &key)); break;
    default: TRY(read_plain(call, object_type, material, &key)); break;
    }
    *ret_key = key;
    return ERR_OK;
}

static bool is_transparent(uint32_t format)
{
    return (format >= FORMAT_TRANSPARENT_SYMMETRIC_KEY && format <= 0x13) ||
           format == FORMAT_TRANSPARENT_EC_PRIVATE_KEY ||
           format == FORMAT_TRANSPARENT_EC_PUBLIC_KEY;
}

static enum err no_format(struct kmip_call *call)
{
    return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                     "the key can't be given in this Key Format Type");
}

static enum err form_public(struct kmip_call *call, struct bytes spki, uint32_t format,
                            uint32_t point, struct bytes *ret_bytes)
{
    AUTO(buf_done) struct buf out = {0};
    const enum err err = keyform_public_out(spki, format, point, &out, &call->detail);
    if (err == ERR_UNSUPPORTED || err == ERR_KEY_FORM)
        return point != 0 ? kmip_fail(call, KMIP_REASON_KEY_COMPRESSION_TYPE_NOT_SUPPORTED,
                                      "the key can't be given in this Key Compression Type")
                          : no_format(call);
    TRY(err);
    return to_arena(call, buf_view(&out), ret_bytes);
}

static enum err form(struct kmip_call *call, uint32_t object_type, struct bytes material,
                     uint32_t format, uint32_t point, struct bytes *ret_bytes)
{
    if (is_transparent(format))
        return no_format(call);
    if (object_type == KMIP_OBJECT_PUBLIC_KEY)
        return form_public(call, material, format, point, ret_bytes);
    if (point != 0 && point != POINT_UNCOMPRESSED)
        return kmip_fail(call, KMIP_REASON_KEY_COMPRESSION_TYPE_NOT_SUPPORTED,
                         "only public keys are compressed");
    if (object_type == KMIP_OBJECT_PRIVATE_KEY) {
        AUTO(secret_freep) struct secret *out = NULL;
        const enum err err = keyform_private_out(material, format, &out, &call->detail);
        if (err == ERR_UNSUPPORTED || err == ERR_KEY_FORM)
            return no_format(call);
        TRY(err);
        return to_arena(call, secret_view(out), ret_bytes);
    }
    if (format != FORMAT_RAW && format != FORMAT_OPAQUE && object_type == KMIP_OBJECT_SYMMETRIC_KEY)
        return no_format(call);
    *ret_bytes = material;
    return ERR_OK;
}

uint32_t kmip_key_default_format(uint16_t version, uint32_t object_type, uint32_t alg)
{
    const bool private = object_type == KMIP_OBJECT_PRIVATE_KEY;
    switch (object_type) {
    case KMIP_OBJECT_PRIVATE_KEY:
    case KMIP_OBJECT_PUBLIC_KEY: break;
    case KMIP_OBJECT_CERTIFICATE: return FORMAT_X_509;
    case KMIP_OBJECT_CERTIFICATE_REQUEST: return FORMAT_PKCS10;
    case KMIP_OBJECT_OPAQUE_OBJECT: return FORMAT_OPAQUE;
    default: return FORMAT_RAW;
    }
    switch (alg) {
    case ALG_RSA: return FORMAT_PKCS1;
    case ALG_EC:
    case ALG_ECDSA:
    case ALG_ECDH:
        if (version < KMIP_1_3)
            return private ? FORMAT_ECPRIVATEKEY : FORMAT_X_509;
        return private ? FORMAT_TRANSPARENT_EC_PRIVATE_KEY : FORMAT_TRANSPARENT_EC_PUBLIC_KEY;
    case ALG_DSA:
        return private ? FORMAT_TRANSPARENT_DSA_PRIVATE_KEY : FORMAT_TRANSPARENT_DSA_PUBLIC_KEY;
    case ALG_DH:
        return private ? FORMAT_TRANSPARENT_DH_PRIVATE_KEY : FORMAT_TRANSPARENT_DH_PUBLIC_KEY;
    default: return private ? FORMAT_PKCS8 : FORMAT_X_509;
    }
}

/* Key Material as bytes or as a structure, in `value`. */
static enum err put_material(struct kmip_call *call, uint32_t type, uint32_t format, uint32_t point,
                             struct bytes material, struct kmip_node *value)
{
    struct kmip_build *out = kmip_out(call);
    if (!is_transparent(format)) {
        struct bytes bytes = {0};
        TRY(form(call, type, material, format, point, &bytes));
        struct kmip_node *node =
            kmip_put_bytes_copy(out, value, KMIP_TAG_KEY_MATERIAL, KMIP_BYTE_STRING, bytes);
        if (node != NULL)
            node->secret = type != KMIP_OBJECT_PUBLIC_KEY;
        return out->err;
    }
    struct kmip_node *node = kmip_put_struct(out, value, KMIP_TAG_KEY_MATERIAL);
    if (node != NULL)
        node->secret = type != KMIP_OBJECT_PUBLIC_KEY;
    if (format == FORMAT_TRANSPARENT_SYMMETRIC_KEY) {
        if (type != KMIP_OBJECT_SYMMETRIC_KEY)
            return no_format(call);
        kmip_put_bytes_copy(out, node, KMIP_TAG_KEY, KMIP_BYTE_STRING, material);
        return out->err;
    }
    if (type != KMIP_OBJECT_PRIVATE_KEY && type != KMIP_OBJECT_PUBLIC_KEY)
        return no_format(call);
    return kmip_transparent_put(call, type, format, point, material, node);
}

enum err kmip_key_write(struct kmip_call *call, const struct vault_object *object,
                        const struct kmip_attrs *attrs, uint32_t format, uint32_t compression,
                        struct bytes material, struct kmip_node *to)
{
    struct kmip_build *out = kmip_out(call);
    const uint16_t version = call->request->version;
    if (format == 0)
        format = (uint32_t)kmip_attr_num(attrs, KMIP_TAG_KEY_FORMAT_TYPE, 0);
    if (format == 0 || !kmip_enum_known(KMIP_TAG_KEY_FORMAT_TYPE, format, version))
        format = kmip_key_default_format(version, object->type, object->alg);
    struct kmip_node *block = kmip_put_struct(out, to, KMIP_TAG_KEY_BLOCK);
    kmip_put_enum(out, block, KMIP_TAG_KEY_FORMAT_TYPE, format);
    if (compression != 0)
        kmip_put_enum(out, block, KMIP_TAG_KEY_COMPRESSION_TYPE, compression);
    struct kmip_node *value = kmip_put_struct(out, block, KMIP_TAG_KEY_VALUE);
    TRY(put_material(call, object->type, format, compression, material, value));
    /* KMIP 1.4, 2.1.3: both are there, or neither */
    if (object->alg != 0) {
        kmip_put_enum(out, block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, object->alg);
        kmip_put_int(out, block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, (int32_t)object->bits);
    }
    return out->err;
}

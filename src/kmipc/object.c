#include "kmipc/object.h"

#include <stdlib.h>

static const struct {
    uint32_t type, tag;
    const char *format; /* the usual one */
} kinds[] = {
    {KMIP_OBJECT_SYMMETRIC_KEY, KMIP_TAG_SYMMETRIC_KEY, "Raw"},
    {KMIP_OBJECT_PRIVATE_KEY, KMIP_TAG_PRIVATE_KEY, "PKCS_8"},
    {KMIP_OBJECT_PUBLIC_KEY, KMIP_TAG_PUBLIC_KEY, "X_509"},
    {KMIP_OBJECT_PGP_KEY, KMIP_TAG_PGP_KEY, "Raw"},
    {KMIP_OBJECT_CERTIFICATE, KMIP_TAG_CERTIFICATE, "X_509"},
    {KMIP_OBJECT_SECRET_DATA, KMIP_TAG_SECRET_DATA, "Password"},
    {KMIP_OBJECT_OPAQUE_OBJECT, KMIP_TAG_OPAQUE_OBJECT, "0x80000000"},
};

static size_t kind_of(uint32_t type)
{
    size_t i = 0;
    while (i < ARRAY_LEN(kinds) && kinds[i].type != type)
        i++;
    return i;
}

/* A Key Block with one byte string as material. */
static enum err put_key_block(struct kmipc_call *call, struct kmip_node *parent, const char *format,
                              const struct ckmip_object *object)
{
    struct kmip_build *b = &call->build;
    struct kmip_node *block = kmip_put_struct(b, parent, KMIP_TAG_KEY_BLOCK);
    TRY(kmipc_put_name(call, block, KMIP_TAG_KEY_FORMAT_TYPE, format));
    struct kmip_node *value = kmip_put_struct(b, block, KMIP_TAG_KEY_VALUE);
    (void)kmip_put_bytes(b, value, KMIP_TAG_KEY_MATERIAL, KMIP_BYTE_STRING,
                         bytes_of(object->value.data, object->value.len));
    TRY(kmipc_put_name(call, block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, object->algorithm));
    if (object->bits != 0)
        (void)kmip_put_int(b, block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, (int32_t)object->bits);
    return b->err;
}

enum err kmipc_put_object(struct kmipc_call *call, const struct ckmip_object *object)
{
    struct kmip_build *b = &call->build;
    struct bytes value = bytes_of(object->value.data, object->value.len);
    uint32_t type = 0;
    TRY(kmipc_enum(call->kmip, KMIP_TAG_OBJECT_TYPE, object->type, &type));
    size_t i = kind_of(type);
    if (i == ARRAY_LEN(kinds))
        return err_set(&call->kmip->detail, ERR_ARGUMENT,
                       "an object of type %.32s is registered as a raw message", object->type);
    const char *format = object->format != NULL ? object->format : kinds[i].format;
    struct kmip_node *node = kmip_put_struct(b, call->in, kinds[i].tag);
    switch (type) {
    case KMIP_OBJECT_CERTIFICATE:
        TRY(kmipc_put_name(call, node, KMIP_TAG_CERTIFICATE_TYPE, format));
        (void)kmip_put_bytes(b, node, KMIP_TAG_CERTIFICATE_VALUE, KMIP_BYTE_STRING, value);
        return b->err;
    case KMIP_OBJECT_OPAQUE_OBJECT:
        TRY(kmipc_put_name(call, node, KMIP_TAG_OPAQUE_DATA_TYPE, format));
        (void)kmip_put_bytes(b, node, KMIP_TAG_OPAQUE_DATA_VALUE, KMIP_BYTE_STRING, value);
        return b->err;
    case KMIP_OBJECT_SECRET_DATA:
        TRY(kmipc_put_name(call, node, KMIP_TAG_SECRET_DATA_TYPE, format));
        return put_key_block(call, node, "Opaque", object);
    case KMIP_OBJECT_PGP_KEY:
        (void)kmip_put_int(b, node, KMIP_TAG_PGP_KEY_VERSION, 4);
        return put_key_block(call, node, format, object);
    default: return put_key_block(call, node, format, object);
    }
}

/* Key Value is a structure around the material, or wrapped bytes. Material that is a structure
 * (transparent formats) is given as TTLV. */
static enum err take_material(const struct kmipc_call *call, const struct kmip_node *block,
                              struct ckmip_object *object)
{
    const struct kmip_node *value = kmip_child(block, KMIP_TAG_KEY_VALUE);
    object->wrapped = kmip_child(block, KMIP_TAG_KEY_WRAPPING_DATA) != NULL;
    object->format =
        kmip_enum_name(KMIP_TAG_KEY_FORMAT_TYPE, kmip_enum(block, KMIP_TAG_KEY_FORMAT_TYPE, 0));
    if (kmip_child(block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM) != NULL)
        object->algorithm = kmip_enum_name(KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM,
                                           kmip_enum(block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0));
    int64_t bits = kmip_num(block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 0);
    object->bits = bits > 0 && bits <= INT32_MAX ? (uint32_t)bits : 0;
    if (value != NULL && value->type == KMIP_BYTE_STRING)
        return kmipc_take_data(block, KMIP_TAG_KEY_VALUE, &object->value);
    const struct kmip_node *material = kmip_child(value, KMIP_TAG_KEY_MATERIAL);
    if (material == NULL)
        return err_set(&call->kmip->detail, ERR_PEER, "the answer has a key without material");
    if (material->type != KMIP_STRUCTURE)
        return kmipc_take_data(value, KMIP_TAG_KEY_MATERIAL, &object->value);
    AUTO(buf_done) struct buf ttlv = {0};
    TRY(kmip_encode(KMIP_TTLV, material, &ttlv));
    object->value.data = malloc(ttlv.len);
    if (object->value.data == NULL)
        return ERR_NO_MEMORY;
    memcpy(object->value.data, ttlv.data, ttlv.len);
    object->value.len = ttlv.len;
    return ERR_OK;
}

enum err kmipc_take_object(const struct kmipc_call *call, struct ckmip_object *ret_object)
{
    uint32_t type = kmip_enum(call->out, KMIP_TAG_OBJECT_TYPE, 0);
    size_t i = kind_of(type);
    const struct kmip_node *node = NULL;
    if (i < ARRAY_LEN(kinds))
        node = kmip_child(call->out, kinds[i].tag);
    else if (type == KMIP_OBJECT_SPLIT_KEY)
        node = kmip_child(call->out, KMIP_TAG_SPLIT_KEY);
    if (node == NULL)
        return err_set(&call->kmip->detail, ERR_PEER, "the answer has no object that is known");
    ret_object->type = kmip_enum_name(KMIP_TAG_OBJECT_TYPE, type);
    if (type == KMIP_OBJECT_CERTIFICATE) {
        ret_object->format = kmip_enum_name(KMIP_TAG_CERTIFICATE_TYPE,
                                            kmip_enum(node, KMIP_TAG_CERTIFICATE_TYPE, 0));
        return kmipc_take_data(node, KMIP_TAG_CERTIFICATE_VALUE, &ret_object->value);
    }
    if (type == KMIP_OBJECT_OPAQUE_OBJECT)
        return kmipc_take_data(node, KMIP_TAG_OPAQUE_DATA_VALUE, &ret_object->value);
    TRY(take_material(call, kmip_child(node, KMIP_TAG_KEY_BLOCK), ret_object));
    if (type == KMIP_OBJECT_SECRET_DATA)
        ret_object->format = kmip_enum_name(KMIP_TAG_SECRET_DATA_TYPE,
                                            kmip_enum(node, KMIP_TAG_SECRET_DATA_TYPE, 0));
    return ERR_OK;
}

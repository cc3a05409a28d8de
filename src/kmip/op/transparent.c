#include "kmip/op/transparent.h"

#include "kmip/codec/table.h"

/* Which algorithm a format is of; whether it is the private half. */
static uint32_t alg_of(uint32_t format, bool *ret_private)
{
    *ret_private = true;
    switch (format) {
    case FORMAT_TRANSPARENT_RSA_PUBLIC_KEY: *ret_private = false; return ALG_RSA;
    case FORMAT_TRANSPARENT_RSA_PRIVATE_KEY: return ALG_RSA;
    case FORMAT_TRANSPARENT_DSA_PUBLIC_KEY: *ret_private = false; return ALG_DSA;
    case FORMAT_TRANSPARENT_DSA_PRIVATE_KEY: return ALG_DSA;
    case FORMAT_TRANSPARENT_DH_PUBLIC_KEY: *ret_private = false; return ALG_DH;
    case FORMAT_TRANSPARENT_DH_PRIVATE_KEY: return ALG_DH;
    case KMIP_KEY_FORMAT_TYPE_TRANSPARENT_ECDSA_PUBLIC_KEY:
    case KMIP_KEY_FORMAT_TYPE_TRANSPARENT_ECDH_PUBLIC_KEY:
    case KMIP_KEY_FORMAT_TYPE_TRANSPARENT_ECMQV_PUBLIC_KEY:
    case FORMAT_TRANSPARENT_EC_PUBLIC_KEY: *ret_private = false; return ALG_EC;
    case KMIP_KEY_FORMAT_TYPE_TRANSPARENT_ECDSA_PRIVATE_KEY:
    case KMIP_KEY_FORMAT_TYPE_TRANSPARENT_ECDH_PRIVATE_KEY:
    case KMIP_KEY_FORMAT_TYPE_TRANSPARENT_ECMQV_PRIVATE_KEY:
    case FORMAT_TRANSPARENT_EC_PRIVATE_KEY: return ALG_EC;
    default: return 0;
    }
}

static enum err number(struct kmip_call *call, const struct kmip_node *material, uint32_t tag,
                       struct bytes *ret_number)
{
    const struct kmip_node *node = kmip_child(material, tag);
    if (node == NULL)
        return ERR_OK;
    if (node->type != KMIP_BIG_INTEGER && node->type != KMIP_BYTE_STRING)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a number of the key has a wrong type");
    if (node->type == KMIP_BIG_INTEGER && node->bytes.len > 0 && node->bytes.data[0] >= 0x80)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a number of the key is negative");
    *ret_number = node->bytes;
    return ERR_OK;
}

enum err kmip_transparent_read(struct kmip_call *call, uint32_t format,
                               const struct kmip_node *material, uint32_t curve,
                               struct keyform_parts *ret_parts)
{
    bool private = false;
    struct keyform_parts parts = {.alg = alg_of(format, &private)};
    if (parts.alg == 0)
        return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                         "this Key Format Type is no structure of a key pair");
    parts.curve = kmip_enum(material, KMIP_TAG_RECOMMENDED_CURVE, curve);
    const struct {
        uint32_t tag;
        struct bytes *to;
    } numbers[] = {
        {KMIP_TAG_MODULUS, &parts.modulus},
        {KMIP_TAG_PUBLIC_EXPONENT, &parts.public_exponent},
        {KMIP_TAG_PRIVATE_EXPONENT, &parts.private_exponent},
        {KMIP_TAG_P, &parts.p},
        {KMIP_TAG_Q, &parts.q},
        {KMIP_TAG_PRIME_EXPONENT_P, &parts.prime_exponent_p},
        {KMIP_TAG_PRIME_EXPONENT_Q, &parts.prime_exponent_q},
        {KMIP_TAG_CRT_COEFFICIENT, &parts.crt_coefficient},
        {KMIP_TAG_D, &parts.d},
        {KMIP_TAG_Q_STRING, &parts.point},
        {KMIP_TAG_G, &parts.g},
        {KMIP_TAG_J, &parts.j},
        {KMIP_TAG_X, &parts.x},
        {KMIP_TAG_Y, &parts.y},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        TRY(number(call, material, numbers[i].tag, numbers[i].to));
    *ret_parts = parts;
    return ERR_OK;
}

/* TTLV wants two's complement in multiples of eight bytes. */
static void put_number(struct kmip_call *call, struct kmip_node *to, uint32_t tag,
                       struct bytes value)
{
    if (value.len == 0)
        return;
    const size_t len = (value.len + (value.data[0] >= 0x80 ? 1 : 0) + 7) / 8 * 8;
    uint8_t *number = arena_take(kmip_arena(call), len);
    if (number == NULL) {
        kmip_out(call)->err = ERR_NO_MEMORY;
        return;
    }
    memcpy(number + len - value.len, value.data, value.len);
    kmip_put_bytes(kmip_out(call), to, tag, KMIP_BIG_INTEGER, bytes_of(number, len));
}

static void put_rsa_private(struct kmip_call *call, struct kmip_node *to,
                            const struct keyform_parts *parts)
{
    put_number(call, to, KMIP_TAG_MODULUS, parts->modulus);
    put_number(call, to, KMIP_TAG_PRIVATE_EXPONENT, parts->private_exponent);
    put_number(call, to, KMIP_TAG_PUBLIC_EXPONENT, parts->public_exponent);
    put_number(call, to, KMIP_TAG_P, parts->p);
    put_number(call, to, KMIP_TAG_Q, parts->q);
    put_number(call, to, KMIP_TAG_PRIME_EXPONENT_P, parts->prime_exponent_p);
    put_number(call, to, KMIP_TAG_PRIME_EXPONENT_Q, parts->prime_exponent_q);
    put_number(call, to, KMIP_TAG_CRT_COEFFICIENT, parts->crt_coefficient);
}

static void put_parts(struct kmip_call *call, struct kmip_node *to, bool private,
                      const struct keyform_parts *parts)
{
    struct kmip_build *out = kmip_out(call);
    switch (parts->alg) {
    case ALG_RSA:
        if (private) {
            put_rsa_private(call, to, parts);
            return;
        }
        put_number(call, to, KMIP_TAG_MODULUS, parts->modulus);
        put_number(call, to, KMIP_TAG_PUBLIC_EXPONENT, parts->public_exponent);
        return;
    case ALG_DSA:
    case ALG_DH:
        put_number(call, to, KMIP_TAG_P, parts->p);
        if (parts->alg == ALG_DH) {
            put_number(call, to, KMIP_TAG_Q, parts->q);
            put_number(call, to, KMIP_TAG_G, parts->g);
            put_number(call, to, KMIP_TAG_J, parts->j);
        } else {
            put_number(call, to, KMIP_TAG_Q, parts->q);
            put_number(call, to, KMIP_TAG_G, parts->g);
        }
        put_number(call, to, private ? KMIP_TAG_X : KMIP_TAG_Y, private ? parts->x : parts->y);
        return;
    default:
        kmip_put_enum(out, to, KMIP_TAG_RECOMMENDED_CURVE, parts->curve);
        if (private)
            put_number(call, to, KMIP_TAG_D, parts->d);
        else
            kmip_put_bytes_copy(out, to, KMIP_TAG_Q_STRING, KMIP_BYTE_STRING, parts->point);
        return;
    }
}

enum err kmip_transparent_put(struct kmip_call *call, uint32_t object_type, uint32_t format,
                              uint32_t point, struct bytes material, struct kmip_node *to)
{
    bool private = false;
    const uint32_t alg = alg_of(format, &private);
    struct keyform_parts parts = {0};
    if (alg == 0 || private != (object_type == KMIP_OBJECT_PRIVATE_KEY))
        return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                         "the key can't be given in this Key Format Type");
    const enum err err = private ? keyform_parts_of_private(material, &parts, &call->detail)
                                 : keyform_parts_of_public(material, point, &parts, &call->detail);
    if (err == ERR_UNSUPPORTED || (err == ERR_OK && parts.alg != alg)) {
        keyform_parts_done(&parts);
        return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                         "the key can't be given in this Key Format Type");
    }
    TRY(err);
    put_parts(call, to, private, &parts);
    keyform_parts_done(&parts);
    return kmip_out(call)->err;
}

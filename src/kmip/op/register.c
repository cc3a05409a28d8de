#include "kmip/op/register.h"

#include "crypto/hash.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "kmip/op/cert_attrs.h"
#include "kmip/op/key_block.h"
#include "kmip/op/key_wrap.h"
#include "kmip/op/ops.h"
#include "kmip/op/placement.h"
#include "kmip/op/value.h"

/* Register (KMIP 1.4, 4.3; 2.1, 6.1.43). */

static enum err missing(struct kmip_call *call, const char *what)
{
    return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no %s", what);
}

/* A field of the structure that is kept under its own tag and given back by Get. */
static enum err keep(struct kmip_call *call, struct kmip_new *new, const struct kmip_node *object,
                     uint32_t tag, bool needed)
{
    struct kmip_build build = {.arena = kmip_arena(call)};
    const struct kmip_node *node = kmip_child(object, tag);
    if (node == NULL)
        return needed ? missing(call, kmip_tag_row(tag)->title) : ERR_OK;
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    if (row->type != node->type)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "%s has a wrong type", row->title);
    if (node->type == KMIP_ENUMERATION &&
        !kmip_enum_known(tag, (uint32_t)node->num, call->request->version))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "%s is not known", row->title);
    struct kmip_node *copy = kmip_put_copy(&build, NULL, tag, node);
    TRY(build.err);
    return kmip_attr_set(&new->attrs, tag, copy);
}

static enum err digest_of(struct kmip_new *new, uint32_t format, struct bytes value)
{
    uint8_t digest[HASH_SHA256_SIZE];
    if (kmip_attr_find(&new->attrs, KMIP_TAG_DIGEST) != NULL)
        return ERR_OK;
    TRY(hash_sha256(&value, 1, digest));
    return kmip_new_digest(new, format, digest);
}

/* What stands in the attributes and in the Key Block must be one thing. */
static enum err agree(struct kmip_call *call, struct kmip_new *new, uint32_t tag, uint32_t value,
                      enum kmip_type type)
{
    const int64_t said = kmip_attr_num(&new->attrs, tag, 0);
    if (value == 0)
        return ERR_OK;
    if (said != 0 && said != value)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "%s is said in two ways",
                         kmip_tag_row(tag)->title);
    return kmip_attr_set_num(&new->attrs, tag, type, value);
}

/* KMIP 1.4, 2.1.3: attributes that came with the key value. */
static enum err attributes_of_value(struct kmip_call *call, struct kmip_new *new,
                                    const struct kmip_node *block)
{
    const struct kmip_node *value = kmip_child(block, KMIP_TAG_KEY_VALUE);
    struct kmip_attrs attrs = {.arena = kmip_arena(call)};
    if (value == NULL || value->type != KMIP_STRUCTURE)
        return ERR_OK;
    for (const struct kmip_node *n = value->first; n != NULL; n = n->next)
        if (n->tag == KMIP_TAG_ATTRIBUTE) {
            if (kmip_attr_read(&attrs, n) != ERR_OK)
                return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "an attribute of the Key Value");
        } else if (n->tag == KMIP_TAG_ATTRIBUTES) {
            TRY(kmip_attrs_read(call, n, &attrs));
        }
    return kmip_new_more(call, new, &attrs);
}

static bool length_fits(uint32_t type, uint32_t alg, uint32_t bits, size_t len)
{
    if (type != KMIP_OBJECT_SYMMETRIC_KEY || bits == 0 || bits == len * 8)
        return true;
    /* with or without the parity bits */
    return (alg == ALG_DES3 || alg == ALG_DES) && bits == len * 7;
}

static enum err seal(struct kmip_call *call, struct kmip_new *new, struct bytes material,
                     struct bytes given)
{
    struct keeper_object_spec spec;
    TRY(kmip_new_spec(call, new, &spec));
    if (spec.class == CRYPTO_SECRET)
        spec.alg = 0;
    if (spec.class != CRYPTO_PRIVATE)
        spec.bits = (uint32_t)(material.len * 8);
    TRY(kmip_new_promise(call, new, &spec));
    const struct keeper_object object = kmip_new_object(new);
    struct keeper_object_made made = {.sealed = &new->sealed};
    const enum err err = keeper_object_seal(call->request->env->keeper, kmip_actor(call), &object,
                                            &spec, material, &made, &call->detail);
    if (err != ERR_OK)
        return kmip_made_error(call, err);
    if (given.len > 0)
        TRY(digest_of(new, new->format, given));
    if (spec.class == CRYPTO_SECRET || spec.class == CRYPTO_PRIVATE)
        made.alg = 0; /* ECDSA, ECDH and EC are one to the keeper: the client's word stays */
    if (spec.class == CRYPTO_SYMMETRIC)
        made.bits = 0;
    return kmip_new_made(call, new, &made);
}

static enum err clear_key(struct kmip_call *call, struct kmip_new *new,
                          const struct kmip_node *block)
{
    const uint32_t type = new->object.type;
    const struct kmip_attr *domain =
        kmip_attr_find(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_DOMAIN_PARAMETERS);
    struct kmip_key_material key = {
        .curve = domain != NULL ? kmip_enum(domain->value, KMIP_TAG_RECOMMENDED_CURVE, 0) : 0,
    };
    TRY(kmip_key_read(call, type, block, &key));
    if (key.alg == 0)
        key.alg = (uint32_t)kmip_attr_num(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0);
    TRY(agree(call, new, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, key.alg, KMIP_ENUMERATION));
    new->format = key.format;
    if (key.absent) {
        TRY(agree(call, new, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, key.bits, KMIP_INTEGER));
        if (kmip_attr_find(&new->attrs, KMIP_TAG_KEY_VALUE_LOCATION) == NULL)
            return missing(call, "Key Value, and no Key Value Location");
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_KEY_FORMAT_TYPE, KMIP_ENUMERATION, key.format));
        return kmip_attr_set_num(&new->attrs, KMIP_TAG_KEY_VALUE_PRESENT, KMIP_BOOLEAN, 0);
    }
    const int64_t said = kmip_attr_num(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 0);
    const uint32_t in_block = (uint32_t)kmip_num(block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 0);
    if (!length_fits(type, key.alg, (uint32_t)said, key.material.len) ||
        !length_fits(type, key.alg, in_block, key.material.len))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "the Cryptographic Length is not that of the key");
    if (said == 0 || type != KMIP_OBJECT_SYMMETRIC_KEY)
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, KMIP_INTEGER, key.bits));
    if (type != KMIP_OBJECT_PUBLIC_KEY)
        return seal(call, new, key.material, key.given);
    new->object.value = key.material;
    new->object.placement = VAULT_IN_STORE;
    TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_KEY_FORMAT_TYPE, KMIP_ENUMERATION, key.format));
    return digest_of(new, key.format, key.given.len > 0 ? key.given : key.material);
}

static enum err wrapped_key(struct kmip_call *call, struct kmip_new *new,
                            const struct kmip_node *block)
{
    struct keeper_object_spec spec;
    const uint32_t alg = kmip_enum(block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0);
    const uint32_t bits = (uint32_t)kmip_num(block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 0);
    TRY(agree(call, new, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, alg, KMIP_ENUMERATION));
    TRY(agree(call, new, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, bits, KMIP_INTEGER));
    TRY(kmip_new_spec(call, new, &spec));
    new->format = kmip_enum(block, KMIP_TAG_KEY_FORMAT_TYPE, 0);
    struct keeper_object_made made = {.sealed = &new->sealed};
    TRY(kmip_key_unwrap(call, block, new, &spec, &made));
    return kmip_new_made(call, new, &made);
}

static enum err register_key(struct kmip_call *call, struct kmip_new *new,
                             const struct kmip_node *object)
{
    static const uint32_t split[] = {KMIP_TAG_SPLIT_KEY_PARTS, KMIP_TAG_KEY_PART_IDENTIFIER,
                                     KMIP_TAG_SPLIT_KEY_THRESHOLD, KMIP_TAG_SPLIT_KEY_METHOD};
    const struct kmip_node *block = kmip_key_block(object);
    if (block == NULL)
        return missing(call, "Key Block");
    if (new->object.type == KMIP_OBJECT_SECRET_DATA)
        TRY(keep(call, new, object, KMIP_TAG_SECRET_DATA_TYPE, true));
    if (new->object.type == KMIP_OBJECT_PGP_KEY)
        TRY(keep(call, new, object, KMIP_TAG_PGP_KEY_VERSION, true));
    for (size_t i = 0; new->object.type == KMIP_OBJECT_SPLIT_KEY &&i < ARRAY_LEN(split); i++)
        TRY(keep(call, new, object, split[i], true));
    if (new->object.type == KMIP_OBJECT_SPLIT_KEY)
        TRY(keep(call, new, object, KMIP_TAG_PRIME_FIELD_SIZE, false));
    TRY(attributes_of_value(call, new, block));
    return kmip_key_is_wrapped(block) ? wrapped_key(call, new, block) : clear_key(call, new, block);
}

static enum err register_certificate(struct kmip_call *call, struct kmip_new *new,
                                     const struct kmip_node *object)
{
    const bool request = new->object.type == KMIP_OBJECT_CERTIFICATE_REQUEST;
    const uint32_t type_tag =
        request ? KMIP_TAG_CERTIFICATE_REQUEST_TYPE : KMIP_TAG_CERTIFICATE_TYPE;
    const struct bytes value = kmip_bytes(object, request ? KMIP_TAG_CERTIFICATE_REQUEST_VALUE
                                                          : KMIP_TAG_CERTIFICATE_VALUE);
    TRY(keep(call, new, object, type_tag, true));
    if (value.len == 0)
        return missing(call, "Certificate Value");
    if (value.len > VAULT_OBJECT_BLOB_MAX)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the certificate is too long");
    const uint32_t kind = kmip_enum(object, type_tag, 0);
    const bool readable = request ? kind == KMIP_CERTIFICATE_REQUEST_TYPE_PKCS_10
                                  : kind == KMIP_CERTIFICATE_TYPE_X_509;
    if (readable)
        TRY(kmip_certificate_attrs(call, value, request, &new->attrs));
    new->object.value = value;
    new->object.placement = VAULT_IN_STORE;
    const uint32_t format = request ? FORMAT_PKCS10 : FORMAT_X_509;
    if (readable)
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_KEY_FORMAT_TYPE, KMIP_ENUMERATION, format));
    return digest_of(new, readable ? format : 0, value);
}

static enum err register_opaque(struct kmip_call *call, struct kmip_new *new,
                                const struct kmip_node *object)
{
    const struct bytes value = kmip_bytes(object, KMIP_TAG_OPAQUE_DATA_VALUE);
    TRY(keep(call, new, object, KMIP_TAG_OPAQUE_DATA_TYPE, true));
    if (value.data == NULL)
        return missing(call, "Opaque Data Value");
    if (value.len == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the Opaque Data Value is empty");
    new->format = FORMAT_OPAQUE;
    new->object.placement = VAULT_IN_STORE;
    TRY(seal(call, new, value, value));
    kmip_attr_remove_all(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH);
    return ERR_OK;
}

/* A template's attributes are its value; they are its own attributes, too, so that it is found and
 * shown by them. */
static enum err register_template(struct kmip_call *call, struct kmip_new *new,
                                  const struct kmip_node *object)
{
    struct kmip_attrs attrs = {.arena = kmip_arena(call)};
    struct kmip_build build = {.arena = kmip_arena(call)};
    AUTO(buf_done) struct buf blob = {0};
    TRY(kmip_attrs_read(call, object, &attrs));
    struct kmip_node *root = kmip_put_struct(&build, NULL, KMIP_TAG_ATTRIBUTES);
    for (const struct kmip_attr *a = attrs.first; a != NULL; a = a->next) {
        if (a->tag == KMIP_TAG_NAME)
            continue; /* its own, not that of what is made with it */
        kmip_attr_put(&build, root, KMIP_2_1, a);
    }
    TRY(build.err);
    TRY(kmip_encode(KMIP_TTLV, root, &blob));
    const char *copy = arena_strndup(build.arena, blob.data, blob.len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    new->object.value = bytes_of(copy, blob.len);
    new->object.placement = VAULT_IN_STORE;
    TRY(kmip_new_more(call, new, &attrs));
    if (kmip_attr_find(&new->attrs, KMIP_TAG_NAME) == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a template needs a Name");
    return ERR_OK;
}

enum err kmip_register_value(struct kmip_call *call, struct kmip_new *new)
{
    const struct kmip_node *object = kmip_child(call->in, kmip_value_tag(new->object.type));
    if (object == NULL || object->type != KMIP_STRUCTURE)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "the payload has no object of its Object Type");
    switch (new->object.type) {
    case KMIP_OBJECT_CERTIFICATE:
    case KMIP_OBJECT_CERTIFICATE_REQUEST: return register_certificate(call, new, object);
    case KMIP_OBJECT_OPAQUE_OBJECT: return register_opaque(call, new, object);
    case KMIP_OBJECT_TEMPLATE: return register_template(call, new, object);
    default: return register_key(call, new, object);
    }
}

static enum err register_object(struct kmip_call *call, struct kmip_new *new)
{
    const struct kmip_node *const containers[] = {
        kmip_child(call->in, KMIP_TAG_TEMPLATE_ATTRIBUTE),
        kmip_child(call->in, KMIP_TAG_ATTRIBUTES),
    };
    TRY(kmip_new_begin(call, kmip_enum(call->in, KMIP_TAG_OBJECT_TYPE, 0), containers,
                       ARRAY_LEN(containers), new));
    TRY(kmip_place(call, new, kmip_child(call->in, KMIP_TAG_PROTECTION_STORAGE_MASKS)));
    enum err err = kmip_register_value(call, new);
    if (err == ERR_OK)
        err = kmip_new_insert(call, new, 1, NULL, NULL);
    if (err != ERR_OK)
        kmip_new_abandon(call, new);
    return err;
}

enum err kmip_op_register(struct kmip_call *call)
{
    struct kmip_new new = {0};
    const enum err err = register_object(call, &new);
    if (err == ERR_OK)
        kmip_put_uid(call, new.object.uid);
    kmip_new_done(&new);
    return err;
}

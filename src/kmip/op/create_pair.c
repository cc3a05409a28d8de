#include "crypto/hash.h"
#include "crypto/keyform.h"
#include "kmip/codec/table.h"
#include "kmip/op/key_block.h"
#include "kmip/op/ops.h"
#include "kmip/op/pair.h"
#include "kmip/op/placement.h"

/* Create Key Pair (KMIP 1.4, 4.2; 2.1, 6.1.9). */

/* Digest of the public key in its Key Format Type; of a transparent one, as X.509. */
static enum err public_digest(struct kmip_call *call, struct kmip_new *public)
{
    AUTO(buf_done) struct buf form = {0};
    uint8_t digest[HASH_SHA256_SIZE];
    const uint32_t format = public->format == FORMAT_PKCS1 ? FORMAT_PKCS1 : FORMAT_X_509;
    TRY(keyform_public_out(public->object.value, format, 0, &form, &call->detail));
    const struct bytes part = buf_view(&form);
    TRY(hash_sha256(&part, 1, digest));
    return kmip_new_digest(public, format, digest);
}

/* A Key Format Type of the object that Digest may name: what the keeper hashes is PKCS#8, and
 * PKCS#1 for RSA. */
static uint32_t digest_format(uint32_t alg)
{
    return alg == ALG_RSA ? FORMAT_PKCS1 : FORMAT_PKCS8;
}

static enum err both(struct kmip_pair *pair, uint32_t tag, enum kmip_type type, int64_t value)
{
    TRY(kmip_attr_set_num(&pair->keys[0].attrs, tag, type, value));
    return kmip_attr_set_num(&pair->keys[1].attrs, tag, type, value);
}

enum err kmip_pair_make(struct kmip_call *call, struct kmip_pair *pair)
{
    struct kmip_new *private = &pair->keys[0], *public = &pair->keys[1];
    struct keeper_object_spec spec;
    struct keyform_info info = {0};
    TRY(kmip_new_spec(call, private, &spec));
    if (spec.alg == 0)
        spec.alg = (uint32_t)kmip_attr_num(&public->attrs, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0);
    if (spec.alg == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Cryptographic Algorithm");
    if (spec.bits == 0)
        spec.bits = (uint32_t)kmip_attr_num(&public->attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 0);
    if (spec.bits == 0 && spec.curve == 0 && spec.alg == ALG_RSA)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Cryptographic Length");
    TRY(kmip_new_promise(call, private, &spec));
    const struct keeper_object object = kmip_new_object(private);
    struct keeper_object_made made = {.sealed = &private->sealed, .spki = &public->spki};
    const enum err err = keeper_object_generate_pair(call->request->env->keeper, kmip_actor(call),
                                                     &object, &spec, &made, &call->detail);
    if (err != ERR_OK)
        return kmip_made_error(call, err);
    public->object.value = buf_view(&public->spki);
    TRY(keyform_public_info(public->object.value, &info, &call->detail));
    TRY(both(pair, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, KMIP_ENUMERATION, spec.alg));
    TRY(both(pair, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, KMIP_INTEGER, info.bits));
    private->format = kmip_key_default_format(KMIP_2_1, KMIP_OBJECT_PRIVATE_KEY, spec.alg);
    public->format = kmip_key_default_format(KMIP_2_1, KMIP_OBJECT_PUBLIC_KEY, spec.alg);
    TRY(kmip_attr_set_num(&private->attrs, KMIP_TAG_KEY_FORMAT_TYPE, KMIP_ENUMERATION,
                          private->format));
    TRY(kmip_attr_set_num(&public->attrs, KMIP_TAG_KEY_FORMAT_TYPE, KMIP_ENUMERATION,
                          public->format));
    TRY(kmip_new_digest(private, digest_format(spec.alg), made.digest));
    TRY(public_digest(call, public));
    TRY(kmip_new_generated(call, private));
    TRY(kmip_new_generated(call, public));
    TRY(kmip_attr_add_link(&private->attrs, KMIP_LINK_TYPE_PUBLIC_KEY_LINK, public->object.uid));
    return kmip_attr_add_link(&public->attrs, KMIP_LINK_TYPE_PRIVATE_KEY_LINK, private->object.uid);
}

void kmip_pair_put(struct kmip_call *call, const struct kmip_pair *pair)
{
    struct kmip_request *request = call->request;
    const char *private = pair->keys[0].object.uid, *public = pair->keys[1].object.uid;
    kmip_put_text(kmip_out(call), call->out, KMIP_TAG_PRIVATE_KEY_UNIQUE_IDENTIFIER, private);
    kmip_put_text(kmip_out(call), call->out, KMIP_TAG_PUBLIC_KEY_UNIQUE_IDENTIFIER, public);
    /* KMIP 1.4, 4.2: the placeholder becomes the private key's */
    kmip_set_placeholder(request, private);
    memcpy(request->placeholder_public, public, sizeof(request->placeholder_public));
}

void kmip_pair_done(struct kmip_pair *pair)
{
    kmip_new_done(&pair->keys[0]);
    kmip_new_done(&pair->keys[1]);
}

static enum err begin(struct kmip_call *call, struct kmip_new *new, uint32_t type,
                      const uint32_t tags[4])
{
    const struct kmip_node *containers[4];
    for (size_t i = 0; i < 4; i++)
        containers[i] = kmip_child(call->in, tags[i]);
    return kmip_new_begin(call, type, containers, 4, new);
}

static enum err create(struct kmip_call *call, struct kmip_pair *pair)
{
    /* what is said of one key counts before what is said of both */
    static const uint32_t private_tags[] = {
        KMIP_TAG_PRIVATE_KEY_TEMPLATE_ATTRIBUTE, KMIP_TAG_PRIVATE_KEY_ATTRIBUTES,
        KMIP_TAG_COMMON_TEMPLATE_ATTRIBUTE, KMIP_TAG_COMMON_ATTRIBUTES};
    static const uint32_t public_tags[] = {
        KMIP_TAG_PUBLIC_KEY_TEMPLATE_ATTRIBUTE, KMIP_TAG_PUBLIC_KEY_ATTRIBUTES,
        KMIP_TAG_COMMON_TEMPLATE_ATTRIBUTE, KMIP_TAG_COMMON_ATTRIBUTES};
    const struct kmip_node *masks = kmip_child(call->in, KMIP_TAG_PRIVATE_PROTECTION_STORAGE_MASKS);
    if (masks == NULL)
        masks = kmip_child(call->in, KMIP_TAG_COMMON_PROTECTION_STORAGE_MASKS);
    TRY(begin(call, &pair->keys[0], KMIP_OBJECT_PRIVATE_KEY, private_tags));
    TRY(begin(call, &pair->keys[1], KMIP_OBJECT_PUBLIC_KEY, public_tags));
    TRY(kmip_place(call, &pair->keys[0], masks));
    TRY(kmip_pair_make(call, pair));
    return kmip_new_insert(call, pair->keys, 2, NULL, NULL);
}

enum err kmip_op_create_key_pair(struct kmip_call *call)
{
    struct kmip_pair pair = {0};
    const enum err err = create(call, &pair);
    if (err == ERR_OK)
        kmip_pair_put(call, &pair);
    else
        kmip_new_abandon(call, &pair.keys[0]);
    kmip_pair_done(&pair);
    return err;
}

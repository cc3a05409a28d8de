#include "kmip/op/crypto_ops.h"
#include "kmip/op/key_use.h"
#include "kmip/op/links.h"
#include "kmip/op/refuse.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Derive Key (KMIP 1.4, 4.6; 2.1, 6.1.14). */

#define BASES_MAX 2

struct derivation {
    struct vault_object bases[BASES_MAX];
    size_t count;
    const struct vault_object *data_key; /* derivation data out of an object */
    struct keeper_derive how;
};

static enum err check_base(struct kmip_call *call, const struct vault_object *object, bool pair)
{
    bool symmetric =
        object->type == KMIP_OBJECT_SYMMETRIC_KEY || object->type == KMIP_OBJECT_SECRET_DATA;
    bool half = object->type == KMIP_OBJECT_PRIVATE_KEY || object->type == KMIP_OBJECT_PUBLIC_KEY;
    bool v2 = call->request->version >= KMIP_2_0;
    if (pair ? !half : !symmetric)
        return kmip_fail(call, v2 ? KMIP_REASON_INVALID_OBJECT_TYPE : KMIP_REASON_INVALID_FIELD,
                         "nothing is derived from this type of object by this method");
    /* KMIP 1.4, 11.7: Invalid Field, where other operations deny. */
    if ((object->mask & (KMIP_MASK_DERIVE_KEY | KMIP_MASK_UNRESTRICTED)) == 0 && !v2)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the key is not for derivation");
    return kmip_may_use(call, object, KMIP_MASK_DERIVE_KEY, true);
}

static enum err find_bases(struct kmip_call *call, struct derivation *d)
{
    bool pair = d->how.method == DERIVE_ASYMMETRIC_KEY;
    /* The ID Placeholder does not count here. */
    const struct kmip_node *uid = kmip_child(call->in, KMIP_TAG_UNIQUE_IDENTIFIER);
    for (; uid != NULL; uid = kmip_again(uid)) {
        if (d->count == BASES_MAX || uid->type != KMIP_TEXT_STRING)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                             "one or two objects to derive from are named");
        TRY(kmip_get_object(call, uid->bytes, &d->bases[d->count]));
        TRY(check_base(call, &d->bases[d->count], pair));
        d->count++;
    }
    if (d->count == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no object to derive from is named");
    if (d->count == 2 && d->bases[0].type == KMIP_OBJECT_PUBLIC_KEY) {
        struct vault_object first = d->bases[0];
        d->bases[0] = d->bases[1];
        d->bases[1] = first;
    }
    return ERR_OK;
}

/* Date, region and service of AWS Signature Version 4, or one string in pieces (KMIP 2.1, 7.12). */
static enum err read_data(struct kmip_call *call, const struct kmip_node *params, uint32_t method,
                          struct bytes *ret_data)
{
    const struct kmip_node *first = kmip_child(params, KMIP_TAG_DERIVATION_DATA);
    *ret_data = (struct bytes){0};
    if (first == NULL)
        return ERR_OK;
    const bool slashes = method == DERIVE_AWS_SIGNATURE_VERSION_4;
    size_t len = 0;
    for (const struct kmip_node *n = first; n != NULL; n = kmip_again(n))
        len += n->bytes.len + 1;
    uint8_t *joined = arena_take(kmip_arena(call), len);
    if (joined == NULL)
        return ERR_NO_MEMORY;
    size_t at = 0;
    for (const struct kmip_node *n = first; n != NULL; n = kmip_again(n)) {
        if (slashes && n != first)
            joined[at++] = '/';
        if (n->bytes.len > 0)
            memcpy(joined + at, n->bytes.data, n->bytes.len);
        at += n->bytes.len;
    }
    *ret_data = bytes_of(joined, at);
    return ERR_OK;
}

static enum err read_params(struct kmip_call *call, struct derivation *d)
{
    const struct kmip_node *params = kmip_child(call->in, KMIP_TAG_DERIVATION_PARAMETERS);
    struct keeper_derive *how = &d->how;
    struct kmip_params crypto = {0};
    if (params == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no Derivation Parameters");
    TRY(kmip_use_params(call, &d->bases[0], kmip_child(params, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS),
                        how->method == DERIVE_HMAC ? CRYPTO_MAC : CRYPTO_ENCRYPT, &crypto));
    how->params = crypto.crypto;
    how->iv = kmip_bytes(params, KMIP_TAG_INITIALIZATION_VECTOR);
    how->salt = kmip_bytes(params, KMIP_TAG_SALT);
    TRY(read_data(call, params, how->method, &how->data));
    int64_t iterations = kmip_num(params, KMIP_TAG_ITERATION_COUNT, 0);
    if (iterations < 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "Iteration Count is negative");
    how->iterations = (uint32_t)iterations;
    if (how->method == DERIVE_PBKDF2 && (iterations == 0 || how->salt.data == NULL))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "PBKDF2 wants Salt and Iteration Count");
    return ERR_OK;
}

static enum err read_second(struct kmip_call *call, struct derivation *d)
{
    if (d->how.method == DERIVE_ASYMMETRIC_KEY) {
        if (d->count != 2 || d->bases[0].type != KMIP_OBJECT_PRIVATE_KEY ||
            d->bases[1].type != KMIP_OBJECT_PUBLIC_KEY)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                             "a private and a public key are wanted");
        d->how.peer = d->bases[1].value;
        return ERR_OK;
    }
    if (d->count == 1)
        return ERR_OK;
    /* KMIP 1.4, 11.7: derivation data both ways is ambiguous. */
    if (d->how.data.data != NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE,
                         "derivation data is given and named at once");
    if (d->bases[1].type != KMIP_OBJECT_SECRET_DATA)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "derivation data that is named is Secret Data");
    d->data_key = &d->bases[1];
    return ERR_OK;
}

static enum err check_new(struct kmip_call *call, uint32_t type,
                          const struct keeper_object_spec *spec)
{
    if (type != KMIP_OBJECT_SYMMETRIC_KEY && type != KMIP_OBJECT_SECRET_DATA)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "only symmetric keys and secret data are derived");
    if (spec->bits == 0 || spec->bits % 8 != 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "Cryptographic Length in whole bytes is wanted");
    if (type == KMIP_OBJECT_SYMMETRIC_KEY && spec->alg == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "Cryptographic Algorithm is wanted");
    return ERR_OK;
}

static enum err derive(struct kmip_call *call, struct derivation *d, struct kmip_new *new)
{
    struct kmip_request *request = call->request;
    struct keeper_object_spec spec;
    TRY(kmip_new_spec(call, new, &spec));
    TRY(check_new(call, new->object.type, &spec));
    TRY(kmip_take_usage(call, &d->bases[0], spec.bits / 8));
    struct keeper_object base = kmip_keeper_object(&d->bases[0]);
    struct keeper_object data_key = {0};
    if (d->data_key != NULL)
        data_key = kmip_keeper_object(d->data_key);
    struct keeper_object object = kmip_new_object(new);
    struct keeper_object_made made = {.sealed = &new->sealed};
    enum err err = keeper_object_derive(request->env->keeper, request->client->name, &base,
                                        d->data_key != NULL ? &data_key : NULL, &d->how, &object,
                                        &spec, &made, &call->detail);
    /* KMIP 1.4, 11.7: more than the method gives. */
    if (err == ERR_LIMIT)
        return kmip_fail(call, KMIP_REASON_CRYPTOGRAPHIC_FAILURE,
                         "the method does not give that many bytes");
    if (err != ERR_OK)
        return kmip_crypto_failed(call, err);
    new->format = FORMAT_RAW;
    TRY(kmip_new_made(call, new, &made));
    return kmip_attr_set_num(&new->attrs, KMIP_TAG_ORIGINAL_CREATION_DATE, KMIP_DATE_TIME,
                             request->now);
}

static enum err store(struct kmip_call *call, struct derivation *d, struct kmip_new *new)
{
    struct kmip_links links = {.call = call};
    for (size_t i = 0; i < d->count; i++) {
        TRY(kmip_attr_add_link(&new->attrs, KMIP_LINK_TYPE_DERIVATION_BASE_OBJECT_LINK,
                               d->bases[i].uid));
        TRY(kmip_links_add(&links, d->bases[i].uid, KMIP_LINK_TYPE_DERIVED_KEY_LINK,
                           new->object.uid, false));
    }
    TRY(kmip_new_insert(call, new, 1, kmip_links_set, &links));
    kmip_links_tell(&links);
    kmip_tell_new(call, &d->bases[0], new->object.uid);
    kmip_put_uid(call, new->object.uid);
    return kmip_out(call)->err;
}

enum err kmip_op_derive_key(struct kmip_call *call)
{
    TRY(kmip_may(call, VAULT_MAY_USE));
    struct derivation *d = arena_take(kmip_arena(call), sizeof(*d));
    if (d == NULL)
        return ERR_NO_MEMORY;
    d->how.method = kmip_enum(call->in, KMIP_TAG_DERIVATION_METHOD, 0);
    TRY(find_bases(call, d));
    TRY(read_params(call, d));
    TRY(read_second(call, d));
    struct kmip_new new = {0};
    const struct kmip_node *containers[] = {kmip_child(call->in, KMIP_TAG_TEMPLATE_ATTRIBUTE),
                                            kmip_child(call->in, KMIP_TAG_ATTRIBUTES)};
    enum err err = kmip_new_begin(call, kmip_enum(call->in, KMIP_TAG_OBJECT_TYPE, 0), containers,
                                  ARRAY_LEN(containers), &new);
    if (err == ERR_OK)
        err = derive(call, d, &new);
    if (err == ERR_OK)
        err = store(call, d, &new);
    if (err != ERR_OK)
        kmip_new_abandon(call, &new);
    kmip_new_done(&new);
    return err;
}

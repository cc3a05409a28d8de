#include "kmip/op/crypto_ops.h"
#include "kmip/op/make.h"
#include "kmip/op/refuse.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Join Split Key (KMIP 1.4, 4.39; 2.1, 6.1.27). */

struct join {
    struct keeper_split split;
    struct keeper_object parts[KEEPER_SPLIT_MAX];
    uint32_t numbers[KEEPER_SPLIT_MAX];
    size_t count;
    uint32_t alg, bits; /* of the key, as the parts say */
};

static enum err check_part(struct kmip_call *call, const struct vault_object *part)
{
    if (part->type != KMIP_OBJECT_SPLIT_KEY)
        return kmip_wrong_type(call);
    if (part->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "a part is archived");
    uint32_t state = vault_object_state(part, call->request->now);
    if (state == KMIP_STATE_DESTROYED || state == KMIP_STATE_DESTROYED_COMPROMISED)
        return kmip_fail(call, KMIP_REASON_OBJECT_DESTROYED, "a part is destroyed");
    if (part->sealed.len == 0)
        return kmip_fail(call, KMIP_REASON_KEY_VALUE_NOT_PRESENT, "a part is not on the server");
    return ERR_OK;
}

static struct keeper_split split_of(const struct kmip_attrs *attrs)
{
    return (struct keeper_split){
        .method = (uint32_t)kmip_attr_num(attrs, KMIP_TAG_SPLIT_KEY_METHOD, 0),
        .count = (uint32_t)kmip_attr_num(attrs, KMIP_TAG_SPLIT_KEY_PARTS, 0),
        .threshold = (uint32_t)kmip_attr_num(attrs, KMIP_TAG_SPLIT_KEY_THRESHOLD, 0),
        .prime = kmip_attr_bytes(attrs, KMIP_TAG_PRIME_FIELD_SIZE),
    };
}

static bool same_split(const struct keeper_split *a, const struct keeper_split *b)
{
    return a->method == b->method && a->count == b->count && a->threshold == b->threshold &&
           bytes_equal(a->prime, b->prime);
}

static enum err add_part(struct kmip_call *call, struct bytes uid, struct join *join)
{
    if (join->count == KEEPER_SPLIT_MAX)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "more than %d parts", KEEPER_SPLIT_MAX);
    struct vault_object *part = arena_take(kmip_arena(call), sizeof(*part));
    if (part == NULL)
        return ERR_NO_MEMORY;
    TRY(kmip_get_object(call, uid, part));
    TRY(check_part(call, part));
    struct kmip_attrs attrs = {0};
    TRY(kmip_object_attrs(call, part, &attrs));
    struct keeper_split split = split_of(&attrs);
    uint32_t number = (uint32_t)kmip_attr_num(&attrs, KMIP_TAG_KEY_PART_IDENTIFIER, 0);
    if (join->count == 0) {
        join->split = split;
        join->alg = part->alg;
        join->bits = part->bits;
    } else if (!same_split(&split, &join->split) || part->alg != join->alg ||
               part->bits != join->bits) {
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the parts are not of one key");
    }
    for (size_t i = 0; i < join->count; i++)
        if (join->numbers[i] == number)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "part %u stands twice", number);
    join->parts[join->count] = kmip_keeper_object(part);
    join->numbers[join->count++] = number;
    return ERR_OK;
}

static enum err find_parts(struct kmip_call *call, struct join *join)
{
    const struct kmip_node *uid = kmip_child(call->in, KMIP_TAG_UNIQUE_IDENTIFIER);
    for (; uid != NULL; uid = kmip_again(uid)) {
        if (uid->type != KMIP_TEXT_STRING)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "parts are named by text");
        TRY(add_part(call, uid->bytes, join));
    }
    if (join->count == 0 || join->count < join->split.threshold)
        return kmip_fail(call, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "too few parts: %zu of %u",
                         join->count, join->split.threshold);
    return ERR_OK;
}

static enum err spec_of(struct kmip_call *call, const struct join *join, const struct kmip_new *new,
                        struct keeper_object_spec *ret_spec)
{
    struct keeper_object_spec spec;
    TRY(kmip_new_spec(call, new, &spec));
    bool symmetric = new->object.type == KMIP_OBJECT_SYMMETRIC_KEY;
    if (spec.alg == 0)
        spec.alg = join->alg;
    if (spec.bits == 0)
        spec.bits = join->bits;
    if (symmetric && (spec.alg != join->alg || spec.bits != join->bits) && join->alg != 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "algorithm and length are not those of the parts");
    if (symmetric && spec.alg == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "Cryptographic Algorithm is wanted");
    *ret_spec = spec;
    return ERR_OK;
}

static enum err keep_secret_data_type(struct kmip_call *call, struct kmip_new *new)
{
    if (new->object.type != KMIP_OBJECT_SECRET_DATA)
        return ERR_OK;
    uint32_t type = kmip_enum(call->in, KMIP_TAG_SECRET_DATA_TYPE, KMIP_SECRET_DATA_TYPE_PASSWORD);
    return kmip_attr_set_num(&new->attrs, KMIP_TAG_SECRET_DATA_TYPE, KMIP_ENUMERATION, type);
}

static enum err join_parts(struct kmip_call *call, struct join *join, struct kmip_new *new)
{
    struct kmip_request *request = call->request;
    struct keeper_object_spec spec;
    TRY(spec_of(call, join, new, &spec));
    struct keeper_object object = kmip_new_object(new);
    struct keeper_object_made made = {.sealed = &new->sealed};
    enum err err =
        keeper_object_join(request->env->keeper, request->client->name, &join->split, join->parts,
                           join->numbers, join->count, &object, &spec, &made, &call->detail);
    if (err != ERR_OK)
        return kmip_crypto_failed(call, err);
    new->format = new->object.type == KMIP_OBJECT_PRIVATE_KEY ? FORMAT_PKCS8 : FORMAT_RAW;
    TRY(kmip_new_made(call, new, &made));
    TRY(keep_secret_data_type(call, new));
    TRY(kmip_new_insert(call, new, 1, NULL, NULL));
    kmip_put_uid(call, new->object.uid);
    return kmip_out(call)->err;
}

enum err kmip_op_join_split_key(struct kmip_call *call)
{
    struct join *join = arena_take(kmip_arena(call), sizeof(*join));
    if (join == NULL)
        return ERR_NO_MEMORY;
    uint32_t type = kmip_enum(call->in, KMIP_TAG_OBJECT_TYPE, 0);
    if (type != KMIP_OBJECT_SYMMETRIC_KEY && type != KMIP_OBJECT_PRIVATE_KEY &&
        type != KMIP_OBJECT_SECRET_DATA)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "parts make a symmetric key, a private key or secret data");
    TRY(find_parts(call, join));
    struct kmip_new new = {0};
    const struct kmip_node *containers[] = {kmip_child(call->in, KMIP_TAG_TEMPLATE_ATTRIBUTE),
                                            kmip_child(call->in, KMIP_TAG_ATTRIBUTES)};
    enum err err = kmip_new_begin(call, type, containers, ARRAY_LEN(containers), &new);
    if (err == ERR_OK)
        err = join_parts(call, join, &new);
    if (err != ERR_OK)
        kmip_new_abandon(call, &new);
    kmip_new_done(&new);
    return err;
}

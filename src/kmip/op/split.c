#include "kmip/op/crypto_ops.h"
#include "kmip/op/key_use.h"
#include "kmip/op/make.h"
#include "kmip/op/refuse.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

#include <stdio.h>

/* Create Split Key (KMIP 1.4, 4.38; 2.1, 6.1.10). */

struct parts {
    struct keeper_split split;
    struct kmip_new *news;
    struct keeper_object *objects;
    struct keeper_object_made *made;
    struct vault_object source; /* what is split */
    struct buf fresh;           /* its sealed record, where it is made for this */
};

static enum err read_split(struct kmip_call *call, struct keeper_split *split)
{
    int64_t count = kmip_num(call->in, KMIP_TAG_SPLIT_KEY_PARTS, 0);
    int64_t threshold = kmip_num(call->in, KMIP_TAG_SPLIT_KEY_THRESHOLD, 0);
    split->method = kmip_enum(call->in, KMIP_TAG_SPLIT_KEY_METHOD, 0);
    split->prime = kmip_bytes(call->in, KMIP_TAG_PRIME_FIELD_SIZE);
    if (split->method < KMIP_SPLIT_KEY_METHOD_XOR ||
        split->method > KMIP_SPLIT_KEY_METHOD_POLYNOMIAL_SHARING_GF_2_8)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "this Split Key Method is not served");
    if (count < 2 || count > KEEPER_SPLIT_MAX || threshold < 2 || threshold > count)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "Split Key Parts are 2 to %d, and the threshold not more",
                         KEEPER_SPLIT_MAX);
    if (split->method == KMIP_SPLIT_KEY_METHOD_XOR && threshold != count)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "XOR wants all parts to join");
    bool prime = split->method == KMIP_SPLIT_KEY_METHOD_POLYNOMIAL_SHARING_PRIME_FIELD;
    if (prime != (split->prime.len > 0))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "Prime Field Size goes with the prime field, and only with it");
    split->count = (uint32_t)count;
    split->threshold = (uint32_t)threshold;
    return ERR_OK;
}

static enum err find_source(struct kmip_call *call, struct parts *parts)
{
    struct vault_object *source = &parts->source;
    /* Shares are the key for whoever has enough of them. */
    TRY(kmip_may(call, VAULT_MAY_READ));
    TRY(kmip_find_object(call, source));
    if (source->type != KMIP_OBJECT_SYMMETRIC_KEY && source->type != KMIP_OBJECT_PRIVATE_KEY &&
        source->type != KMIP_OBJECT_SECRET_DATA)
        return kmip_wrong_type(call);
    if (source->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    uint32_t state = vault_object_state(source, call->request->now);
    if (state == KMIP_STATE_DESTROYED || state == KMIP_STATE_DESTROYED_COMPROMISED)
        return kmip_fail(call, KMIP_REASON_OBJECT_DESTROYED, "the object is destroyed");
    if (source->sealed.len == 0)
        return kmip_fail(call, KMIP_REASON_KEY_VALUE_NOT_PRESENT, "the key is not on the server");
    return ERR_OK;
}

/* A key that is made to be split; nothing is stored of it but the parts. */
static enum err make_source(struct kmip_call *call, struct parts *parts)
{
    struct kmip_request *request = call->request;
    const struct kmip_new *like = &parts->news[0];
    struct keeper_object_spec spec;
    TRY(kmip_new_spec(call, like, &spec));
    spec.class = CRYPTO_SYMMETRIC;
    spec.flags &= ~(uint32_t)KEEPER_IN_TOKEN;
    if (spec.alg == 0 || spec.bits == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "a key or its algorithm and length are wanted");
    struct vault_object *source = &parts->source;
    *source = like->object;
    source->placement = VAULT_IN_STORE;
    TRY(vault_object_next(request->env->objects, &source->id, source->uid));
    struct keeper_object object = {.row = vault_object_row(source), .name = bytes_str(source->uid)};
    struct keeper_object_made made = {.sealed = &parts->fresh};
    enum err err = keeper_object_generate(request->env->keeper, request->client->name, &object,
                                          &spec, &made, &call->detail);
    if (err != ERR_OK)
        return kmip_crypto_failed(call, err);
    source->sealed = buf_view(&parts->fresh);
    source->alg = spec.alg;
    source->bits = spec.bits;
    return ERR_OK;
}

static enum err take_rows(struct kmip_call *call, struct parts *parts)
{
    struct arena *arena = kmip_arena(call);
    size_t count = parts->split.count;
    parts->news = arena_take(arena, count * sizeof(*parts->news));
    parts->objects = arena_take(arena, count * sizeof(*parts->objects));
    parts->made = arena_take(arena, count * sizeof(*parts->made));
    if (parts->news == NULL || parts->objects == NULL || parts->made == NULL)
        return ERR_NO_MEMORY;
    const struct kmip_node *containers[] = {kmip_child(call->in, KMIP_TAG_TEMPLATE_ATTRIBUTE),
                                            kmip_child(call->in, KMIP_TAG_ATTRIBUTES)};
    for (size_t i = 0; i < count; i++) {
        TRY(kmip_new_begin(call, KMIP_OBJECT_SPLIT_KEY, containers, ARRAY_LEN(containers),
                           &parts->news[i]));
        parts->news[i].format = FORMAT_RAW;
        parts->objects[i] = kmip_new_object(&parts->news[i]);
        parts->made[i].sealed = &parts->news[i].sealed;
    }
    return ERR_OK;
}

/* What a Split Key says of itself (KMIP 1.4, 2.2.5); where the request says otherwise of the key's
 * algorithm and length, the key is right. */
static enum err describe(struct kmip_call *call, struct parts *parts, size_t i)
{
    struct kmip_new *new = &parts->news[i];
    struct keeper_object_made *made = &parts->made[i];
    const struct keeper_split *split = &parts->split;
    made->alg = parts->source.alg;
    made->bits = parts->source.bits;
    TRY(kmip_new_made(call, new, made));
    TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_SPLIT_KEY_PARTS, KMIP_INTEGER, split->count));
    TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_KEY_PART_IDENTIFIER, KMIP_INTEGER, (int64_t)i + 1));
    TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_SPLIT_KEY_THRESHOLD, KMIP_INTEGER,
                          split->threshold));
    TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_SPLIT_KEY_METHOD, KMIP_ENUMERATION, split->method));
    if (split->prime.len == 0)
        return ERR_OK;
    struct kmip_build build = {.arena = kmip_arena(call)};
    struct kmip_node *prime = kmip_put_bytes_copy(&build, NULL, KMIP_TAG_PRIME_FIELD_SIZE,
                                                  KMIP_BIG_INTEGER, split->prime);
    TRY(build.err);
    return kmip_attr_set(&new->attrs, KMIP_TAG_PRIME_FIELD_SIZE, prime);
}

static enum err split(struct kmip_call *call, struct parts *parts)
{
    struct kmip_request *request = call->request;
    TRY(take_rows(call, parts));
    if (kmip_child(call->in, KMIP_TAG_UNIQUE_IDENTIFIER) != NULL)
        TRY(find_source(call, parts));
    else
        TRY(make_source(call, parts));
    struct keeper_object source = kmip_keeper_object(&parts->source);
    enum err err = keeper_object_split(request->env->keeper, request->client->name, &source,
                                       &parts->split, parts->objects, parts->made, &call->detail);
    if (err == ERR_DENIED)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "the key never leaves the server");
    if (err != ERR_OK)
        return kmip_crypto_failed(call, err);
    for (size_t i = 0; i < parts->split.count; i++)
        TRY(describe(call, parts, i));
    TRY(kmip_new_insert(call, parts->news, parts->split.count, NULL, NULL));
    for (size_t i = 0; i < parts->split.count; i++)
        (void)kmip_put_text(kmip_out(call), call->out, KMIP_TAG_UNIQUE_IDENTIFIER,
                            parts->news[i].object.uid);
    (void)snprintf(request->placeholder, sizeof(request->placeholder), "%s",
                   parts->news[0].object.uid);
    return kmip_out(call)->err;
}

enum err kmip_op_create_split_key(struct kmip_call *call)
{
    struct parts parts = {0};
    if (kmip_enum(call->in, KMIP_TAG_OBJECT_TYPE, KMIP_OBJECT_SPLIT_KEY) != KMIP_OBJECT_SPLIT_KEY)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "Split Keys are what is created");
    TRY(read_split(call, &parts.split));
    enum err err = split(call, &parts);
    for (size_t i = 0; parts.news != NULL && i < parts.split.count; i++)
        kmip_new_done(&parts.news[i]);
    buf_done(&parts.fresh);
    return err;
}

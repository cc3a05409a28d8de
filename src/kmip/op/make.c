#include "kmip/op/make.h"

#include "kmip/attr/rules.h"
#include "kmip/codec/table.h"
#include "kmip/op/defaults.h"
#include "kmip/op/placement.h"
#include "kmip/op/template.h"
#include "kmip/server/config.h"

/* An attribute could not be taken: says which and why, with the reason. */
static enum err refuse(struct kmip_call *call, enum err err)
{
    switch (err) {
    case ERR_NOT_FOUND: return kmip_fail(call, KMIP_REASON_INVALID_ATTRIBUTE, "no such attribute");
    case ERR_SYNTAX:
        return kmip_fail(call, KMIP_REASON_INVALID_DATA_TYPE, "an attribute has a wrong type");
    case ERR_ARGUMENT:
        return kmip_fail(call, KMIP_REASON_INVALID_ATTRIBUTE_VALUE,
                         "an attribute has a value that is not known");
    case ERR_EXISTS:
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "an Attribute Index stands twice");
    case ERR_LIMIT: return kmip_fail(call, KMIP_REASON_INDEX_OUT_OF_BOUNDS, "too many attributes");
    default: return err;
    }
}

/* Append those of a kind that was not there before. */
enum err kmip_attrs_fill(struct kmip_attrs *attrs, const struct kmip_attrs *from)
{
    const struct kmip_attr *last = attrs->last;
    for (const struct kmip_attr *a = from->first; a != NULL; a = a->next) {
        const struct kmip_attr_ref ref = {a->tag, a->vendor, a->name};
        bool there = false;
        for (const struct kmip_attr *b = last != NULL ? attrs->first : NULL; b != NULL && !there;
             b = b == last ? NULL : b->next)
            there = kmip_attr_is(b, &ref);
        if (!there)
            TRY(kmip_attr_add(attrs, &ref, a->value));
    }
    return ERR_OK;
}

enum err kmip_attrs_read(struct kmip_call *call, const struct kmip_node *container,
                         struct kmip_attrs *attrs)
{
    struct kmip_attrs here = {.arena = kmip_arena(call)};
    if (container == NULL)
        return ERR_OK;
    /* in a Template-Attribute a Name is a template's; in Attributes it is an attribute */
    const bool templates = call->request->version < KMIP_2_0;
    for (const struct kmip_node *node = container->first; node != NULL; node = node->next) {
        if (node->tag == KMIP_TAG_NAME && templates)
            continue;
        const enum err err = kmip_attr_read(&here, node);
        if (err != ERR_OK)
            return refuse(call, err);
    }
    for (const struct kmip_node *n = container->first; n != NULL && templates; n = n->next)
        if (n->tag == KMIP_TAG_NAME)
            TRY(kmip_template_apply(call, kmip_bytes(n, KMIP_TAG_NAME_VALUE), &here));
    const enum err err = kmip_attrs_fill(attrs, &here);
    return err == ERR_OK ? ERR_OK : refuse(call, err);
}

/* Attributes that come to be without the client. */
static enum err server_attributes(struct kmip_call *call, struct kmip_new *new)
{
    struct kmip_attrs *attrs = &new->attrs;
    const int64_t now = call->request->now;
    if (kmip_attr_find(attrs, KMIP_TAG_INITIAL_DATE) == NULL)
        TRY(kmip_attr_set_num(attrs, KMIP_TAG_INITIAL_DATE, KMIP_DATE_TIME, now));
    TRY(kmip_attr_set_num(attrs, KMIP_TAG_LAST_CHANGE_DATE, KMIP_DATE_TIME, now));
    if (new->object.type == KMIP_OBJECT_TEMPLATE)
        return ERR_OK;
    const bool sensitive = kmip_attr_num(attrs, KMIP_TAG_SENSITIVE, 0) != 0;
    const bool extractable = kmip_attr_num(attrs, KMIP_TAG_EXTRACTABLE, 1) != 0;
    TRY(kmip_attr_set_num(attrs, KMIP_TAG_SENSITIVE, KMIP_BOOLEAN, sensitive));
    TRY(kmip_attr_set_num(attrs, KMIP_TAG_EXTRACTABLE, KMIP_BOOLEAN, extractable));
    if (kmip_attr_find(attrs, KMIP_TAG_ALWAYS_SENSITIVE) == NULL)
        TRY(kmip_attr_set_num(attrs, KMIP_TAG_ALWAYS_SENSITIVE, KMIP_BOOLEAN, sensitive));
    if (kmip_attr_find(attrs, KMIP_TAG_NEVER_EXTRACTABLE) == NULL)
        TRY(kmip_attr_set_num(attrs, KMIP_TAG_NEVER_EXTRACTABLE, KMIP_BOOLEAN, !extractable));
    if (kmip_attr_find(attrs, KMIP_TAG_FRESH) == NULL)
        TRY(kmip_attr_set_num(attrs, KMIP_TAG_FRESH, KMIP_BOOLEAN, true));
    return ERR_OK;
}

/* KMIP 2.1, 4.40, 4.41: processing ends after it starts; an activation that is past is now Active,
 * a deactivation that is past Deactivated. */
static enum err check_dates(struct kmip_call *call, struct kmip_new *new)
{
    const struct kmip_attrs *attrs = &new->attrs;
    const int64_t none = VAULT_NO_DATE;
    const int64_t activation = kmip_attr_num(attrs, KMIP_TAG_ACTIVATION_DATE, none);
    const int64_t start = kmip_attr_num(attrs, KMIP_TAG_PROCESS_START_DATE, none);
    const int64_t stop = kmip_attr_num(attrs, KMIP_TAG_PROTECT_STOP_DATE, none);
    const int64_t deactivation = kmip_attr_num(attrs, KMIP_TAG_DEACTIVATION_DATE, none);
    if ((activation != none && deactivation != none && deactivation < activation) ||
        (start != none && activation != none && start < activation) ||
        (stop != none && activation != none && stop < activation) ||
        (start != none && deactivation != none && start > deactivation) ||
        (stop != none && deactivation != none && stop > deactivation))
        return kmip_fail(call, KMIP_REASON_INVALID_ATTRIBUTE_VALUE, "the dates contradict");
    const int64_t now = call->request->now;
    uint32_t state = KMIP_STATE_PRE_ACTIVE;
    if (activation != none && activation <= now)
        state = KMIP_STATE_ACTIVE;
    if (state == KMIP_STATE_ACTIVE && deactivation != none && deactivation <= now)
        state = KMIP_STATE_DEACTIVATED;
    /* an imported object brings its state; only Import gets that far with one */
    new->object.state = (uint32_t)kmip_attr_num(attrs, KMIP_TAG_STATE, state);
    return ERR_OK;
}

enum err kmip_usage_limits_begin(struct kmip_call *call, struct kmip_node *value, bool imported)
{
    struct kmip_build build = {.arena = kmip_arena(call)};
    const int64_t total = kmip_num(value, KMIP_TAG_USAGE_LIMITS_TOTAL, -1);
    struct kmip_node *count = kmip_child(value, KMIP_TAG_USAGE_LIMITS_COUNT);
    /* the highest number is the vault's word for no limit */
    if (total < 0 || total == INT64_MAX ||
        (imported && count != NULL && (count->num < 0 || count->num > total)))
        return kmip_fail(call, KMIP_REASON_INVALID_ATTRIBUTE_VALUE,
                         "Usage Limits without a Total, or out of range");
    if (imported && count != NULL)
        return ERR_OK;
    if (count != NULL)
        kmip_remove(value, count);
    kmip_put_num(&build, value, KMIP_TAG_USAGE_LIMITS_COUNT, KMIP_LONG_INTEGER, total);
    TRY(build.err);
    /* KMIP 1.4, 3.21: Total, Count, Unit */
    struct kmip_node *unit = kmip_child(value, KMIP_TAG_USAGE_LIMITS_UNIT);
    if (unit != NULL) {
        kmip_remove(value, unit);
        kmip_append(value, unit);
    }
    return ERR_OK;
}

static enum err check_usage_limits(struct kmip_call *call, struct kmip_attrs *attrs)
{
    struct kmip_attr *a = kmip_attr_find(attrs, KMIP_TAG_USAGE_LIMITS);
    return a != NULL ? kmip_usage_limits_begin(call, a->value, call->operation == KMIP_OP_IMPORT)
                     : ERR_OK;
}

static enum err check_rules(struct kmip_call *call, uint32_t object_type,
                            const struct kmip_attrs *attrs, bool imported)
{
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next) {
        const unsigned flags = kmip_attr_flags(a->tag);
        /* EDB's client says the type here as well: what is true anyway does no harm */
        if (a->tag == KMIP_TAG_OBJECT_TYPE && a->value->num == object_type)
            continue;
        if ((flags & KMIP_ATTR_SET) == 0 && !imported)
            return kmip_fail(call, KMIP_REASON_ATTRIBUTE_READ_ONLY, "%s is not a client's to set",
                             kmip_tag_row(a->tag)->title);
        if ((flags & KMIP_ATTR_MULTI) == 0 && kmip_attr_again(a) != NULL)
            return kmip_fail(call, KMIP_REASON_ATTRIBUTE_SINGLE_VALUED, "%s stands twice",
                             kmip_tag_row(a->tag)->title);
    }
    return ERR_OK;
}

enum err kmip_new_begin(struct kmip_call *call, uint32_t object_type,
                        const struct kmip_node *const *containers, size_t count,
                        struct kmip_new *new)
{
    struct kmip_request *request = call->request;
    const struct vault_client *client = request->client;
    TRY(kmip_may(call, VAULT_MAY_CREATE));
    if (object_type == 0 || object_type >= 32 ||
        (request->env->config->hidden_objects >> object_type & 1) != 0 ||
        !kmip_enum_known(KMIP_TAG_OBJECT_TYPE, object_type, request->version))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "objects of this type are not kept here");
    new->attrs.arena = request->arena;
    struct vault_object *object = &new->object;
    *object = (struct vault_object){.type = object_type,
                                    .owner = client->id,
                                    .group = client->eyes.groups[0],
                                    .placement = VAULT_IN_STORE,
                                    .domain = vault_objects_domain(request->env->objects),
                                    .usage_total = -1,
                                    .usage_left = -1};
    TRY(vault_object_next(request->env->objects, &object->id, object->uid));
    for (size_t i = 0; i < count; i++)
        TRY(kmip_attrs_read(call, containers[i], &new->attrs));
    /* clients say it in both places */
    if (kmip_attr_num(&new->attrs, KMIP_TAG_OBJECT_TYPE, 0) == object_type)
        kmip_attr_remove_all(&new->attrs, KMIP_TAG_OBJECT_TYPE);
    TRY(check_rules(call, object_type, &new->attrs, call->operation == KMIP_OP_IMPORT));
    if (new->like != NULL)
        TRY(kmip_attrs_fill(&new->attrs, new->like));
    TRY(kmip_defaults_apply(call, object_type, &new->attrs));
    TRY(check_usage_limits(call, &new->attrs));
    TRY(check_dates(call, new));
    TRY(kmip_constraints_check(call, object_type, &new->attrs));
    return server_attributes(call, new);
}

enum err kmip_new_more(struct kmip_call *call, struct kmip_new *new, const struct kmip_attrs *more)
{
    TRY(check_rules(call, new->object.type, more, false));
    TRY(kmip_attrs_fill(&new->attrs, more));
    TRY(check_usage_limits(call, &new->attrs));
    TRY(check_dates(call, new));
    return kmip_constraints_check(call, new->object.type, &new->attrs);
}

static enum crypto_class class_of(uint32_t type)
{
    switch (type) {
    case KMIP_OBJECT_SYMMETRIC_KEY: return CRYPTO_SYMMETRIC;
    case KMIP_OBJECT_PRIVATE_KEY: return CRYPTO_PRIVATE;
    case KMIP_OBJECT_PUBLIC_KEY: return CRYPTO_PUBLIC;
    default: return CRYPTO_SECRET;
    }
}

enum err kmip_new_spec(struct kmip_call *call, const struct kmip_new *new,
                       struct keeper_object_spec *ret_spec)
{
    const struct kmip_attrs *attrs = &new->attrs;
    const int64_t bits = kmip_attr_num(attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 0);
    if (bits < 0 || bits > (int64_t)KEEPER_OBJECT_MAX * 8)
        return kmip_fail(call, KMIP_REASON_INVALID_ATTRIBUTE_VALUE,
                         "Cryptographic Length is out of range");
    struct keeper_object_spec spec = {
        .class = class_of(new->object.type),
        .alg = (uint32_t)kmip_attr_num(attrs, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0),
        .bits = (uint32_t)bits,
    };
    if (kmip_attr_num(attrs, KMIP_TAG_SENSITIVE, 0) != 0)
        spec.flags |= KEEPER_NO_RELEASE;
    if (kmip_attr_num(attrs, KMIP_TAG_EXTRACTABLE, 1) == 0)
        spec.flags |= KEEPER_NO_EXTRACT;
    if (new->object.placement == VAULT_IN_TOKEN)
        spec.flags |= KEEPER_IN_TOKEN;
    const struct kmip_attr *domain =
        kmip_attr_find(attrs, KMIP_TAG_CRYPTOGRAPHIC_DOMAIN_PARAMETERS);
    if (domain != NULL)
        spec.curve = kmip_enum(domain->value, KMIP_TAG_RECOMMENDED_CURVE, 0);
    *ret_spec = spec;
    return ERR_OK;
}

struct keeper_object kmip_new_object(const struct kmip_new *new)
{
    return (struct keeper_object){.row = vault_object_row(&new->object),
                                  .sealed = buf_view(&new->reserved),
                                  .name = bytes_str(new->object.uid)};
}

enum err kmip_new_promise(struct kmip_call *call, struct kmip_new *new,
                          const struct keeper_object_spec *spec)
{
    const struct kmip_env *env = call->request->env;
    if ((spec->flags & KEEPER_IN_TOKEN) == 0)
        return ERR_OK;
    struct keeper_object key = kmip_new_object(new);
    const enum err err = keeper_object_reserve(env->keeper, kmip_actor(call), &key, spec,
                                               &new->reserved, &call->detail);
    if (err != ERR_OK)
        return kmip_made_error(call, err);
    key = kmip_new_object(new);
    return vault_token_promise(env->objects, &key, &new->object.promise, &call->detail);
}

enum err kmip_new_digest(struct kmip_new *new, uint32_t format, const uint8_t sha256[32])
{
    struct kmip_build build = {.arena = new->attrs.arena};
    struct kmip_node *digest = kmip_put_struct(&build, NULL, KMIP_TAG_DIGEST);
    kmip_put_enum(&build, digest, KMIP_TAG_HASHING_ALGORITHM, HASH_SHA_256);
    kmip_put_bytes_copy(&build, digest, KMIP_TAG_DIGEST_VALUE, KMIP_BYTE_STRING,
                        bytes_of(sha256, 32));
    if (format != 0)
        kmip_put_enum(&build, digest, KMIP_TAG_KEY_FORMAT_TYPE, format);
    TRY(build.err);
    return kmip_attr_set(&new->attrs, KMIP_TAG_DIGEST, digest);
}

/* What the keeper hashes of a private key is its PKCS#8 form, of RSA the PKCS#1 form. */
static uint32_t digest_format(const struct kmip_new *new)
{
    if (new->object.type != KMIP_OBJECT_PRIVATE_KEY)
        return new->format;
    const bool rsa = kmip_attr_num(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0) == ALG_RSA;
    return rsa ? FORMAT_PKCS1 : FORMAT_PKCS8;
}

/* KMIP 2.1, 4.45: what has to be Quantum Safe is a symmetric key of which Grover's search leaves
 * 128 bits; of the asymmetric algorithms none here is. */
static enum err check_quantum_safe(struct kmip_call *call, const struct kmip_new *new,
                                   const struct keeper_object_made *made)
{
    if (kmip_attr_num(&new->attrs, KMIP_TAG_QUANTUM_SAFE, 0) == 0)
        return ERR_OK;
    const enum crypto_class class = class_of(new->object.type);
    const int64_t bits =
        made->bits != 0 ? made->bits : kmip_attr_num(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, 0);
    if ((class == CRYPTO_SYMMETRIC || class == CRYPTO_SECRET) && bits >= 256)
        return ERR_OK;
    return kmip_fail(call, KMIP_REASON_GENERAL_FAILURE, "a key of this kind is not quantum safe");
}

enum err kmip_new_made(struct kmip_call *call, struct kmip_new *new,
                       const struct keeper_object_made *made)
{
    TRY(check_quantum_safe(call, new, made));
    if (made->alg != 0)
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, KMIP_ENUMERATION,
                              made->alg));
    /* a 3DES key of 24 bytes has 168 bits for one client, 192 for another: theirs to say */
    const bool odd = kmip_attr_num(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0) == ALG_DES3 &&
                     kmip_attr_find(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH) != NULL;
    if (made->bits != 0 && !odd)
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, KMIP_INTEGER,
                              made->bits));
    if (new->format != 0)
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_KEY_FORMAT_TYPE, KMIP_ENUMERATION,
                              new->format));
    if (kmip_attr_find(&new->attrs, KMIP_TAG_DIGEST) == NULL)
        TRY(kmip_new_digest(new, digest_format(new), made->digest));
    return ERR_OK;
}

enum err kmip_new_generated(struct kmip_call *call, struct kmip_new *new)
{
    const struct kmip_rng *rng = &call->request->env->config->rng;
    TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_ORIGINAL_CREATION_DATE, KMIP_DATE_TIME,
                          call->request->now));
    TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_FRESH, KMIP_BOOLEAN, true));
    if (rng->algorithm == 0)
        return ERR_OK;
    struct kmip_build build = {.arena = kmip_arena(call)};
    struct kmip_node *node = kmip_put_struct(&build, NULL, KMIP_TAG_RANDOM_NUMBER_GENERATOR);
    kmip_rng_put(&build, node, rng);
    TRY(build.err);
    return kmip_attr_set(&new->attrs, KMIP_TAG_RANDOM_NUMBER_GENERATOR, node);
}

void kmip_rng_put(struct kmip_build *build, struct kmip_node *node, const struct kmip_rng *rng)
{
    const struct {
        uint32_t tag, value;
    } enums[] = {{KMIP_TAG_HASHING_ALGORITHM, rng->hash},
                 {KMIP_TAG_DRBG_ALGORITHM, rng->drbg},
                 {KMIP_TAG_RECOMMENDED_CURVE, rng->curve},
                 {KMIP_TAG_FIPS186_VARIATION, rng->fips186}};
    kmip_put_enum(build, node, KMIP_TAG_RNG_ALGORITHM, rng->algorithm);
    if (rng->crypto_alg != 0)
        kmip_put_enum(build, node, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, rng->crypto_alg);
    if (rng->bits != 0)
        kmip_put_int(build, node, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, (int32_t)rng->bits);
    for (size_t i = 0; i < ARRAY_LEN(enums); i++)
        if (enums[i].value != 0)
            kmip_put_enum(build, node, enums[i].tag, enums[i].value);
    if (rng->prediction_resistance >= 0)
        kmip_put_bool(build, node, KMIP_TAG_PREDICTION_RESISTANCE, rng->prediction_resistance != 0);
}

struct insert_ctx {
    struct kmip_new *news;
    struct vault_key **keys;
    size_t *key_counts, count;
    vault_tx_fn *also;
    void *ctx;
};

static enum err insert_in_tx(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    const struct insert_ctx *c = ctx;
    for (size_t i = 0; i < c->count; i++) {
        const struct kmip_new *new = &c->news[i];
        if (new->replaces) {
            struct vault_object old;
            TRY(vault_tx_get(tx, bytes_str(new->object.uid), &old, detail));
            struct vault_object next = new->object;
            if (old.placement == VAULT_IN_TOKEN && old.domain == next.domain) {
                next.doomed = old.sealed;
                next.doomed_epoch = old.epoch;
            }
            TRY(vault_tx_update(tx, &next, c->keys[i], c->key_counts[i], detail));
        } else {
            TRY(vault_tx_insert(tx, &new->object, c->keys[i], c->key_counts[i], detail));
        }
    }
    return c->also != NULL ? c->also(tx, c->ctx, detail) : ERR_OK;
}

enum err kmip_new_insert(struct kmip_call *call, struct kmip_new *news, size_t count,
                         vault_tx_fn *also, void *ctx)
{
    struct kmip_request *request = call->request;
    struct vault_key **keys = arena_take(request->arena, count * sizeof(struct vault_key *));
    size_t *key_counts = arena_take(request->arena, count * sizeof(*key_counts));
    if (keys == NULL || key_counts == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct kmip_new *new = &news[i];
        new->object.sealed = buf_view(&new->sealed);
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_OBJECT_TYPE, KMIP_ENUMERATION,
                              new->object.type));
        TRY(kmip_object_pack(call, &new->attrs, &new->object, &keys[i], &key_counts[i]));
    }
    struct insert_ctx insert = {news, keys, key_counts, count, also, ctx};
    const enum err err =
        vault_objects_run(request->env->objects, request->deferred, &request->client->eyes,
                          insert_in_tx, &insert, &call->detail);
    for (size_t i = 0; i < count && err == ERR_OK && request->deferred != NULL; i++)
        if (news[i].object.placement == VAULT_IN_TOKEN)
            TRY(kmip_undo_later(call, &news[i]));
    if (err == ERR_EXISTS)
        return kmip_fail(call, KMIP_REASON_OBJECT_ALREADY_EXISTS,
                         "an object with this Unique Identifier is there");
    return err;
}

void kmip_new_done(struct kmip_new *new)
{
    buf_done(&new->sealed);
    buf_done(&new->spki);
    buf_done(&new->reserved);
}

void kmip_new_abandon(struct kmip_call *call, struct kmip_new *new)
{
    const struct kmip_env *env = call->request->env;
    if (new->object.placement != VAULT_IN_TOKEN || new->reserved.len == 0)
        return;
    const struct keeper_object object = kmip_new_object(new);
    struct err_detail ignored = {0};
    /* what fails here is done at the next start */
    if (keeper_object_destroy(env->keeper, kmip_actor(call), &object, &ignored) == ERR_OK &&
        new->object.promise != 0 &&
        vault_token_promise_end(env->objects, new->object.promise, &ignored) != ERR_OK)
        return;
}

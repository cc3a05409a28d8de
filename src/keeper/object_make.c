#include "crypto/hash.h"
#include "crypto/keyform.h"
#include "crypto/keygen.h"
#include "crypto/random.h"
#include "crypto/x931.h"
#include "keeper/object.h"

/* OBJECT_GENERATE  actor | object | spec -> made
 * OBJECT_PAIR      actor | object | spec -> made
 * OBJECT_RESERVE   actor | object | spec -> u32 length, sealed: what may be `sealed` of an object
 * in the token for the three others, so that the key can be destroyed whatever happens OBJECT_SEAL
 * actor | object | spec | u32 length, material -> made */

struct make_job {
    struct object_job base;
    struct keeper_row row;
    struct keeper_object_spec spec;
    struct bytes input; /* of a registration */
    struct object object;
    struct secret *made;
    struct buf spki;
    struct keeper_token_object in_token;
    uint8_t reserved[KEEPER_TOKEN_ID];
    bool is_reserved;
    uint8_t digest[32];
    bool has_digest;
};

static void make_done(struct object_job *base)
{
    struct make_job *job = (struct make_job *)base;
    secret_free(job->made);
    buf_done(&job->spki);
}

/* Made for this row, and as what is made now. */
static enum err take_reserved(struct core_call *call, const struct keeper_object *object,
                              struct make_job *job)
{
    struct object reserved;
    if (object->sealed.len == 0)
        return ERR_OK;
    TRY(call_object_open_reserved(call, object, OBJECT_ROOM_A, &reserved));
    if (reserved.flags != (job->spec.flags | OBJECT_RESERVED) ||
        reserved.class != job->spec.class || (job->spec.flags & KEEPER_IN_TOKEN) == 0)
        return err_set(&call->detail, ERR_ARGUMENT, "nothing of the kind is reserved");
    memcpy(job->reserved, reserved.material.data, sizeof job->reserved);
    job->is_reserved = true;
    return ERR_OK;
}

static enum err make_job_new(struct core_call *call, const struct keeper_object *named,
                             const struct keeper_object_spec *spec, struct make_job **ret_job)
{
    struct object_job *base = NULL;
    TRY(object_job_new(call, sizeof(struct make_job), &base));
    AUTO(object_job_freep) struct object_job *owned = base;
    struct make_job *job = (struct make_job *)base;
    base->done = make_done;
    job->row = named->row;
    job->spec = *spec;
    TRY(take_reserved(call, named, job));
    job->object = (struct object){
        .class = spec->class, .alg = spec->alg, .bits = spec->bits, .flags = spec->flags};
    (void)TAKE(owned);
    *ret_job = job;
    return ERR_OK;
}

static enum err make_finish(struct core_call *call, struct core_job *base)
{
    struct make_job *job = (struct make_job *)base;
    call->core->counters.generated++;
    return call_object_make(call, &job->row, &job->object, buf_view(&job->spki),
                            job->has_digest ? job->digest : NULL);
}

/* What is sealed for an object in the token is how to find it there. */
static enum err token_prepare(struct make_job *job)
{
    struct keeper_token_object *in_token = &job->in_token;
    *in_token = (struct keeper_token_object){.class = job->object.class,
                                             .alg = job->object.alg,
                                             .bits = job->object.bits,
                                             .curve = job->spec.curve,
                                             .exponent = job->spec.exponent,
                                             .flags = job->object.flags};
    if (job->is_reserved)
        memcpy(in_token->id, job->reserved, sizeof in_token->id);
    else
        TRY(random_bytes(in_token->id, sizeof in_token->id));
    job->object.material = BYTES(in_token->id);
    job->has_digest = true;
    return ERR_OK;
}

static enum err token_generate_work(struct core_job *base)
{
    struct make_job *job = (struct make_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    TRY(token_prepare(job));
    TRY(token->ops->object_generate(token->ctx, &job->in_token,
                                    job->spec.class == CRYPTO_PRIVATE ? &job->spki : NULL,
                                    job->digest, &base->detail));
    job->object.bits = job->in_token.bits;
    return ERR_OK;
}

static enum err pair_work(struct core_job *base)
{
    struct make_job *job = (struct make_job *)base;
    const struct keygen_pair pair = {.alg = job->spec.alg,
                                     .bits = job->spec.bits,
                                     .curve = job->spec.curve,
                                     .exponent = job->spec.exponent};
    TRY(keygen_pair(&pair, &job->made, &job->spki, &base->detail));
    struct keyform_info info;
    TRY(keyform_private_info(secret_view(job->made), &info, &base->detail));
    if (job->object.alg == 0)
        job->object.alg = info.alg;
    job->object.bits = info.bits;
    job->object.material = secret_view(job->made);
    return ERR_OK;
}

static enum err make_on_pool(struct core_call *call, const struct keeper_object *named,
                             const struct keeper_object_spec *spec,
                             enum err (*work)(struct core_job *job))
{
    struct make_job *job = NULL;
    TRY(make_job_new(call, named, spec, &job));
    job->base.job.work = work;
    job->base.job.finish = make_finish;
    return object_job_run(call, &job->base, true);
}

static void note_spec(struct core_call *call, const struct keeper_object_spec *spec)
{
    call_note_word(call, object_alg_name(spec->alg));
    if ((spec->flags & KEEPER_IN_TOKEN) != 0)
        call_note_word(call, "in the token");
}

/* Nothing is made yet, so nothing is recorded. */
enum err verb_object_reserve(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object object = message_get_object_new(&call->in);
    struct keeper_object_spec spec = message_get_spec(&call->in);
    uint8_t id[KEEPER_TOKEN_ID];
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_CREATE, object.row.table, 1));
    if ((spec.flags & KEEPER_IN_TOKEN) == 0)
        return err_set(&call->detail, ERR_ARGUMENT, "only what is in the token is reserved");
    TRY(random_bytes(id, sizeof id));
    const struct object reserved = {.class = spec.class,
                                    .alg = spec.alg,
                                    .bits = spec.bits,
                                    .flags = spec.flags | OBJECT_RESERVED,
                                    .material = BYTES(id)};
    return call_object_put(call, &object.row, &reserved);
}

enum err verb_object_generate(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object object = message_get_object(&call->in);
    call_note_object(call, &object);
    struct keeper_object_spec spec = message_get_spec(&call->in);
    TRY(call_read(call));
    note_spec(call, &spec);
    TRY(call_allow(call, KEEPER_KMIP_CREATE, object.row.table, 1));
    if (spec.class == CRYPTO_PRIVATE)
        return err_set(&call->detail, ERR_ARGUMENT, "a private key is made with its public key");
    size_t len = 0;
    TRY(keygen_len(spec.alg, spec.bits, &len, &call->detail));
    if ((spec.flags & KEEPER_IN_TOKEN) != 0)
        return make_on_pool(call, &object, &spec, token_generate_work);
    if (object.sealed.len != 0)
        return ERR_ARGUMENT;
    AUTO(secret_freep) struct secret *key = NULL;
    if (spec.alg == 0)
        TRY(x931_secret(len, &key));
    else
        TRY(keygen_symmetric(spec.alg, spec.bits, &key, &call->detail));
    struct object made = {.class = spec.class,
                          .alg = spec.alg,
                          .bits = (uint32_t)(8 * secret_len(key)),
                          .flags = spec.flags,
                          .material = secret_view(key)};
    call->core->counters.generated++;
    return call_object_make(call, &object.row, &made, bytes_of(NULL, 0), NULL);
}

enum err verb_object_pair(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object object = message_get_object(&call->in);
    call_note_object(call, &object);
    struct keeper_object_spec spec = message_get_spec(&call->in);
    TRY(call_read(call));
    note_spec(call, &spec);
    TRY(call_allow(call, KEEPER_KMIP_CREATE, object.row.table, 1));
    if (spec.class != CRYPTO_PRIVATE)
        return err_set(&call->detail, ERR_ARGUMENT, "a pair is a private key and its public key");
    const struct keygen_pair pair = {
        .alg = spec.alg, .bits = spec.bits, .curve = spec.curve, .exponent = spec.exponent};
    TRY(keygen_pair_check(&pair, &call->detail));
    return make_on_pool(call, &object, &spec,
                        (spec.flags & KEEPER_IN_TOKEN) != 0 ? token_generate_work : pair_work);
}

static enum err seal_work(struct core_job *base)
{
    struct make_job *job = (struct make_job *)base;
    return object_check(&job->spec, 0, job->input, &job->made, &job->object, &base->detail);
}

static enum err token_store_work(struct core_job *base)
{
    struct make_job *job = (struct make_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    TRY(seal_work(base));
    struct bytes material = job->object.material;
    struct bytes digested = {0};
    TRY(object_digested(&job->object, &digested));
    TRY(hash_sha256(&digested, 1, job->digest));
    TRY(token_prepare(job));
    return token->ops->object_store(token->ctx, &job->in_token, material, &base->detail);
}

static enum err seal_finish(struct core_call *call, struct core_job *base)
{
    struct make_job *job = (struct make_job *)base;
    return call_object_make(call, &job->row, &job->object, bytes_of(NULL, 0),
                            job->has_digest ? job->digest : NULL);
}

enum err verb_object_seal(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object object = message_get_object(&call->in);
    call_note_object(call, &object);
    struct keeper_object_spec spec = message_get_spec(&call->in);
    struct bytes material = reader_bytes32(&call->in);
    TRY(call_read(call));
    note_spec(call, &spec);
    TRY(call_allow(call, KEEPER_KMIP_CREATE, object.row.table, 1));
    bool in_token = (spec.flags & KEEPER_IN_TOKEN) != 0;
    if (spec.class != CRYPTO_PRIVATE && !in_token) {
        struct object checked;
        struct secret *none = NULL;
        if (object.sealed.len != 0)
            return ERR_ARGUMENT;
        TRY(object_check(&spec, 0, material, &none, &checked, &call->detail));
        return call_object_make(call, &object.row, &checked, bytes_of(NULL, 0), NULL);
    }
    struct make_job *made = NULL;
    TRY(make_job_new(call, &object, &spec, &made));
    AUTO(object_job_freep) struct object_job *base = &made->base;
    made->input = material;
    TRY(object_job_hold(base, &made->input));
    base->job.work = in_token ? token_store_work : seal_work;
    base->job.finish = seal_finish;
    return object_job_run(call, TAKE(base), true);
}

#include "kmip/op/key_use.h"

#include "crypto/certs.h"
#include "kmip/op/make.h"
#include "kmip/op/refuse.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

static const struct {
    uint32_t mask;
    bool protects;
} rules[] = {
    [CRYPTO_ENCRYPT] = {KMIP_MASK_ENCRYPT, true},
    [CRYPTO_DECRYPT] = {KMIP_MASK_DECRYPT, false},
    [CRYPTO_SIGN] = {KMIP_MASK_SIGN, true},
    [CRYPTO_VERIFY] = {KMIP_MASK_VERIFY, false},
    [CRYPTO_MAC] = {KMIP_MASK_MAC_GENERATE, true},
    [CRYPTO_MAC_VERIFY] = {KMIP_MASK_MAC_VERIFY, false},
};

static bool has_public_key(const struct vault_object *object)
{
    return object->type == KMIP_OBJECT_PUBLIC_KEY || object->type == KMIP_OBJECT_CERTIFICATE;
}

static bool type_suits(const struct vault_object *object, enum crypto_op op)
{
    switch (op) {
    case CRYPTO_ENCRYPT: return object->type == KMIP_OBJECT_SYMMETRIC_KEY || has_public_key(object);
    case CRYPTO_DECRYPT:
        return object->type == KMIP_OBJECT_SYMMETRIC_KEY || object->type == KMIP_OBJECT_PRIVATE_KEY;
    case CRYPTO_SIGN: return object->type == KMIP_OBJECT_PRIVATE_KEY;
    case CRYPTO_VERIFY: return has_public_key(object);
    case CRYPTO_MAC:
    case CRYPTO_MAC_VERIFY:
        return object->type == KMIP_OBJECT_SYMMETRIC_KEY || object->type == KMIP_OBJECT_SECRET_DATA;
    }
    return false;
}

/* KMIP 2.1, 4.57: what is deactivated or compromised protects nothing any more, and still processes
 * with special permission: that of a client that manages objects. */
static enum err check_state(struct kmip_call *call, const struct vault_object *object,
                            bool protects)
{
    uint32_t state = vault_object_state(object, call->request->now);
    bool old = state == KMIP_STATE_DEACTIVATED || state == KMIP_STATE_COMPROMISED;
    bool special = (call->request->client->may & VAULT_MAY_MANAGE) != 0;
    if (state != KMIP_STATE_ACTIVE && (protects || !old || !special))
        return kmip_fail(call, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "the key is not active");
    int64_t now = call->request->now;
    if (protects && object->protect_stop != VAULT_NO_DATE && now >= object->protect_stop)
        return kmip_fail(call, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE,
                         "the key's Protect Stop Date is past");
    if (!protects && object->process_start != VAULT_NO_DATE && now < object->process_start)
        return kmip_fail(call, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE,
                         "the key's Process Start Date is not reached");
    return ERR_OK;
}

enum err kmip_may_use(struct kmip_call *call, const struct vault_object *object, uint32_t mask,
                      bool protects)
{
    if (object->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    TRY(check_state(call, object, protects));
    if ((object->mask & (mask | KMIP_MASK_UNRESTRICTED)) == 0)
        return kmip_fail(call, KMIP_REASON_INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK,
                         "the key's usage mask does not allow it");
    if (object->sealed.len == 0 && object->value.len == 0)
        return kmip_fail(call, KMIP_REASON_KEY_VALUE_NOT_PRESENT, "the key is not on the server");
    return ERR_OK;
}

enum err kmip_take_usage(struct kmip_call *call, const struct vault_object *object, size_t bytes)
{
    if (object->usage_total < 0)
        return ERR_OK;
    int64_t units = object->usage_unit == KMIP_USAGE_LIMITS_UNIT_BYTE ? (int64_t)bytes : 1;
    if (units == 0)
        return ERR_OK;
    enum err err = vault_object_use(call->request->env->objects, object->id, units, &call->detail);
    if (err == ERR_LIMIT)
        /* KMIP 2.1, 6.1.17: an allocation that can't be obtained is Permission Denied. */
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "the key's usage limit is reached");
    return err;
}

enum err kmip_object_spki(struct kmip_call *call, const struct vault_object *object,
                          struct bytes *ret_spki)
{
    if (object->type == KMIP_OBJECT_PUBLIC_KEY) {
        *ret_spki = object->value;
        return ERR_OK;
    }
    if (object->type != KMIP_OBJECT_CERTIFICATE)
        return kmip_wrong_type(call);
    struct certs_info *info = arena_take(kmip_arena(call), sizeof(*info));
    if (info == NULL)
        return ERR_NO_MEMORY;
    if (certs_parse(object->value, info, &call->detail) != ERR_OK)
        return kmip_wrong_type(call);
    *ret_spki = info->spki;
    return ERR_OK;
}

static bool params_suit(const struct kmip_node *node, enum crypto_op op)
{
    uint32_t mode = kmip_enum(node, KMIP_TAG_BLOCK_CIPHER_MODE, 0);
    bool mac = mode == MODE_CMAC || mode == MODE_CBC_MAC ||
               kmip_hmac_hash(kmip_enum(node, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0)) != 0;
    return mac == (op == CRYPTO_MAC || op == CRYPTO_MAC_VERIFY);
}

enum err kmip_use_params(struct kmip_call *call, const struct vault_object *object,
                         const struct kmip_node *given, enum crypto_op op,
                         struct kmip_params *ret_params)
{
    const struct kmip_node *node = given;
    if (node == NULL || node->first == NULL) {
        struct kmip_attrs attrs = {0};
        TRY(kmip_object_attrs(call, object, &attrs));
        const struct kmip_attr *attr = kmip_attr_find(&attrs, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS);
        node = attr != NULL ? attr->value : NULL;
        for (; attr != NULL; attr = kmip_attr_again(attr)) {
            if (params_suit(attr->value, op)) {
                node = attr->value;
                break;
            }
        }
    }
    enum err err = kmip_params_read(node, ret_params, &call->detail);
    if (err == ERR_CRYPTO)
        return kmip_fail(call, KMIP_REASON_GENERAL_FAILURE, "invalid tag length");
    if (err != ERR_OK)
        return kmip_crypto_failed(call, err);
    return ERR_OK;
}

static bool same_alg(uint32_t said, uint32_t have)
{
    bool said_ec = said == ALG_EC || said == ALG_ECDSA || said == ALG_ECDH;
    bool have_ec = have == ALG_EC || have == ALG_ECDSA || have == ALG_ECDH;
    return said == 0 || said == have || (said_ec && have_ec);
}

static bool is_block_cipher(uint32_t alg)
{
    return alg == ALG_AES || alg == ALG_DES || alg == ALG_DES3 || alg == ALG_CAMELLIA ||
           alg == ALG_ARIA;
}

/* Is all said that the algorithm wants, and does it mean this key? */
static enum err check_params(struct kmip_use *use)
{
    const struct kmip_params *p = &use->params;
    bool mac = use->op == CRYPTO_MAC || use->op == CRYPTO_MAC_VERIFY;
    bool hmac = kmip_hmac_hash(p->alg) != 0;
    if (hmac ? !mac || (kmip_hmac_hash(use->object.alg) != 0 && p->alg != use->object.alg)
             : !same_alg(p->alg, use->object.alg))
        return kmip_fail(use->call, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS,
                         "the Cryptographic Algorithm is not that of the key");
    bool crypt = use->op == CRYPTO_ENCRYPT || use->op == CRYPTO_DECRYPT;
    /* KMIP 2.1, 6.1.17: where the algorithm wants parameters and neither request nor object has
     * them, the operation fails. */
    if (crypt && is_block_cipher(use->object.alg) && p->crypto.mode == 0)
        return kmip_fail(use->call, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS,
                         "no Block Cipher Mode is given");
    if (mac && is_block_cipher(use->object.alg) && p->crypto.mode == 0 && p->crypto.hash == 0)
        return kmip_fail(use->call, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS,
                         "no MAC algorithm is given");
    return ERR_OK;
}

enum err kmip_use_begin(struct kmip_call *call, enum crypto_op op, struct kmip_use *use)
{
    *use = (struct kmip_use){.call = call, .op = op};
    TRY(kmip_may(call, VAULT_MAY_USE));
    TRY(kmip_find_object(call, &use->object));
    if (!type_suits(&use->object, op))
        return kmip_wrong_type(call);
    TRY(kmip_may_use(call, &use->object, rules[op].mask, rules[op].protects));
    if (has_public_key(&use->object))
        TRY(kmip_object_spki(call, &use->object, &use->spki));
    TRY(kmip_use_params(call, &use->object, kmip_child(call->in, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS),
                        op, &use->params));
    return check_params(use);
}

void kmip_use_done(struct kmip_use *use)
{
    buf_done(&use->data);
}

static struct crypto_key public_key(const struct kmip_use *use)
{
    return (struct crypto_key){
        .class = CRYPTO_PUBLIC, .alg = use->object.alg, .material = use->spki};
}

static enum err once(struct kmip_use *use, const struct crypto_input *input)
{
    struct kmip_request *request = use->call->request;
    if (use->spki.data != NULL) {
        struct crypto_key key = public_key(use);
        return crypto_use(&key, input, &use->output, &use->call->detail);
    }
    struct keeper_object object = kmip_keeper_object(&use->object);
    return keeper_object_use(request->env->keeper, request->client->name, &object, input,
                             &use->output, &use->call->detail);
}

static enum err stream_begin(struct kmip_use *use, struct kmip_stream *stream,
                             const struct crypto_input *input)
{
    struct kmip_request *request = use->call->request;
    if (stream->kind == KMIP_STREAM_ENGINE) {
        struct crypto_key key = public_key(use);
        return crypto_stream_begin(&key, input, &use->output, &stream->engine, &use->call->detail);
    }
    struct keeper_object object = kmip_keeper_object(&use->object);
    return keeper_stream_begin(request->env->keeper, request->client->name, &object, input,
                               &use->output, &stream->keeper, &use->call->detail);
}

static enum err stream_update(struct kmip_use *use, struct kmip_stream *stream, struct bytes data)
{
    struct kmip_call *call = use->call;
    if (data.len == 0)
        return ERR_OK;
    if (stream->kind == KMIP_STREAM_ENGINE)
        return crypto_stream_update(stream->engine, data, &use->data, &call->detail);
    return keeper_stream_update(call->request->env->keeper, stream->keeper, data, &use->data,
                                &call->detail);
}

static enum err stream_end(struct kmip_use *use, struct kmip_stream *stream,
                           const struct crypto_input *input)
{
    struct kmip_call *call = use->call;
    struct bytes tag = input->tag.len > 0 ? input->tag : bytes_of(stream->tag, stream->tag_len);
    if (stream->kind == KMIP_STREAM_KEEPER)
        return keeper_stream_end(call->request->env->keeper, stream->keeper, input->data, tag,
                                 &use->output, &call->detail);
    TRY(stream_update(use, stream, input->data));
    return crypto_stream_end(stream->engine, tag, &use->output, &call->detail);
}

static enum err first_piece(struct kmip_use *use, struct crypto_input *input)
{
    struct kmip_stream *stream = NULL;
    TRY(kmip_stream_add(use->call, use->spki.data != NULL ? KMIP_STREAM_ENGINE : KMIP_STREAM_KEEPER,
                        &stream));
    memcpy(stream->uid, use->object.uid, sizeof(stream->uid));
    if (input->tag.len <= sizeof(stream->tag)) {
        memcpy(stream->tag, input->tag.data != NULL ? input->tag.data : (const uint8_t *)"",
               input->tag.len);
        stream->tag_len = input->tag.len;
    }
    struct bytes data = input->data;
    input->data = (struct bytes){0};
    enum err err = stream_begin(use, stream, input);
    bool begun = err == ERR_OK;
    if (begun)
        err = stream_update(use, stream, data);
    if (err != ERR_OK) {
        kmip_stream_drop(use->call, stream, begun);
        return err;
    }
    uint8_t *value = arena_take(kmip_arena(use->call), sizeof(stream->value));
    if (value == NULL) {
        kmip_stream_drop(use->call, stream, true);
        return ERR_NO_MEMORY;
    }
    memcpy(value, stream->value, sizeof(stream->value));
    use->correlation = bytes_of(value, sizeof(stream->value));
    kmip_stream_keep(use->call, stream);
    return ERR_OK;
}

static enum err next_piece(struct kmip_use *use, const struct crypto_input *input,
                           struct bytes value, bool final)
{
    struct kmip_stream *stream = NULL;
    TRY(kmip_stream_find(use->call, value, &stream));
    if (strcmp(stream->uid, use->object.uid) != 0) {
        kmip_stream_keep(use->call, stream);
        return kmip_fail(use->call, KMIP_REASON_INVALID_CORRELATION_VALUE,
                         "no such correlation value");
    }
    enum err err = final ? stream_end(use, stream, input) : stream_update(use, stream, input->data);
    if (final || err != ERR_OK)
        kmip_stream_drop(use->call, stream, !final && err != ERR_NOT_FOUND);
    else
        kmip_stream_keep(use->call, stream);
    /* The keeper let it go meanwhile. */
    if (err == ERR_NOT_FOUND)
        return kmip_fail(use->call, KMIP_REASON_INVALID_CORRELATION_VALUE,
                         "no such correlation value");
    return err;
}

enum err kmip_use_run(struct kmip_use *use, struct crypto_input *input)
{
    struct kmip_call *call = use->call;
    bool init = kmip_bool(call->in, KMIP_TAG_INIT_INDICATOR, false);
    bool final = kmip_bool(call->in, KMIP_TAG_FINAL_INDICATOR, false);
    struct bytes value = kmip_bytes(call->in, KMIP_TAG_CORRELATION_VALUE);
    if (init && value.data != NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "Init Indicator and Correlation Value exclude each other");
    input->op = use->op;
    input->params = use->params.crypto;
    use->output.data = &use->data;
    use->whole = (!init && value.data == NULL) || final;
    /* KMIP 2.1, 4.62: limits are of applying protection. */
    if (rules[use->op].protects)
        TRY(kmip_take_usage(call, &use->object, input->data.len));
    enum err err = ERR_OK;
    if (value.data != NULL)
        err = next_piece(use, input, value, final);
    else if (init && !final)
        err = first_piece(use, input);
    else
        err = once(use, input);
    return err == ERR_OK ? err : kmip_crypto_failed(call, err);
}

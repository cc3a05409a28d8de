#include "keeper/token_object.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/keygen.h"
#include "hsm/managed.h"
#include "keeper/token_private.h"

/* Managed objects at a real token: hsm/managed.h with the keeper's words. */

_Static_assert(KEEPER_TOKEN_ID == HSM_MANAGED_ID, "CKA_ID");

static struct hsm_managed managed(const struct keeper_token_object *object)
{
    struct hsm_managed to = {.class = object->class,
                             .alg = object->alg,
                             .bits = object->bits,
                             .curve = object->curve,
                             .exponent = object->exponent,
                             .extractable = (object->flags & KEEPER_NO_EXTRACT) == 0};
    memcpy(to.id, object->id, sizeof to.id);
    return to;
}

static struct hsm_kek kek_of(const struct keeper_token_hsm *token)
{
    struct hsm_kek kek = {.label = token->kek_label, .handle = token->kek_handle};
    if (token->kek != NULL)
        kek.key = secret_view(token->kek);
    return kek;
}

/* Digest is an attribute that clients may see: of the material by C_DigestKey, else of what the
 * token lets out, else of the id, which at least is never that of another key. */
static enum err digest_of(const struct keeper_token_hsm *token, const struct hsm_managed *object,
                          uint8_t ret_digest[32])
{
    struct err_detail ignored = {0};
    if (token->digest_key && hsm_managed_digest(token->hsm, object, ret_digest, &ignored) == ERR_OK)
        return ERR_OK;
    AUTO(secret_freep) struct secret *material = NULL;
    struct hsm_kek kek = kek_of(token);
    struct bytes of = BYTES(object->id);
    if (object->extractable &&
        hsm_managed_release(token->hsm, &kek, object, &material, &ignored) == ERR_OK)
        of = secret_view(material);
    return hash_sha256(&of, 1, ret_digest);
}

enum err token_object_generate(void *ctx, struct keeper_token_object *object, struct buf *spki,
                               uint8_t ret_digest[32], struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    struct hsm_managed to = managed(object);
    if (to.bits == 0 && to.curve != 0)
        to.bits = keygen_curve_bits(to.curve);
    if (to.bits == 0)
        to.bits = to.class == CRYPTO_PRIVATE && to.alg == ALG_RSA ? 2048 : 256;
    TRY(hsm_managed_generate(token->hsm, &to, spki, detail));
    object->bits = to.bits;
    return digest_of(token, &to, ret_digest);
}

enum err token_object_store(void *ctx, const struct keeper_token_object *object,
                            struct bytes material, struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    struct hsm_managed to = managed(object);
    return hsm_managed_store(token->hsm, &to, material, detail);
}

enum err token_object_release(void *ctx, const struct keeper_token_object *object,
                              struct secret **ret_material, struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    struct hsm_managed from = managed(object);
    struct hsm_kek kek = kek_of(token);
    return hsm_managed_release(token->hsm, &kek, &from, ret_material, detail);
}

enum err keeper_token_kek_check(struct keeper_token_hsm *token, struct err_detail *detail)
{
    struct hsm_kek kek = kek_of(token);
    return kek.key.len == 0 ? ERR_OK : hsm_kek_check(token->hsm, &kek, detail);
}

enum err token_object_use(void *ctx, const struct keeper_token_object *object,
                          const struct crypto_input *input, struct crypto_output *output,
                          struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    struct hsm_managed with = managed(object);
    return hsm_managed_use(token->hsm, &with, input, output, detail);
}

enum err token_object_destroy(void *ctx, const struct keeper_token_object *object,
                              struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    struct hsm_managed gone = managed(object);
    return hsm_managed_destroy(token->hsm, &gone, detail);
}

/* ---- in pieces ----
 *
 * A PKCS#11 session would be bound to a stream for as long as its client likes, and there are few
 * of them: the pieces are collected here and used at the end, HSM_USE_MAX bytes at most. */

struct token_stream {
    struct keeper_token_object object;
    struct crypto_input input; /* its views are into `own` */
    struct buf own;            /* IV, AAD, label one after the other */
    struct buf data;
};

static struct bytes keep(struct token_stream *stream, size_t at, struct bytes value)
{
    return bytes_of(value.len != 0 ? stream->own.data + at : NULL, value.len);
}

static enum err own_input(struct token_stream *stream, const struct crypto_input *input)
{
    struct bytes label = input->params.p_source;
    TRY(buf_reserve(&stream->own, input->iv.len + input->aad.len + label.len));
    TRY(buf_append(&stream->own, input->iv));
    TRY(buf_append(&stream->own, input->aad));
    TRY(buf_append(&stream->own, label));
    stream->input = *input;
    stream->input.iv = keep(stream, 0, input->iv);
    stream->input.aad = keep(stream, input->iv.len, input->aad);
    stream->input.params.p_source = keep(stream, input->iv.len + input->aad.len, label);
    return ERR_OK;
}

void token_stream_free(void *ctx, void *stream)
{
    (void)ctx;
    struct token_stream *own = stream;
    if (own == NULL)
        return;
    buf_done(&own->own);
    buf_done(&own->data);
    explicit_bzero(own, sizeof *own);
    free(own);
}

static void stream_freep(struct token_stream **stream)
{
    token_stream_free(NULL, *stream);
}

enum err token_stream_begin(void *ctx, const struct keeper_token_object *object,
                            const struct crypto_input *input, struct crypto_output *output,
                            void **ret_stream, struct err_detail *detail)
{
    (void)ctx;
    (void)detail;
    AUTO(stream_freep) struct token_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return ERR_NO_MEMORY;
    stream->object = *object;
    output->iv_len = 0; /* one that is made comes with the end */
    TRY(own_input(stream, input));
    *ret_stream = TAKE(stream);
    return ERR_OK;
}

enum err token_stream_update(void *ctx, void *stream, struct bytes data, struct buf *to,
                             struct err_detail *detail)
{
    (void)ctx;
    (void)to;
    struct token_stream *own = stream;
    if (data.len > HSM_USE_MAX - own->data.len)
        return err_set(detail, ERR_LIMIT, "a key in the token takes %zu bytes in all pieces",
                       HSM_USE_MAX);
    return buf_append(&own->data, data);
}

enum err token_stream_end(void *ctx, void *stream, struct bytes tag, struct crypto_output *output,
                          struct err_detail *detail)
{
    struct token_stream *own = stream;
    own->input.data = buf_view(&own->data);
    own->input.tag = tag;
    return token_object_use(ctx, &own->object, &own->input, output, detail);
}

#include "crypto/use.h"

#include "crypto/use_family.h"

static enum err pick(const struct crypto_key *key, enum crypto_op op,
                     const struct use_family **ret_family, struct err_detail *detail)
{
    bool pair = key->class == CRYPTO_PRIVATE || key->class == CRYPTO_PUBLIC;
    switch (op) {
    case CRYPTO_ENCRYPT:
    case CRYPTO_DECRYPT:
        if (key->class == CRYPTO_SECRET)
            return err_set(detail, ERR_ARGUMENT, "secret data does not encrypt");
        *ret_family = pair ? &use_asym_crypt : &use_cipher;
        return ERR_OK;
    case CRYPTO_SIGN:
    case CRYPTO_VERIFY:
        if (!pair)
            return err_set(detail, ERR_ARGUMENT, "a signature wants a key of a pair");
        *ret_family = &use_asym_sign;
        return ERR_OK;
    case CRYPTO_MAC:
    case CRYPTO_MAC_VERIFY:
        if (pair)
            return err_set(detail, ERR_ARGUMENT, "a MAC wants a secret key");
        *ret_family = &use_mac;
        return ERR_OK;
    }
    return err_set(detail, ERR_ARGUMENT, "no such use of a key");
}

static void wipe_from(struct buf *to, size_t len)
{
    if (to != NULL && to->len > len) {
        explicit_bzero(to->data + len, to->len - len);
        to->len = len;
    }
}

static enum err check_sizes(const struct crypto_input *input, struct err_detail *detail)
{
    if (input->data.len > CRYPTO_DATA_MAX || input->aad.len > CRYPTO_DATA_MAX)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes in one piece", CRYPTO_DATA_MAX);
    if (input->iv.len > CRYPTO_IV_MAX)
        return err_set(detail, ERR_LIMIT, "the IV is longer than %d bytes", CRYPTO_IV_MAX);
    return ERR_OK;
}

enum err crypto_can(const struct crypto_key *key, enum crypto_op op,
                    const struct crypto_params *params, struct err_detail *detail)
{
    const struct use_family *family = NULL;
    TRY(pick(key, op, &family, detail));
    return family->can(key, op, params, false, detail);
}

enum err crypto_use(const struct crypto_key *key, const struct crypto_input *input,
                    struct crypto_output *output, struct err_detail *detail)
{
    const struct use_family *family = NULL;
    TRY(pick(key, input->op, &family, detail));
    TRY(check_sizes(input, detail));
    size_t before = output->data != NULL ? output->data->len : 0;
    output->iv_len = 0;
    output->tag_len = 0;
    output->valid = false;
    enum err err = family->use(key, input, output, detail);
    /* Nothing of a message whose tag does not fit gets out. */
    if (err != ERR_OK)
        wipe_from(output->data, before);
    return err;
}

enum err crypto_stream_begin(const struct crypto_key *key, const struct crypto_input *input,
                             struct crypto_output *output, struct crypto_stream **ret_stream,
                             struct err_detail *detail)
{
    const struct use_family *family = NULL;
    TRY(pick(key, input->op, &family, detail));
    TRY(check_sizes(input, detail));
    TRY(family->can(key, input->op, &input->params, true, detail));
    output->iv_len = 0;
    output->tag_len = 0;
    output->valid = false;
    AUTO(crypto_stream_freep) struct crypto_stream *stream = NULL;
    TRY(family->begin(key, input, output, &stream, detail));
    *ret_stream = TAKE(stream);
    return ERR_OK;
}

enum err crypto_stream_update(struct crypto_stream *stream, struct bytes data, struct buf *to,
                              struct err_detail *detail)
{
    if (stream->ended)
        return err_set(detail, ERR_STATE, "the stream has ended");
    if (data.len > CRYPTO_DATA_MAX)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes in one piece", CRYPTO_DATA_MAX);
    if (data.len == 0)
        return ERR_OK;
    enum err err = stream->family->update(stream, data, to, detail);
    stream->ended = err != ERR_OK;
    return err;
}

enum err crypto_stream_end(struct crypto_stream *stream, struct bytes tag,
                           struct crypto_output *output, struct err_detail *detail)
{
    if (stream->ended)
        return err_set(detail, ERR_STATE, "the stream has ended");
    stream->ended = true;
    size_t before = output->data != NULL ? output->data->len : 0;
    output->tag_len = 0;
    output->valid = false;
    enum err err = stream->family->end(stream, tag, output, detail);
    if (err != ERR_OK)
        wipe_from(output->data, before);
    return err;
}

void crypto_stream_free(struct crypto_stream *stream)
{
    if (stream != NULL)
        stream->family->free(stream);
}

void crypto_stream_freep(struct crypto_stream **stream)
{
    crypto_stream_free(*stream);
}

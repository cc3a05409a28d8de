#include "keeper/token_object.h"

/* No object is made in the token, so there is none to be used: sealed records serve instead. */

enum err token_object_generate(void *ctx, struct keeper_token_object *object, struct buf *spki,
                               uint8_t ret_digest[32], struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)spki;
    (void)ret_digest;
    return err_set(detail, ERR_TOKEN_UNABLE, "managed objects are not kept in this token");
}

enum err token_object_store(void *ctx, const struct keeper_token_object *object,
                            struct bytes material, struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)material;
    return err_set(detail, ERR_TOKEN_UNABLE, "managed objects are not kept in this token");
}

enum err token_object_release(void *ctx, const struct keeper_token_object *object,
                              struct secret **ret_material, struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)ret_material;
    return err_set(detail, ERR_TOKEN_UNABLE, "managed objects are not kept in this token");
}

enum err token_object_use(void *ctx, const struct keeper_token_object *object,
                          const struct crypto_input *input, struct crypto_output *output,
                          struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)input;
    (void)output;
    return err_set(detail, ERR_TOKEN_UNABLE, "managed objects are not kept in this token");
}

enum err token_stream_begin(void *ctx, const struct keeper_token_object *object,
                            const struct crypto_input *input, struct crypto_output *output,
                            void **ret_stream, struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)input;
    (void)output;
    (void)ret_stream;
    return err_set(detail, ERR_TOKEN_UNABLE, "managed objects are not kept in this token");
}

enum err token_stream_update(void *ctx, void *stream, struct bytes data, struct buf *to,
                             struct err_detail *detail)
{
    (void)ctx;
    (void)stream;
    (void)data;
    (void)to;
    return err_set(detail, ERR_TOKEN_UNABLE, "managed objects are not kept in this token");
}

enum err token_stream_end(void *ctx, void *stream, struct bytes tag, struct crypto_output *output,
                          struct err_detail *detail)
{
    (void)ctx;
    (void)stream;
    (void)tag;
    (void)output;
    return err_set(detail, ERR_TOKEN_UNABLE, "managed objects are not kept in this token");
}

void token_stream_free(void *ctx, void *stream)
{
    (void)ctx;
    (void)stream;
}

enum err token_object_destroy(void *ctx, const struct keeper_token_object *object,
                              struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    return err_set(detail, ERR_TOKEN_UNABLE, "managed objects are not kept in this token");
}

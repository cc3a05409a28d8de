#pragma once

#include "keeper/token_ops.h"

/* Inside keeper only: managed objects at a real token, for the table of token.c; `ctx` is its
 * struct keeper_token_hsm. The contracts are those of token_ops.h. */
MUST_CHECK enum err token_object_generate(void *ctx, struct keeper_token_object *object,
                                          struct buf *spki, uint8_t ret_digest[32],
                                          struct err_detail *detail);
MUST_CHECK enum err token_object_store(void *ctx, const struct keeper_token_object *object,
                                       struct bytes material, struct err_detail *detail);
MUST_CHECK enum err token_object_release(void *ctx, const struct keeper_token_object *object,
                                         struct secret **ret_material, struct err_detail *detail);
MUST_CHECK enum err token_object_use(void *ctx, const struct keeper_token_object *object,
                                     const struct crypto_input *input, struct crypto_output *output,
                                     struct err_detail *detail);
MUST_CHECK enum err token_stream_begin(void *ctx, const struct keeper_token_object *object,
                                       const struct crypto_input *input,
                                       struct crypto_output *output, void **ret_stream,
                                       struct err_detail *detail);
MUST_CHECK enum err token_stream_update(void *ctx, void *stream, struct bytes data, struct buf *to,
                                        struct err_detail *detail);
MUST_CHECK enum err token_stream_end(void *ctx, void *stream, struct bytes tag,
                                     struct crypto_output *output, struct err_detail *detail);
void token_stream_free(void *ctx, void *stream);
MUST_CHECK enum err token_object_destroy(void *ctx, const struct keeper_token_object *object,
                                         struct err_detail *detail);

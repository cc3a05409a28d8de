#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/rsa.h"
#include "crypto/use.h"
#include "keeper/types.h"

/* All that the keeper wants of a token. Every function but public_key and status may block and is
 * called from the keeper's pool, several at a time. keeper/token.h makes it of a real token;
 * tests/fake/token.h of software. */
struct keeper_token_status {
    bool ready;
    unsigned long ckr; /* the last that was not CKR_OK */
    char text[200];    /* for a person */
};

/* A managed object whose key is in the token. */
#define KEEPER_TOKEN_ID 16 /* bytes of CKA_ID, random */
struct keeper_token_object {
    uint8_t id[KEEPER_TOKEN_ID];
    enum crypto_class class;
    uint32_t alg, bits, curve;
    uint64_t exponent;
    uint32_t flags; /* enum keeper_object_flag */
};

struct keeper_token_ops {
    /* Under the root key `claviger-root`, at most 64 bytes; appends. */
    enum err (*wrap)(void *ctx, struct bytes secret, struct buf *to, struct err_detail *detail);
    enum err (*unwrap)(void *ctx, struct bytes blob, struct secret **ret_secret,
                       struct err_detail *detail);
    /* RSASSA-PKCS1-v1_5 with SHA-256; appends. */
    enum err (*sign)(void *ctx, enum keeper_key key, const uint8_t digest[32], struct buf *to,
                     struct err_detail *detail);
    /* With the server's key. */
    enum err (*oaep_decrypt)(void *ctx, enum oaep_hash hash, struct bytes sealed,
                             struct secret **ret_secret, struct err_detail *detail);
    enum err (*random)(void *ctx, void *to, size_t len, struct err_detail *detail);
    /* Known since the token was attached; NULL where there is no such key. */
    const struct rsa_public *(*public_key)(void *ctx, enum keeper_key key);
    void (*status)(void *ctx, struct keeper_token_status *ret_status);

    /* Managed objects; they may block, too. ERR_TOKEN_UNABLE where the token has no way, and
     * ERR_NOT_FOUND where it has no such object. */
    /* A key, or a pair with its public half appended to `spki` (NULL: not a pair), under
     * object->id. Fills in bits; `ret_digest` is SHA-256 of the material where the token gives
     * that, else of the id. */
    enum err (*object_generate)(void *ctx, struct keeper_token_object *object, struct buf *spki,
                                uint8_t ret_digest[32], struct err_detail *detail);
    /* The same with material that came from outside (raw, or PKCS#8). */
    enum err (*object_store)(void *ctx, const struct keeper_token_object *object,
                             struct bytes material, struct err_detail *detail);
    enum err (*object_release)(void *ctx, const struct keeper_token_object *object,
                               struct secret **ret_material, struct err_detail *detail);
    /* As crypto_use. */
    enum err (*object_use)(void *ctx, const struct keeper_token_object *object,
                           const struct crypto_input *input, struct crypto_output *output,
                           struct err_detail *detail);
    /* As crypto_stream_begin and its neighbours; one call of a stream at a time. */
    enum err (*stream_begin)(void *ctx, const struct keeper_token_object *object,
                             const struct crypto_input *input, struct crypto_output *output,
                             void **ret_stream, struct err_detail *detail);
    enum err (*stream_update)(void *ctx, void *stream, struct bytes data, struct buf *to,
                              struct err_detail *detail);
    enum err (*stream_end)(void *ctx, void *stream, struct bytes tag, struct crypto_output *output,
                           struct err_detail *detail);
    /* Must not block; NULL is allowed. */
    void (*stream_free)(void *ctx, void *stream);
    /* ERR_OK where there is nothing any more. */
    enum err (*object_destroy)(void *ctx, const struct keeper_token_object *object,
                               struct err_detail *detail);
};

struct keeper_token {
    const struct keeper_token_ops *ops;
    void *ctx;
};

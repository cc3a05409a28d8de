#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/rsa.h"
#include "keeper/types.h"

/* All that the keeper wants of a token. Every function but public_key and status may block and is
 * called from the keeper's pool, several at a time. keeper/token.h makes it of a real token;
 * tests/fake/token.h of software. */
struct keeper_token_status {
    bool ready;
    unsigned long ckr; /* the last that was not CKR_OK */
    char text[200];    /* for a person */
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
};

struct keeper_token {
    const struct keeper_token_ops *ops;
    void *ctx;
};

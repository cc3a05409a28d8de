#include "keeper/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/rsa.h"
#include "hsm/wrap.h"
#include "keeper/token_object.h"
#include "keeper/token_private.h"

static enum err find_rsa(struct hsm *hsm, const char *label, struct hsm_key **ret_key,
                         struct rsa_public **ret_public, struct err_detail *detail)
{
    TRY(hsm_key_find(hsm, HSM_RSA, label, ret_key, detail));
    return hsm_rsa_public(hsm, *ret_key, ret_public, detail);
}

enum err keeper_token_new(struct hsm *hsm, struct keeper_token_hsm **ret_token,
                          struct err_detail *detail)
{
    AUTO(keeper_token_freep) struct keeper_token_hsm *token = calloc(1, sizeof *token);
    if (token == NULL)
        return ERR_NO_MEMORY;
    token->hsm = hsm;
    token->digest_key = true;
    TRY(hsm_key_find(hsm, HSM_AES, KEEPER_LABEL_ROOT, &token->root, detail));
    TRY(find_rsa(hsm, KEEPER_LABEL_SERVER, &token->server, &token->server_public, detail));
    enum err err = find_rsa(hsm, KEEPER_LABEL_CA, &token->ca, &token->ca_public, detail);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    *ret_token = TAKE(token);
    return ERR_OK;
}

void keeper_token_free(struct keeper_token_hsm *token)
{
    if (token == NULL)
        return;
    hsm_key_free(token->root);
    hsm_key_free(token->server);
    hsm_key_free(token->ca);
    rsa_public_free(token->server_public);
    rsa_public_free(token->ca_public);
    secret_free(token->kek);
    free(token->kek_label);
    free(token);
}

void keeper_token_freep(struct keeper_token_hsm **token)
{
    keeper_token_free(*token);
    *token = NULL;
}

enum err keeper_token_objects(struct keeper_token_hsm *token,
                              const struct keeper_token_objects *config, struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *kek = config->kek;
    size_t len = kek != NULL ? secret_len(kek) : 0;
    if (kek != NULL && len != 16 && len != 24 && len != 32)
        return err_set(detail, ERR_CONFIG,
                       "the key-encrypting key has %zu bytes; an AES key has 16, 24 or 32", len);
    if (kek != NULL && config->kek_label != NULL) {
        token->kek_label = strdup(config->kek_label);
        if (token->kek_label == NULL)
            return ERR_NO_MEMORY;
    }
    token->kek = TAKE(kek);
    token->kek_handle = config->kek_handle;
    token->digest_key = config->digest_key;
    return ERR_OK;
}

static enum err token_wrap(void *ctx, struct bytes secret, struct buf *to,
                           struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    return hsm_wrap(token->hsm, token->root, secret, to, detail);
}

static enum err token_unwrap(void *ctx, struct bytes blob, struct secret **ret_secret,
                             struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    return hsm_unwrap(token->hsm, token->root, blob, ret_secret, detail);
}

static enum err token_sign(void *ctx, enum keeper_key which, const uint8_t digest[32],
                           struct buf *to, struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    struct hsm_key *key = which == KEEPER_KEY_CA ? token->ca : token->server;
    if (key == NULL)
        return err_set(detail, ERR_NOT_FOUND, "the token has no key \"" KEEPER_LABEL_CA "\"");
    uint8_t signature[HSM_SIGNATURE_MAX];
    size_t len = 0;
    TRY(hsm_rsa_sign(token->hsm, key, digest, signature, &len, detail));
    return buf_append(to, bytes_of(signature, len));
}

static enum err token_oaep_decrypt(void *ctx, enum oaep_hash hash, struct bytes sealed,
                                   struct secret **ret_secret, struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    return hsm_rsa_oaep_decrypt(token->hsm, token->server, hash, sealed, ret_secret, detail);
}

static enum err token_random(void *ctx, void *to, size_t len, struct err_detail *detail)
{
    struct keeper_token_hsm *token = ctx;
    return hsm_random(token->hsm, to, len, detail);
}

static const struct rsa_public *token_public(void *ctx, enum keeper_key key)
{
    const struct keeper_token_hsm *token = ctx;
    return key == KEEPER_KEY_CA ? token->ca_public : token->server_public;
}

static void token_status(void *ctx, struct keeper_token_status *ret_status)
{
    struct keeper_token_hsm *token = ctx;
    struct hsm_token_info info;
    struct hsm_status status;
    hsm_token_info(token->hsm, &info);
    hsm_status(token->hsm, &status);
    ret_status->ready = status.state == HSM_READY;
    ret_status->ckr = status.last_ckr;
    (void)snprintf(ret_status->text, sizeof ret_status->text,
                   "%s '%s' serial %s, %s, %u sessions, %llu recoveries", info.model, info.label,
                   info.serial, hsm_state_name(status.state), status.sessions_open,
                   (unsigned long long)status.recoveries);
}

struct keeper_token keeper_token_of(struct keeper_token_hsm *token)
{
    static const struct keeper_token_ops ops = {.wrap = token_wrap,
                                                .unwrap = token_unwrap,
                                                .sign = token_sign,
                                                .oaep_decrypt = token_oaep_decrypt,
                                                .random = token_random,
                                                .public_key = token_public,
                                                .status = token_status,
                                                .object_generate = token_object_generate,
                                                .object_store = token_object_store,
                                                .object_release = token_object_release,
                                                .object_use = token_object_use,
                                                .stream_begin = token_stream_begin,
                                                .stream_update = token_stream_update,
                                                .stream_end = token_stream_end,
                                                .stream_free = token_stream_free,
                                                .object_destroy = token_object_destroy};
    return (struct keeper_token){&ops, token};
}

#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/padding.h"
#include "crypto/use_family.h"

#define CHUNK 1024

enum kind { KIND_HMAC, KIND_CMAC, KIND_CBC_MAC, KIND_POLY1305 };

struct mac {
    struct crypto_stream base;
    enum kind kind;
    EVP_MAC_CTX *ctx;
    /* CBC-MAC */
    EVP_CIPHER_CTX *cbc;
    size_t block, partial;
    uint64_t total;
    uint32_t padding;
    uint8_t last[PADDING_BLOCK_MAX];
};

void mac_ctx_freep(EVP_MAC_CTX **ctx)
{
    EVP_MAC_CTX_free(*ctx);
}

enum err hmac_ctx(uint32_t hash, struct bytes key, EVP_MAC_CTX **ret_ctx)
{
    const EVP_MAC_CTX *template = evp_hmac(hash);
    if (template == NULL)
        return ERR_UNSUPPORTED;
    if (key.len == 0)
        return ERR_KEY_FORM;
    AUTO(mac_ctx_freep) EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(template);
    if (ctx == NULL)
        return evp_fail(NULL, ERR_NO_MEMORY, "HMAC");
    if (EVP_MAC_init(ctx, key.data, key.len, NULL) != 1)
        return evp_fail(NULL, ERR_CRYPTO, "HMAC");
    *ret_ctx = TAKE(ctx);
    return ERR_OK;
}

enum err cmac_ctx(uint32_t alg, struct bytes key, EVP_MAC_CTX **ret_ctx, struct err_detail *detail)
{
    struct crypto_key owner = {CRYPTO_SYMMETRIC, alg, key};
    const EVP_CIPHER *cipher = NULL;
    TRY(cipher_pick(&owner, MODE_CBC, &cipher, detail));
    AUTO(mac_ctx_freep) EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(evp_cmac());
    if (ctx == NULL)
        return evp_fail(detail, ERR_NO_MEMORY, "CMAC");
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER,
                                         (char *)(uintptr_t)EVP_CIPHER_get0_name(cipher), 0),
        OSSL_PARAM_construct_end(),
    };
    uint8_t room[24];
    struct bytes real = cipher_key(&owner, room);
    int good = EVP_MAC_init(ctx, real.data, real.len, params);
    explicit_bzero(room, sizeof room);
    if (good != 1)
        return evp_fail(detail, ERR_KEY_FORM, "CMAC");
    *ret_ctx = TAKE(ctx);
    return ERR_OK;
}

enum err hmac_parts(uint32_t hash, struct bytes key, const struct bytes *parts, size_t count,
                    uint8_t ret_mac[HASH_ALG_MAX], size_t *ret_len)
{
    AUTO(mac_ctx_freep) EVP_MAC_CTX *ctx = NULL;
    TRY(hmac_ctx(hash, key, &ctx));
    for (size_t i = 0; i < count; i++)
        if (EVP_MAC_update(ctx, parts[i].data, parts[i].len) != 1)
            return evp_fail(NULL, ERR_CRYPTO, "HMAC");
    return EVP_MAC_final(ctx, ret_mac, ret_len, HASH_ALG_MAX) == 1
               ? ERR_OK
               : evp_fail(NULL, ERR_CRYPTO, "HMAC");
}

enum err hash_hmac_sha256(struct bytes key, const struct bytes *parts, size_t count,
                          uint8_t ret_mac[HASH_SHA256_SIZE])
{
    uint8_t mac[HASH_ALG_MAX];
    size_t len = 0;
    TRY(hmac_parts(HASH_SHA_256, key, parts, count, mac, &len));
    memcpy(ret_mac, mac, HASH_SHA256_SIZE);
    explicit_bzero(mac, sizeof mac);
    return ERR_OK;
}

static bool is_block_alg(uint32_t alg)
{
    return alg == ALG_AES || alg == ALG_DES3 || alg == ALG_DES || alg == ALG_CAMELLIA ||
           alg == ALG_ARIA;
}

/* KMIP lets a key of one algorithm make the MAC of another: with a cipher's key the mode says CMAC
 * or CBC-MAC, a hash says HMAC, nothing says CMAC. */
static enum err pick(const struct crypto_key *key, const struct crypto_params *params,
                     enum kind *ret_kind, uint32_t *ret_hash, struct err_detail *detail)
{
    uint32_t own = evp_hmac_hash(key->alg);
    if (params->mode == MODE_CMAC || params->mode == MODE_CBC_MAC) {
        if (!is_block_alg(key->alg))
            return err_set(detail, ERR_ARGUMENT, "this MAC wants a block cipher's key");
        *ret_kind = params->mode == MODE_CMAC ? KIND_CMAC : KIND_CBC_MAC;
        return ERR_OK;
    }
    if (key->alg == ALG_POLY1305) {
        if (key->material.len != 32)
            return err_set(detail, ERR_KEY_FORM, "Poly1305 wants a key of 256 bits");
        *ret_kind = KIND_POLY1305;
        return ERR_OK;
    }
    if (own != 0 && params->hash != 0 && params->hash != own)
        return err_set(detail, ERR_ARGUMENT, "the key is for HMAC with another hash");
    uint32_t hash = own != 0 ? own : params->hash;
    if (hash == 0 && is_block_alg(key->alg)) {
        *ret_kind = KIND_CMAC;
        return ERR_OK;
    }
    if (hash == 0)
        return err_set(detail, ERR_ARGUMENT, "neither key nor parameters say which MAC");
    if (evp_hmac(hash) == NULL)
        return err_set(detail, ERR_UNSUPPORTED, "HMAC with hashing algorithm %u", hash);
    *ret_kind = KIND_HMAC;
    *ret_hash = hash;
    return ERR_OK;
}

static enum err can(const struct crypto_key *key, enum crypto_op op,
                    const struct crypto_params *params, bool pieces, struct err_detail *detail)
{
    (void)op;
    (void)pieces;
    enum kind kind;
    uint32_t hash = 0;
    TRY(pick(key, params, &kind, &hash, detail));
    if (kind == KIND_CBC_MAC && params->padding != 0 && params->padding != PADDING_NONE &&
        !padding_of_block(params->padding))
        return err_set(detail, ERR_UNSUPPORTED, "padding method %u is none of block ciphers",
                       params->padding);
    if (key->material.len == 0)
        return err_set(detail, ERR_KEY_FORM, "an empty key");
    const EVP_CIPHER *cipher = NULL;
    if (kind == KIND_CMAC || kind == KIND_CBC_MAC)
        return cipher_pick(key, MODE_CBC, &cipher, detail);
    return ERR_OK;
}

static enum err start_cbc(struct mac *m, const struct crypto_key *key, struct err_detail *detail)
{
    static const uint8_t zero[PADDING_BLOCK_MAX];
    const EVP_CIPHER *cipher = NULL;
    TRY(cipher_pick(key, MODE_CBC, &cipher, detail));
    m->block = (size_t)EVP_CIPHER_get_block_size(cipher);
    m->cbc = EVP_CIPHER_CTX_new();
    uint8_t room[24];
    struct bytes real = cipher_key(key, room);
    int good = m->cbc != NULL ? EVP_CipherInit_ex2(m->cbc, cipher, real.data, zero, 1, NULL) : 0;
    explicit_bzero(room, sizeof room);
    if (good != 1)
        return evp_fail(detail, ERR_KEY_FORM, "CBC-MAC");
    EVP_CIPHER_CTX_set_padding(m->cbc, 0);
    return ERR_OK;
}

static enum err start(struct mac *m, const struct crypto_key *key, const struct crypto_input *input,
                      struct err_detail *detail)
{
    uint32_t hash = 0;
    m->base.family = &use_mac;
    m->base.op = input->op;
    m->padding = input->params.padding;
    TRY(can(key, input->op, &input->params, false, detail));
    TRY(pick(key, &input->params, &m->kind, &hash, detail));
    switch (m->kind) {
    case KIND_HMAC: return hmac_ctx(hash, key->material, &m->ctx);
    case KIND_CMAC: return cmac_ctx(key->alg, key->material, &m->ctx, detail);
    case KIND_CBC_MAC: return start_cbc(m, key, detail);
    case KIND_POLY1305:
        m->ctx = EVP_MAC_CTX_new(evp_poly1305());
        if (m->ctx == NULL ||
            EVP_MAC_init(m->ctx, key->material.data, key->material.len, NULL) != 1)
            return evp_fail(detail, ERR_CRYPTO, "Poly1305");
        return ERR_OK;
    }
    return ERR_INTERNAL;
}

static enum err feed_cbc(struct mac *m, struct bytes data, struct err_detail *detail)
{
    uint8_t out[CHUNK + PADDING_BLOCK_MAX];
    m->total += data.len;
    m->partial = (m->partial + data.len) % m->block;
    while (data.len != 0) {
        size_t now = data.len < CHUNK ? data.len : CHUNK;
        int got = 0;
        if (EVP_CipherUpdate(m->cbc, out, &got, data.data, (int)now) != 1)
            return evp_fail(detail, ERR_CRYPTO, "CBC-MAC");
        if (got != 0)
            memcpy(m->last, out + (size_t)got - m->block, m->block);
        data = bytes_of(data.data + now, data.len - now);
    }
    return ERR_OK;
}

static enum err feed(struct mac *m, struct bytes data, struct err_detail *detail)
{
    if (m->kind == KIND_CBC_MAC)
        return feed_cbc(m, data, detail);
    return EVP_MAC_update(m->ctx, data.data, data.len) == 1 ? ERR_OK
                                                            : evp_fail(detail, ERR_CRYPTO, "MAC");
}

/* FIPS 113: what is not whole is filled with zeros; of nothing, a block of them. */
static enum err end_cbc(struct mac *m, uint8_t *to, size_t *ret_len, struct err_detail *detail)
{
    uint8_t pad[PADDING_BLOCK_MAX] = {0};
    size_t len = m->partial != 0 || m->total == 0 ? m->block - m->partial : 0;
    if (padding_of_block(m->padding) && m->padding != PADDING_ZEROS)
        TRY(padding_put(m->padding, m->partial, m->block, pad, &len));
    if (len != 0)
        TRY(feed_cbc(m, bytes_of(pad, len), detail));
    memcpy(to, m->last, m->block);
    *ret_len = m->block;
    return ERR_OK;
}

static enum err finish(struct mac *m, struct bytes tag, struct crypto_output *output,
                       struct err_detail *detail)
{
    uint8_t mac[CRYPTO_TAG_MAX];
    size_t len = 0;
    if (m->kind == KIND_CBC_MAC)
        TRY(end_cbc(m, mac, &len, detail));
    else if (EVP_MAC_final(m->ctx, mac, &len, sizeof mac) != 1)
        return evp_fail(detail, ERR_CRYPTO, "MAC");
    if (m->base.op == CRYPTO_MAC)
        return buf_append(output->data, bytes_of(mac, len));
    output->valid = secret_equal(tag, bytes_of(mac, len));
    explicit_bzero(mac, sizeof mac);
    return ERR_OK;
}

static void done(struct mac *m)
{
    EVP_MAC_CTX_free(m->ctx);
    EVP_CIPHER_CTX_free(m->cbc);
    explicit_bzero(m->last, sizeof m->last);
}

static enum err use(const struct crypto_key *key, const struct crypto_input *input,
                    struct crypto_output *output, struct err_detail *detail)
{
    AUTO(done) struct mac m = {0};
    TRY(start(&m, key, input, detail));
    TRY(feed(&m, input->data, detail));
    return finish(&m, input->tag, output, detail);
}

static void stream_free(struct crypto_stream *stream)
{
    struct mac *m = (struct mac *)(void *)stream;
    done(m);
    free(m);
}

static enum err begin(const struct crypto_key *key, const struct crypto_input *input,
                      struct crypto_output *output, struct crypto_stream **ret_stream,
                      struct err_detail *detail)
{
    (void)output;
    struct mac *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ERR_NO_MEMORY;
    enum err err = start(m, key, input, detail);
    if (err != ERR_OK) {
        stream_free(&m->base);
        return err;
    }
    *ret_stream = &m->base;
    return ERR_OK;
}

static enum err update(struct crypto_stream *stream, struct bytes data, struct buf *to,
                       struct err_detail *detail)
{
    (void)to;
    return feed((struct mac *)(void *)stream, data, detail);
}

static enum err end(struct crypto_stream *stream, struct bytes tag, struct crypto_output *output,
                    struct err_detail *detail)
{
    return finish((struct mac *)(void *)stream, tag, output, detail);
}

const struct use_family use_mac = {can, use, begin, update, end, stream_free};

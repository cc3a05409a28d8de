#include "crypto/keywrap.h"

#include "crypto/use_family.h"

#define BLOCK 8

static uint32_t mode_of(const struct crypto_key *key, const struct crypto_params *params)
{
    if (params->mode == 0 && key->class == CRYPTO_SYMMETRIC && key->alg == ALG_AES)
        return MODE_NISTKEYWRAP;
    return params->mode;
}

static bool is_nist(uint32_t mode)
{
    return mode == MODE_NISTKEYWRAP || mode == MODE_AESKEYWRAPPADDING;
}

static bool is_x9(uint32_t mode)
{
    return mode == MODE_X9_102_AESKW || mode == MODE_X9_102_TDKW || mode == MODE_X9_102_AKW1 ||
           mode == MODE_X9_102_AKW2;
}

enum err keywrap_can(const struct crypto_key *key, const struct crypto_params *params,
                     bool wrapping, struct err_detail *detail)
{
    uint32_t mode = mode_of(key, params);
    const EVP_CIPHER *cipher = NULL;
    if (is_x9(mode))
        return err_set(detail, ERR_UNSUPPORTED, "key wrapping of X9.102");
    if (!is_nist(mode))
        return crypto_can(key, wrapping ? CRYPTO_ENCRYPT : CRYPTO_DECRYPT, params, detail);
    if (key->class != CRYPTO_SYMMETRIC || key->alg != ALG_AES)
        return err_set(detail, ERR_ARGUMENT, "this mode wants an AES key");
    return cipher_pick(key, mode, &cipher, detail);
}

static enum err check_iv(uint32_t mode, struct bytes iv, struct err_detail *detail)
{
    size_t len = mode == MODE_NISTKEYWRAP ? 8 : 4;
    if (iv.len != 0 && iv.len != len)
        return err_set(detail, ERR_ARGUMENT, "the mode's initial value has %zu bytes", len);
    return ERR_OK;
}

/* RFC 3394 and 5649: `to` has room for in.len + 16 bytes. */
static bool run_nist(const struct crypto_key *key, uint32_t mode, struct bytes iv, struct bytes in,
                     int wrapping, uint8_t *to, size_t *ret_len)
{
    const EVP_CIPHER *cipher = evp_cipher(ALG_AES, mode, key->material.len);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int got = 0;
    bool good = ctx != NULL;
    if (good)
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    good = good &&
           EVP_CipherInit_ex2(ctx, cipher, key->material.data, iv.len != 0 ? iv.data : NULL,
                              wrapping, NULL) == 1 &&
           EVP_CipherUpdate(ctx, to, &got, in.data, (int)in.len) == 1 && got > 0;
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    *ret_len = good ? (size_t)got : 0;
    return good;
}

static enum err wrap_nist(const struct crypto_key *key, uint32_t mode, struct bytes iv,
                          struct bytes plain, struct buf *to, struct err_detail *detail)
{
    TRY(check_iv(mode, iv, detail));
    if (mode == MODE_NISTKEYWRAP && (plain.len % BLOCK != 0 || plain.len < 2 * BLOCK))
        return err_set(detail, ERR_ARGUMENT,
                       "the mode wraps 16 bytes or more, a multiple of 8, not %zu", plain.len);
    TRY(buf_reserve(to, plain.len + 3 * BLOCK));
    size_t len = 0;
    if (!run_nist(key, mode, iv, plain, 1, to->data + to->len, &len))
        return err_set(detail, ERR_CRYPTO, "key wrapping");
    to->len += len;
    return ERR_OK;
}

enum err keywrap_wrap(const struct crypto_key *key, const struct crypto_params *params,
                      struct bytes iv, struct bytes plain, struct buf *to,
                      uint8_t ret_iv[CRYPTO_IV_MAX], size_t *ret_iv_len, struct err_detail *detail)
{
    TRY(keywrap_can(key, params, true, detail));
    if (plain.len == 0)
        return err_set(detail, ERR_ARGUMENT, "nothing to wrap");
    if (plain.len > KEYWRAP_MAX)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes to wrap", KEYWRAP_MAX);
    uint32_t mode = mode_of(key, params);
    if (is_nist(mode)) {
        TRY(wrap_nist(key, mode, iv, plain, to, detail));
        if (iv.len != 0)
            memcpy(ret_iv, iv.data, iv.len);
        *ret_iv_len = iv.len;
        return ERR_OK;
    }
    struct crypto_output output = {.data = to};
    struct crypto_input input = {.op = CRYPTO_ENCRYPT, .params = *params, .data = plain, .iv = iv};
    input.params.random_iv = true;
    size_t before = to->len;
    TRY(crypto_use(key, &input, &output, detail));
    enum err err = buf_append(to, bytes_of(output.tag, output.tag_len));
    if (err != ERR_OK) {
        to->len = before;
        return err;
    }
    struct bytes used = output.iv_len != 0 ? bytes_of(output.iv, output.iv_len) : iv;
    if (used.len != 0)
        memcpy(ret_iv, used.data, used.len);
    *ret_iv_len = used.len;
    return ERR_OK;
}

static enum err wrong(struct err_detail *detail)
{
    return err_set(detail, ERR_DECRYPT, "the wrapped key does not open");
}

static enum err unwrap_nist(const struct crypto_key *key, uint32_t mode, struct bytes iv,
                            struct bytes wrapped, struct secret **ret_plain,
                            struct err_detail *detail)
{
    TRY(check_iv(mode, iv, detail));
    size_t least = mode == MODE_NISTKEYWRAP ? 3 * BLOCK : 2 * BLOCK;
    if (wrapped.len < least || wrapped.len % BLOCK != 0)
        return wrong(detail);
    AUTO(secret_freep) struct secret *plain = NULL;
    size_t len = 0;
    TRY(secret_new(wrapped.len + BLOCK, &plain));
    if (!run_nist(key, mode, iv, wrapped, 0, secret_data(plain), &len))
        return wrong(detail);
    secret_shrink(plain, len);
    *ret_plain = TAKE(plain);
    return ERR_OK;
}

enum err keywrap_unwrap(const struct crypto_key *key, const struct crypto_params *params,
                        struct bytes iv, struct bytes wrapped, struct secret **ret_plain,
                        struct err_detail *detail)
{
    TRY(keywrap_can(key, params, false, detail));
    if (wrapped.len > KEYWRAP_MAX - 64)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes to unwrap", KEYWRAP_MAX - 64);
    uint32_t mode = mode_of(key, params);
    if (is_nist(mode))
        return unwrap_nist(key, mode, iv, wrapped, ret_plain, detail);
    AUTO(buf_done) struct buf plain = {0};
    struct crypto_output output = {.data = &plain};
    struct crypto_input input = {
        .op = CRYPTO_DECRYPT, .params = *params, .data = wrapped, .iv = iv};
    bool aead = mode_is_aead(mode) || (mode == 0 && key->alg == ALG_CHACHA20POLY1305);
    if (aead) {
        size_t tag = params->tag_len > 0 ? (size_t)params->tag_len : 16;
        if (wrapped.len < tag)
            return wrong(detail);
        input.data.len -= tag;
        input.tag = bytes_of(wrapped.data + input.data.len, tag);
    }
    TRY(crypto_use(key, &input, &output, detail));
    if (plain.len == 0)
        return wrong(detail);
    return secret_dup(buf_view(&plain), ret_plain);
}

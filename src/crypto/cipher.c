#include <stdlib.h>

#include "crypto/padding.h"
#include "crypto/random.h"
#include "crypto/use_family.h"

/* Block and stream ciphers with a secret key. At once or in pieces is the same code; at once keeps
 * the state on the stack. */

#define TAG_MIN     12 /* KMIP's own test cases refuse shorter ones; SP 800-38D, 5.2.1.2 */
#define TAG_MAX     16
#define CCM_TAG_MIN 8
#define CTR_FAR     ((uint64_t)1 << 40) /* blocks nobody gets to */
/* SP 800-38D, 5.2.1.1 */
#define GCM_MAX ((uint64_t)0xFFFFFFFE0)

struct cipher {
    struct crypto_stream base;
    EVP_CIPHER_CTX *ctx;
    uint32_t mode, padding;
    size_t block;    /* 1 for what needs no whole blocks */
    size_t partial;  /* bytes of the last block that is not whole */
    uint64_t total;  /* bytes so far */
    size_t tag_len;  /* AEAD; 0 where decryption takes what comes */
    size_t held_len; /* decrypting with padding: the last block waits here */
    uint8_t held[PADDING_BLOCK_MAX];
    bool narrow;    /* a counter of less than a block, with the rest of it fixed */
    uint64_t left;  /* blocks until it is zero again */
    uint64_t limit; /* blocks until it repeats */
    uint8_t wrapped[16];
};

static uint32_t mode_of(const struct crypto_key *key, uint32_t mode)
{
    if (key->alg == ALG_CHACHA20POLY1305 && mode == 0)
        return MODE_AEAD;
    if (mode == 0 && key->alg != ALG_CHACHA20)
        return MODE_CBC;
    return mode;
}

struct bytes cipher_key(const struct crypto_key *key, uint8_t room[24])
{
    struct bytes material = key->material;
    if ((key->alg != ALG_DES && key->alg != ALG_DES3) || material.len == 24)
        return material;
    for (size_t i = 0; i < 24; i++)
        room[i] = material.data[i % material.len];
    return bytes_of(room, 24);
}

static bool mode_served(uint32_t alg, uint32_t mode)
{
    static const size_t lengths[] = {8, 16, 24, 32, 64};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        if (evp_cipher(alg, mode, lengths[i]) != NULL)
            return true;
    return false;
}

enum err cipher_pick(const struct crypto_key *key, uint32_t mode, const EVP_CIPHER **ret_cipher,
                     struct err_detail *detail)
{
    uint32_t alg = key->alg == ALG_CHACHA20 && mode == MODE_AEAD ? ALG_CHACHA20POLY1305 : key->alg;
    const EVP_CIPHER *cipher = evp_cipher(alg, mode, key->material.len);
    if (cipher == NULL && !mode_served(alg, mode))
        return err_set(detail, ERR_UNSUPPORTED, "algorithm %u has no block cipher mode %u here",
                       key->alg, mode);
    if (cipher == NULL)
        return err_set(detail, ERR_KEY_FORM, "a key of %zu bits is none for this mode",
                       key->material.len * 8);
    *ret_cipher = cipher;
    return ERR_OK;
}

static bool tag_len_good(uint32_t mode, size_t len)
{
    if (mode == MODE_CCM) /* SP 800-38C, A.1 and B.2 */
        return len >= CCM_TAG_MIN && len <= TAG_MAX && len % 2 == 0;
    return len >= TAG_MIN && len <= TAG_MAX;
}

static enum err check_tag_len(uint32_t mode, int32_t len, struct err_detail *detail)
{
    if (len < 0 || !tag_len_good(mode, (size_t)len))
        return err_set(detail, ERR_LIMIT, "a tag of %d bytes is not allowed", len);
    return ERR_OK;
}

static enum err can(const struct crypto_key *key, enum crypto_op op,
                    const struct crypto_params *params, bool pieces, struct err_detail *detail)
{
    (void)op;
    const EVP_CIPHER *cipher = NULL;
    uint32_t mode = mode_of(key, params->mode);
    if (mode == MODE_NISTKEYWRAP || mode == MODE_AESKEYWRAPPADDING)
        return err_set(detail, ERR_UNSUPPORTED, "a key wrap mode wraps keys only");
    TRY(cipher_pick(key, mode, &cipher, detail));
    uint32_t padding = params->padding;
    if (padding != 0 && padding != PADDING_NONE) {
        if (!padding_of_block(padding))
            return err_set(detail, ERR_UNSUPPORTED, "padding method %u is none of block ciphers",
                           padding);
        if (mode != MODE_ECB && mode != MODE_CBC)
            return err_set(detail, ERR_ARGUMENT, "this mode takes no padding");
    }
    if (mode_is_aead(mode) && params->tag_len != 0)
        TRY(check_tag_len(mode, params->tag_len, detail));
    int32_t counter = params->counter_len;
    if (mode == MODE_CTR && (counter < 0 || counter > 128 || counter % 8 != 0))
        return err_set(detail, ERR_UNSUPPORTED, "a counter of %d bits", counter);
    /* CCM wants to know the length first; an XTS data unit is one piece. */
    if (pieces && (mode == MODE_CCM || mode == MODE_XTS))
        return err_set(detail, ERR_UNSUPPORTED, "this mode does not work in pieces");
    return ERR_OK;
}

static bool iv_len_good(uint32_t mode, const EVP_CIPHER *cipher, size_t len)
{
    switch (mode) {
    case MODE_GCM: return len >= 1 && len <= CRYPTO_IV_MAX;
    case MODE_CCM: return len >= 7 && len <= 13;
    case 0: /* ChaCha20 as first published, RFC 8439, and with its counter */
        return len == 8 || len == 12 || len == 16;
    default: return len == (size_t)EVP_CIPHER_get_iv_length(cipher);
    }
}

/* The IV given, or a random one put into `output`. */
static enum err choose_iv(const struct crypto_input *input, uint32_t mode, const EVP_CIPHER *cipher,
                          struct crypto_output *output, struct bytes *ret_iv,
                          struct err_detail *detail)
{
    struct bytes iv = input->iv;
    if (mode == MODE_ECB) {
        *ret_iv = (struct bytes){0};
        return ERR_OK;
    }
    if (iv.len == 0) {
        if (input->op != CRYPTO_ENCRYPT || !input->params.random_iv)
            return err_set(detail, ERR_IV_MISSING, "an IV, counter or nonce is wanted");
        size_t usual = mode == MODE_GCM || mode == MODE_CCM || mode == 0
                           ? 12
                           : (size_t)EVP_CIPHER_get_iv_length(cipher);
        size_t len = input->params.iv_len != 0 ? (size_t)input->params.iv_len : usual;
        if (input->params.iv_len < 0 || !iv_len_good(mode, cipher, len) ||
            (mode == MODE_GCM && len < 12))
            return err_set(detail, ERR_ARGUMENT,
                           "a random IV of %d bytes does not go with the mode",
                           input->params.iv_len);
        TRY(random_bytes(output->iv, len));
        output->iv_len = len;
        iv = bytes_of(output->iv, len);
    }
    if (!iv_len_good(mode, cipher, iv.len))
        return err_set(detail, ERR_ARGUMENT, "an IV of %zu bytes does not go with the mode",
                       iv.len);
    *ret_iv = iv;
    return ERR_OK;
}

/* SP 800-38A, B.1: only the last `bits` count; they begin anew from zero, the rest stays. */
static void narrow_counter(struct cipher *c, const uint8_t iv[16], int32_t bits)
{
    size_t len = (size_t)bits / 8;
    if (len == 0 || len == 16)
        return;
    c->narrow = true;
    c->limit = len < 5 ? (uint64_t)1 << bits : CTR_FAR;
    memcpy(c->wrapped, iv, 16);
    memset(c->wrapped + 16 - len, 0, len);
    uint64_t left = 0;
    unsigned carry = 1;
    for (size_t i = 0; i < len; i++) {
        unsigned negated = (unsigned)(uint8_t)~iv[15 - i] + carry;
        carry = negated >> 8;
        if (i < 5)
            left |= (uint64_t)(uint8_t)negated << (8 * i);
        else if ((uint8_t)negated != 0)
            left = CTR_FAR;
    }
    c->left = carry != 0 || left > CTR_FAR ? c->limit : left;
}

/* ChaCha20's 16 bytes are counter and nonce, the counter little-endian. */
static struct bytes chacha_iv(struct bytes iv, uint8_t room[16])
{
    if (iv.len == 16)
        return iv;
    memset(room, 0, 16);
    memcpy(room + 16 - iv.len, iv.data, iv.len);
    return bytes_of(room, 16);
}

static bool set_aead(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, int encrypting, uint32_t mode,
                     struct bytes iv, size_t tag_len, struct bytes tag)
{
    if (mode != MODE_CCM && iv.len == 12)
        return true; /* as it is by itself */
    if (EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, encrypting, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.len, NULL) != 1)
        return false;
    if (mode != MODE_CCM)
        return true;
    uint8_t copy[TAG_MAX];
    if (!encrypting)
        memcpy(copy, tag.data, tag.len);
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)(encrypting ? tag_len : tag.len),
                               encrypting ? NULL : copy) == 1;
}

static enum err start_aad(struct cipher *c, const struct crypto_input *input,
                          struct err_detail *detail)
{
    int got = 0;
    if (c->mode == MODE_CCM &&
        EVP_CipherUpdate(c->ctx, NULL, &got, NULL, (int)input->data.len) != 1)
        return evp_fail(detail, ERR_LIMIT, "CCM length");
    if (input->aad.len != 0 &&
        EVP_CipherUpdate(c->ctx, NULL, &got, input->aad.data, (int)input->aad.len) != 1)
        return evp_fail(detail, ERR_CRYPTO, "additional data");
    return ERR_OK;
}

static enum err start(struct cipher *c, const struct crypto_key *key,
                      const struct crypto_input *input, struct crypto_output *output,
                      struct err_detail *detail)
{
    const EVP_CIPHER *cipher = NULL;
    c->base.family = &use_cipher;
    c->base.op = input->op;
    c->mode = mode_of(key, input->params.mode);
    c->padding = input->params.padding;
    TRY(cipher_pick(key, c->mode, &cipher, detail));
    if (c->padding == 0)
        c->padding = PADDING_NONE;
    int encrypting = input->op == CRYPTO_ENCRYPT;
    c->block =
        c->mode == MODE_ECB || c->mode == MODE_CBC ? (size_t)EVP_CIPHER_get_block_size(cipher) : 1;
    struct bytes iv;
    TRY(choose_iv(input, c->mode, cipher, output, &iv, detail));
    uint8_t nonce[16];
    if (c->mode == 0)
        iv = chacha_iv(iv, nonce);
    if (c->mode == MODE_CTR && iv.len == 16)
        narrow_counter(c, iv.data, input->params.counter_len);
    if (mode_is_aead(c->mode)) {
        c->tag_len = input->params.tag_len != 0 ? (size_t)input->params.tag_len : 0;
        if (encrypting && c->tag_len == 0)
            c->tag_len = TAG_MAX;
        if (c->mode == MODE_CCM && !encrypting && !tag_len_good(c->mode, input->tag.len))
            return err_set(detail, ERR_ARGUMENT, "a tag is wanted");
    }
    c->ctx = EVP_CIPHER_CTX_new();
    if (c->ctx == NULL)
        return ERR_NO_MEMORY;
    uint8_t room[24];
    struct bytes material = cipher_key(key, room);
    bool good = true;
    if (mode_is_aead(c->mode))
        good = set_aead(c->ctx, cipher, encrypting, c->mode, iv, c->tag_len, input->tag);
    /* A cipher set already must not be set again: that would forget the length of the IV. */
    bool set = EVP_CIPHER_CTX_get0_cipher(c->ctx) != NULL;
    good = good && EVP_CipherInit_ex2(c->ctx, set ? NULL : cipher, material.data, iv.data,
                                      encrypting, NULL) == 1;
    explicit_bzero(room, sizeof room);
    if (!good)
        return evp_fail(detail, ERR_KEY_FORM, "the cipher does not take this key");
    if (c->block != 1)
        EVP_CIPHER_CTX_set_padding(c->ctx, 0);
    return mode_is_aead(c->mode) ? start_aad(c, input, detail) : ERR_OK;
}

static enum err run(struct cipher *c, struct bytes in, uint8_t *to, size_t *ret_len,
                    struct err_detail *detail)
{
    int got = 0;
    if (EVP_CipherUpdate(c->ctx, to, &got, in.data, (int)in.len) != 1)
        return evp_fail(
            detail, c->mode == MODE_CCM && c->base.op == CRYPTO_DECRYPT ? ERR_DECRYPT : ERR_CRYPTO,
            "cipher");
    *ret_len = (size_t)got;
    return ERR_OK;
}

static enum err run_narrow(struct cipher *c, struct bytes in, struct buf *to,
                           struct err_detail *detail)
{
    if (c->total > c->limit * 16)
        return err_set(detail, ERR_LIMIT, "the counter would repeat");
    uint64_t at = c->total - in.len;
    while (in.len != 0) {
        uint64_t room = c->left * 16 - at % 16;
        size_t now = in.len < room ? in.len : (size_t)room;
        size_t got = 0;
        TRY(run(c, bytes_of(in.data, now), to->data + to->len, &got, detail));
        to->len += got;
        c->left -= (at % 16 + now) / 16;
        at += now;
        in = bytes_of(in.data + now, in.len - now);
        if (c->left != 0)
            continue;
        if (EVP_CipherInit_ex2(c->ctx, NULL, NULL, c->wrapped, -1, NULL) != 1)
            return evp_fail(detail, ERR_CRYPTO, "counter");
        c->left = c->limit;
    }
    return ERR_OK;
}

static enum err feed(struct cipher *c, struct bytes in, struct buf *to, struct err_detail *detail)
{
    if (c->mode == MODE_GCM && in.len > GCM_MAX - c->total)
        return err_set(detail, ERR_LIMIT, "more than one message of GCM holds");
    c->total += in.len;
    c->partial = (c->partial + in.len) % c->block;
    TRY(buf_reserve(to, in.len + 2 * PADDING_BLOCK_MAX));
    if (c->narrow)
        return run_narrow(c, in, to, detail);
    bool holds = c->base.op == CRYPTO_DECRYPT && c->padding != PADDING_NONE;
    uint8_t *at = to->data + to->len;
    size_t len = 0;
    if (!holds) {
        TRY(run(c, in, at, &len, detail));
        to->len += len;
        return ERR_OK;
    }
    memcpy(at, c->held, c->held_len);
    TRY(run(c, in, at + c->held_len, &len, detail));
    len += c->held_len;
    if (len == 0)
        return ERR_OK;
    /* Whole blocks only; the last might be padding. */
    c->held_len = c->block;
    len -= c->block;
    memcpy(c->held, at + len, c->block);
    explicit_bzero(at + len, c->block);
    to->len += len;
    return ERR_OK;
}

static enum err end_padded(struct cipher *c, struct buf *to, struct err_detail *detail)
{
    size_t len = 0;
    if (c->base.op == CRYPTO_ENCRYPT) {
        uint8_t pad[PADDING_BLOCK_MAX];
        TRY(padding_put(c->padding, c->partial, c->block, pad, &len));
        return len != 0 ? feed(c, bytes_of(pad, len), to, detail) : ERR_OK;
    }
    if (c->held_len == 0 && c->padding == PADDING_ZEROS)
        return ERR_OK;
    if (c->held_len == 0 || c->partial != 0)
        return err_set(detail, ERR_ARGUMENT, "the data are not whole blocks");
    if (!padding_strip(c->padding, c->held, c->block, &len))
        return err_set(detail, ERR_DECRYPT, "%s", err_text(ERR_DECRYPT));
    return buf_append(to, bytes_of(c->held, len));
}

static enum err end_aead(struct cipher *c, struct bytes tag, struct crypto_output *output,
                         struct err_detail *detail)
{
    int got = 0;
    uint8_t copy[TAG_MAX];
    if (c->base.op == CRYPTO_ENCRYPT) {
        if (EVP_CipherFinal_ex(c->ctx, copy, &got) != 1 ||
            EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_GET_TAG, (int)c->tag_len, output->tag) != 1)
            return evp_fail(detail, ERR_CRYPTO, "tag");
        output->tag_len = c->tag_len;
        return ERR_OK;
    }
    if (tag.len == 0)
        return err_set(detail, ERR_ARGUMENT, "a tag is wanted");
    if (!tag_len_good(c->mode, tag.len) || (c->tag_len != 0 && c->tag_len != tag.len))
        return err_set(detail, ERR_LIMIT, "a tag of %zu bytes is not allowed", tag.len);
    memcpy(copy, tag.data, tag.len);
    /* CCM has had it from the start, and its update has looked at it. */
    if (c->mode == MODE_CCM)
        return ERR_OK;
    uint8_t none[PADDING_BLOCK_MAX];
    if (EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag.len, copy) != 1 ||
        EVP_CipherFinal_ex(c->ctx, none, &got) != 1) {
        ERR_clear_error();
        return err_set(detail, ERR_DECRYPT, "%s", err_text(ERR_DECRYPT));
    }
    return ERR_OK;
}

static enum err finish(struct cipher *c, struct bytes tag, struct crypto_output *output,
                       struct err_detail *detail)
{
    if (mode_is_aead(c->mode))
        return end_aead(c, tag, output, detail);
    if (c->padding != PADDING_NONE)
        return end_padded(c, output->data, detail);
    if (c->partial != 0)
        return err_set(detail, ERR_ARGUMENT,
                       "the data are not whole blocks, and there is no padding");
    return ERR_OK;
}

static void done(struct cipher *c)
{
    EVP_CIPHER_CTX_free(c->ctx);
    explicit_bzero(c->held, sizeof c->held);
}

static enum err use(const struct crypto_key *key, const struct crypto_input *input,
                    struct crypto_output *output, struct err_detail *detail)
{
    TRY(can(key, input->op, &input->params, false, detail));
    AUTO(done) struct cipher c = {0};
    TRY(start(&c, key, input, output, detail));
    if (c.mode == MODE_XTS && input->data.len < 16)
        return err_set(detail, ERR_ARGUMENT, "XTS wants 16 bytes or more");
    static const uint8_t nothing[1];
    struct bytes data = input->data.len != 0 ? input->data : bytes_of(nothing, 0);
    /* CCM makes and checks its tag in the one update, of no bytes too. */
    if (data.len != 0 || c.mode == MODE_CCM)
        TRY(feed(&c, data, output->data, detail));
    return finish(&c, input->tag, output, detail);
}

static void stream_free(struct crypto_stream *stream)
{
    struct cipher *c = (struct cipher *)(void *)stream;
    done(c);
    free(c);
}

static enum err begin(const struct crypto_key *key, const struct crypto_input *input,
                      struct crypto_output *output, struct crypto_stream **ret_stream,
                      struct err_detail *detail)
{
    struct cipher *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_NO_MEMORY;
    enum err err = start(c, key, input, output, detail);
    if (err != ERR_OK) {
        done(c);
        free(c);
        return err;
    }
    *ret_stream = &c->base;
    return ERR_OK;
}

static enum err update(struct crypto_stream *stream, struct bytes data, struct buf *to,
                       struct err_detail *detail)
{
    return feed((struct cipher *)(void *)stream, data, to, detail);
}

static enum err end(struct crypto_stream *stream, struct bytes tag, struct crypto_output *output,
                    struct err_detail *detail)
{
    return finish((struct cipher *)(void *)stream, tag, output, detail);
}

const struct use_family use_cipher = {can, use, begin, update, end, stream_free};

#include <stdlib.h>

#include "crypto/hash_alg.h"
#include "crypto/pkey.h"
#include "crypto/signature.h"
#include "crypto/use_family.h"

/* Signatures: RSA (PKCS#1 v1.5, PSS), ECDSA, DSA, Ed25519, Ed448. In pieces the data are hashed,
 * and the hash is signed at the end. */

struct signer {
    struct crypto_stream base;
    struct signature_scheme scheme;
    EVP_PKEY *pkey;
    struct hash_stream *hash;
};

static enum err can(const struct crypto_key *key, enum crypto_op op,
                    const struct crypto_params *params, bool pieces, struct err_detail *detail)
{
    struct signature_scheme scheme;
    if (op == CRYPTO_SIGN && key->class != CRYPTO_PRIVATE)
        return err_set(detail, ERR_ARGUMENT, "only a private key signs");
    TRY(signature_scheme(key, params, &scheme, detail));
    if (pieces && scheme.kind == SIGNATURE_EDDSA)
        return err_set(detail, ERR_UNSUPPORTED, "EdDSA does not work in pieces");
    return ERR_OK;
}

static const char *type_of(enum signature_kind kind, uint32_t alg)
{
    switch (kind) {
    case SIGNATURE_ECDSA: return "EC";
    case SIGNATURE_DSA: return "DSA";
    case SIGNATURE_EDDSA: return alg == ALG_ED25519 ? "ED25519" : "ED448";
    default: return "RSA";
    }
}

static uint32_t usual_hash(const EVP_PKEY *pkey)
{
    return signature_usual_hash((unsigned)EVP_PKEY_get_bits(pkey));
}

static enum err start(struct signer *s, const struct crypto_key *key,
                      const struct crypto_input *input, struct err_detail *detail)
{
    s->base.family = &use_asym_sign;
    s->base.op = input->op;
    TRY(can(key, input->op, &input->params, false, detail));
    TRY(signature_scheme(key, &input->params, &s->scheme, detail));
    TRY(pkey_open(key, &s->pkey, detail));
    if (EVP_PKEY_is_a(s->pkey, type_of(s->scheme.kind, key->alg)) != 1)
        return err_set(detail, ERR_KEY_FORM, "the key is of another algorithm");
    return ERR_OK;
}

static bool set_scheme(EVP_PKEY_CTX *ctx, const struct signer *s)
{
    const struct signature_scheme *scheme = &s->scheme;
    if (scheme->hash != 0 && EVP_PKEY_CTX_set_signature_md(ctx, evp_md(scheme->hash)) != 1)
        return false;
    if (scheme->kind == SIGNATURE_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    if (scheme->kind != SIGNATURE_PSS)
        return true;
    /* Who verifies and was not told the salt's length finds it in the signature. */
    int salt = scheme->salt_len >= 0       ? scheme->salt_len
               : s->base.op == CRYPTO_SIGN ? RSA_PSS_SALTLEN_DIGEST
                                           : RSA_PSS_SALTLEN_AUTO;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, evp_md(scheme->mask_hash)) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt) == 1;
}

static enum err sign_eddsa(const struct signer *s, struct bytes data, struct buf *to,
                           struct err_detail *detail)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = (size_t)EVP_PKEY_get_size(s->pkey);
    enum err err = buf_reserve(to, len);
    if (err == ERR_OK && (ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->pkey) != 1 ||
                          EVP_DigestSign(ctx, to->data + to->len, &len, data.data, data.len) != 1))
        err = evp_fail(detail, ERR_CRYPTO, "signature");
    EVP_MD_CTX_free(ctx);
    if (err == ERR_OK)
        to->len += len;
    return err;
}

static enum err verify_eddsa(const struct signer *s, struct bytes data, struct bytes signature,
                             bool *ret_valid, struct err_detail *detail)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, s->pkey) != 1) {
        EVP_MD_CTX_free(ctx);
        return evp_fail(detail, ERR_CRYPTO, "signature");
    }
    *ret_valid = EVP_DigestVerify(ctx, signature.data, signature.len, data.data, data.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ERR_OK;
}

/* Of a digest. */
static enum err finish(const struct signer *s, struct bytes digest, struct bytes signature,
                       struct crypto_output *output, struct err_detail *detail)
{
    bool signing = s->base.op == CRYPTO_SIGN;
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, s->pkey, NULL);
    if (ctx == NULL || (signing ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) != 1)
        return evp_fail(detail, ERR_CRYPTO, "signature");
    if (!set_scheme(ctx, s))
        return evp_fail(detail, ERR_ARGUMENT, "the signature's parameters");
    if (!signing) {
        output->valid =
            EVP_PKEY_verify(ctx, signature.data, signature.len, digest.data, digest.len) == 1;
        ERR_clear_error();
        return ERR_OK;
    }
    size_t len = (size_t)EVP_PKEY_get_size(s->pkey);
    TRY(buf_reserve(output->data, len));
    if (EVP_PKEY_sign(ctx, output->data->data + output->data->len, &len, digest.data, digest.len) !=
        1)
        return evp_fail(detail, ERR_ARGUMENT, "the key does not make this signature");
    output->data->len += len;
    return ERR_OK;
}

static void done(struct signer *s)
{
    EVP_PKEY_free(s->pkey);
    hash_stream_free(s->hash);
}

static enum err use_digest(struct signer *s, const struct crypto_input *input,
                           struct crypto_output *output, struct err_detail *detail)
{
    size_t size = s->scheme.hash != 0 ? hash_alg_size(s->scheme.hash) : input->data.len;
    if (input->data.len != size || size == 0 || size > HASH_ALG_MAX)
        return err_set(detail, ERR_ARGUMENT, "a digest of %zu bytes", input->data.len);
    return finish(s, input->data, input->tag, output, detail);
}

static enum err use(const struct crypto_key *key, const struct crypto_input *input,
                    struct crypto_output *output, struct err_detail *detail)
{
    AUTO(done) struct signer s = {0};
    TRY(start(&s, key, input, detail));
    if (s.scheme.kind == SIGNATURE_EDDSA) {
        if (input->digested)
            return err_set(detail, ERR_UNSUPPORTED, "EdDSA does not sign a digest");
        return input->op == CRYPTO_SIGN
                   ? sign_eddsa(&s, input->data, output->data, detail)
                   : verify_eddsa(&s, input->data, input->tag, &output->valid, detail);
    }
    if (input->digested)
        return use_digest(&s, input, output, detail);
    if (s.scheme.hash == 0)
        s.scheme.hash = usual_hash(s.pkey);
    uint8_t digest[HASH_ALG_MAX];
    size_t len = 0;
    TRY(hash_alg(s.scheme.hash, &input->data, 1, digest, &len));
    return finish(&s, bytes_of(digest, len), input->tag, output, detail);
}

static void stream_free(struct crypto_stream *stream)
{
    struct signer *s = (struct signer *)(void *)stream;
    done(s);
    free(s);
}

static enum err begin(const struct crypto_key *key, const struct crypto_input *input,
                      struct crypto_output *output, struct crypto_stream **ret_stream,
                      struct err_detail *detail)
{
    (void)output;
    if (input->digested)
        return err_set(detail, ERR_ARGUMENT, "a digest comes in one piece");
    struct signer *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NO_MEMORY;
    enum err err = start(s, key, input, detail);
    if (err == ERR_OK && s->scheme.hash == 0)
        s->scheme.hash = usual_hash(s->pkey);
    if (err == ERR_OK)
        err = hash_stream_new(s->scheme.hash, &s->hash);
    if (err != ERR_OK) {
        stream_free(&s->base);
        return err;
    }
    *ret_stream = &s->base;
    return ERR_OK;
}

static enum err update(struct crypto_stream *stream, struct bytes data, struct buf *to,
                       struct err_detail *detail)
{
    (void)to;
    (void)detail;
    struct signer *s = (struct signer *)(void *)stream;
    return hash_stream_update(s->hash, data);
}

static enum err end(struct crypto_stream *stream, struct bytes tag, struct crypto_output *output,
                    struct err_detail *detail)
{
    struct signer *s = (struct signer *)(void *)stream;
    uint8_t digest[HASH_ALG_MAX];
    size_t len = 0;
    TRY(hash_stream_end(s->hash, digest, &len));
    return finish(s, bytes_of(digest, len), tag, output, detail);
}

const struct use_family use_asym_sign = {can, use, begin, update, end, stream_free};

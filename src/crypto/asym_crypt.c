#include "crypto/pkey.h"
#include "crypto/rsa.h"
#include "crypto/rsa_reject.h"
#include "crypto/use_family.h"

/* Encryption with RSA: PKCS#1 v1.5 (the usual here), OAEP, raw. */

static enum err can(const struct crypto_key *key, enum crypto_op op,
                    const struct crypto_params *params, bool pieces, struct err_detail *detail)
{
    if (key->alg != ALG_RSA)
        return err_set(detail, ERR_UNSUPPORTED, "of keys of a pair, only RSA encrypts");
    if ((op == CRYPTO_ENCRYPT) != (key->class == CRYPTO_PUBLIC))
        return err_set(detail, ERR_ARGUMENT, "public keys encrypt, private keys decrypt");
    if (params->mode != 0)
        return err_set(detail, ERR_ARGUMENT, "RSA has no block cipher mode");
    if (pieces)
        return err_set(detail, ERR_UNSUPPORTED, "RSA does not encrypt in pieces");
    switch (params->padding) {
    case 0:
    case PADDING_NONE:
    case PADDING_PKCS1_V1_5: return ERR_OK;
    case PADDING_OAEP:
        if (params->hash != 0 && evp_md(params->hash) == NULL)
            return err_set(detail, ERR_UNSUPPORTED, "hashing algorithm %u", params->hash);
        if (params->mask_hash != 0 && evp_md(params->mask_hash) == NULL)
            return err_set(detail, ERR_UNSUPPORTED, "hashing algorithm %u", params->mask_hash);
        if (params->p_source.len > RSA_BYTES_MAX)
            return err_set(detail, ERR_LIMIT, "the label is too long");
        return ERR_OK;
    default: return err_set(detail, ERR_UNSUPPORTED, "padding method %u for RSA", params->padding);
    }
}

/* KMIP 2.1, 4.16: hash and mask hash are SHA-1 where nothing is said. */
static bool set_oaep(EVP_PKEY_CTX *ctx, const struct crypto_params *params)
{
    const EVP_MD *md = evp_md(params->hash != 0 ? params->hash : HASH_SHA_1);
    const EVP_MD *mask = evp_md(params->mask_hash != 0 ? params->mask_hash : HASH_SHA_1);
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, mask) != 1)
        return false;
    if (params->p_source.len == 0)
        return true;
    void *label = OPENSSL_memdup(params->p_source.data, params->p_source.len);
    if (label == NULL)
        return false;
    if (EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, (int)params->p_source.len) == 1)
        return true;
    OPENSSL_free(label);
    return false;
}

static enum err fits(const struct crypto_params *params, size_t size, size_t len,
                     struct err_detail *detail)
{
    size_t over = 0;
    if (params->padding == PADDING_NONE) {
        if (len != size)
            return err_set(detail, ERR_ARGUMENT, "raw RSA wants %zu bytes", size);
        return ERR_OK;
    }
    if (params->padding == PADDING_OAEP)
        over =
            2 * (size_t)EVP_MD_get_size(evp_md(params->hash != 0 ? params->hash : HASH_SHA_1)) + 2;
    else
        over = 11;
    if (over > size || len > size - over)
        return err_set(detail, ERR_LIMIT, "%zu bytes are too many for this RSA key", len);
    return ERR_OK;
}

static enum err use(const struct crypto_key *key, const struct crypto_input *input,
                    struct crypto_output *output, struct err_detail *detail)
{
    const struct crypto_params *params = &input->params;
    TRY(can(key, input->op, params, false, detail));
    AUTO(pkey_freep) EVP_PKEY *pkey = NULL;
    TRY(pkey_open(key, &pkey, detail));
    if (EVP_PKEY_is_a(pkey, "RSA") != 1)
        return err_set(detail, ERR_KEY_FORM, "the key is not RSA");
    bool encrypting = input->op == CRYPTO_ENCRYPT;
    size_t size = (size_t)EVP_PKEY_get_size(pkey);
    if (encrypting)
        TRY(fits(params, size, input->data.len, detail));
    else if (input->data.len != size)
        return err_set(detail, ERR_DECRYPT, "%s", err_text(ERR_DECRYPT));
    if (!encrypting && (params->padding == 0 || params->padding == PADDING_PKCS1_V1_5)) {
        enum err err = rsa_pkcs1_decrypt(key, pkey, input->data, output->data);
        return err == ERR_OK ? err : err_set(detail, err, "%s", err_text(err));
    }
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool good =
        ctx != NULL && (encrypting ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) == 1;
    if (good && params->padding == PADDING_OAEP)
        good = set_oaep(ctx, params);
    else if (good)
        good = EVP_PKEY_CTX_set_rsa_padding(
                   ctx, params->padding == PADDING_NONE ? RSA_NO_PADDING : RSA_PKCS1_PADDING) == 1;
    if (!good)
        return evp_fail(detail, ERR_CRYPTO, "RSA");
    TRY(buf_reserve(output->data, size));
    uint8_t *to = output->data->data + output->data->len;
    size_t len = size;
    int done = encrypting ? EVP_PKEY_encrypt(ctx, to, &len, input->data.data, input->data.len)
                          : EVP_PKEY_decrypt(ctx, to, &len, input->data.data, input->data.len);
    if (done != 1) {
        ERR_clear_error();
        explicit_bzero(to, size);
        enum err err = encrypting ? ERR_ARGUMENT : ERR_DECRYPT;
        return err_set(detail, err, "%s", err_text(err));
    }
    output->data->len += len;
    return ERR_OK;
}

const struct use_family use_asym_crypt = {.can = can, .use = use};

#include "factory/package_sign.h"

#include <stdlib.h>

#include "crypto/keyform.h"
#include "crypto/pem.h"
#include "crypto/use.h"
#include "crypto/x509.h"

struct package_signer {
    struct x509_key *key;
    struct buf pkcs8; /* wiped by buf_done */
};

/* What is said of how packages are signed is said here only. */
static enum err scheme(struct bytes spki, struct crypto_key *key, struct crypto_params *params,
                       struct err_detail *detail)
{
    struct keyform_info info = {0};
    TRY(keyform_public_info(spki, &info, detail));
    *params = (struct crypto_params){.hash = HASH_SHA_256};
    if (info.alg == ALG_RSA && info.bits >= RSA_BITS_MIN && info.bits <= PACKAGE_RSA_BITS_MAX) {
        params->padding = PADDING_PKCS1_V1_5;
        key->alg = ALG_RSA;
        return ERR_OK;
    }
    if (info.alg != ALG_EC || info.curve != CURVE_P_256)
        return err_set(detail, ERR_UNSUPPORTED,
                       "packages are signed with EC P-256, or RSA of 2048 to 4096 bits");
    key->alg = ALG_ECDSA;
    return ERR_OK;
}

enum err package_public_key_check(struct bytes spki, struct err_detail *detail)
{
    struct crypto_key key = {.class = CRYPTO_PUBLIC};
    struct crypto_params params;
    return scheme(spki, &key, &params, detail);
}

enum err package_public_key(struct bytes pem, struct buf *spki, struct err_detail *detail)
{
    AUTO(buf_done) struct buf der = {0};
    if (pem.len > PACKAGE_PEM_MAX)
        return err_set(detail, ERR_LIMIT, "a public key of more than %zu bytes", PACKAGE_PEM_MAX);
    if (pem_decode("PUBLIC KEY", &pem, &der, detail) != ERR_OK)
        return err_set(detail, ERR_KEY_FORM, "no public key in PEM (BEGIN PUBLIC KEY)");
    TRY(package_public_key_check(buf_view(&der), detail));
    return buf_append(spki, buf_view(&der));
}

enum err package_key_make(struct secret **ret_pem, struct buf *public_pem,
                          struct err_detail *detail)
{
    AUTO(x509_key_freep) struct x509_key *key = NULL;
    AUTO(secret_freep) struct secret *pem = NULL;
    TRY(x509_key_generate(&key, detail));
    TRY(x509_key_to_pem(key, &pem));
    TRY(pem_encode("PUBLIC KEY", x509_key_spki(key), public_pem));
    *ret_pem = TAKE(pem);
    return ERR_OK;
}

enum err package_signer_open(struct bytes pem, struct package_signer **ret_signer,
                             struct err_detail *detail)
{
    AUTO(package_signer_freep) struct package_signer *signer = calloc(1, sizeof *signer);
    AUTO(secret_freep) struct secret *pkcs8_pem = NULL;
    if (signer == NULL)
        return ERR_NO_MEMORY;
    TRY(x509_key_from_pem(pem, &signer->key, detail));
    TRY(x509_key_to_pem(signer->key, &pkcs8_pem));
    struct bytes text = secret_view(pkcs8_pem);
    TRY(pem_decode("PRIVATE KEY", &text, &signer->pkcs8, detail));
    TRY(package_public_key_check(x509_key_spki(signer->key), detail));
    *ret_signer = TAKE(signer);
    return ERR_OK;
}

void package_signer_free(struct package_signer *signer)
{
    if (signer == NULL)
        return;
    x509_key_free(signer->key);
    buf_done(&signer->pkcs8);
    free(signer);
}

void package_signer_freep(struct package_signer **signer)
{
    package_signer_free(*signer);
}

struct bytes package_signer_spki(const struct package_signer *signer)
{
    return x509_key_spki(signer->key);
}

enum err package_sign(const struct package_signer *signer, struct bytes text, struct buf *to,
                      struct err_detail *detail)
{
    struct crypto_key key = {.class = CRYPTO_PRIVATE, .material = buf_view(&signer->pkcs8)};
    struct crypto_input input = {.op = CRYPTO_SIGN, .data = text};
    struct crypto_output output = {.data = to};
    TRY(scheme(x509_key_spki(signer->key), &key, &input.params, detail));
    return crypto_use(&key, &input, &output, detail);
}

enum err package_signature_check(struct bytes spki, struct bytes text, struct bytes signature,
                                 struct err_detail *detail)
{
    struct crypto_key key = {.class = CRYPTO_PUBLIC, .material = spki};
    struct crypto_input input = {.op = CRYPTO_VERIFY, .data = text, .tag = signature};
    struct crypto_output output = {.data = NULL};
    TRY(scheme(spki, &key, &input.params, detail));
    TRY(crypto_use(&key, &input, &output, detail));
    if (!output.valid)
        return err_set(detail, ERR_SIGNATURE, "the signature is not of this key and text");
    return ERR_OK;
}

#include "crypto/pkey.h"

void pkey_freep(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
}

static void pkcs8_freep(PKCS8_PRIV_KEY_INFO **info)
{
    PKCS8_PRIV_KEY_INFO_free(*info);
}

enum err pkey_pkcs8(const EVP_PKEY *pkey, struct secret **ret_der)
{
    AUTO(pkcs8_freep) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    int len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : -1;
    if (len <= 0)
        return evp_fail(NULL, ERR_CRYPTO, "PKCS#8");
    AUTO(secret_freep) struct secret *der = NULL;
    TRY(secret_new((size_t)len, &der));
    unsigned char *at = secret_data(der);
    if (i2d_PKCS8_PRIV_KEY_INFO(info, &at) != len)
        return evp_fail(NULL, ERR_CRYPTO, "PKCS#8");
    *ret_der = TAKE(der);
    return ERR_OK;
}

struct asked {
    struct bytes passphrase;
    bool asked;
};

static int give_passphrase(char *to, int cap, int writing, void *arg)
{
    (void)writing;
    struct asked *asked = arg;
    asked->asked = true;
    if (asked->passphrase.len == 0 || asked->passphrase.len > (size_t)cap)
        return -1;
    memcpy(to, asked->passphrase.data, asked->passphrase.len);
    return (int)asked->passphrase.len;
}

enum err pkey_from_pem(struct bytes pem, struct bytes passphrase, EVP_PKEY **ret_pkey,
                       struct err_detail *detail)
{
    struct asked asked = {.passphrase = passphrase};
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (bio == NULL)
        return ERR_NO_MEMORY;
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &asked);
    BIO_free(bio);
    if (pkey == NULL && asked.asked)
        return evp_fail(detail, ERR_DENIED,
                        passphrase.len == 0 ? "private key wants a passphrase"
                                            : "private key does not open with this passphrase");
    if (pkey == NULL)
        return evp_fail(detail, ERR_SYNTAX, "private key");
    *ret_pkey = pkey;
    return ERR_OK;
}

void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

enum err pkey_open(const struct crypto_key *key, EVP_PKEY **ret_pkey, struct err_detail *detail)
{
    const unsigned char *at = key->material.data;
    EVP_PKEY *pkey = NULL;
    if (key->class == CRYPTO_PUBLIC) {
        pkey = d2i_PUBKEY(NULL, &at, (long)key->material.len);
    } else if (key->class == CRYPTO_PRIVATE) {
        AUTO(pkcs8_freep)
        PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)key->material.len);
        pkey = info != NULL ? EVP_PKCS82PKEY(info) : NULL;
    }
    if (pkey == NULL)
        return evp_fail(detail, ERR_KEY_FORM, "key");
    if (at != key->material.data + key->material.len) {
        EVP_PKEY_free(pkey);
        return err_set(detail, ERR_KEY_FORM, "something stands behind the key");
    }
    *ret_pkey = pkey;
    return ERR_OK;
}

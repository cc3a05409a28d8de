#include "crypto/pkey.h"

#include "crypto/keyform_parts.h"

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

/* OpenSSL's decoders take a hundred times as long as a signature on a curve, so keys in our own
 * form are read by us and handed over as numbers. */
struct numbers {
    OSSL_PARAM params[10];
    size_t count;
    uint8_t *at; /* room for what has to stand the other way round */
    size_t left;
};

/* OpenSSL wants numbers in the machine's order. */
static bool add_number(struct numbers *n, const char *name, struct bytes number)
{
    if (number.len == 0 || number.len > n->left)
        return false;
    for (size_t i = 0; i < number.len; i++) {
        size_t to = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? number.len - 1 - i : i;
        n->at[to] = number.data[i];
    }
    n->params[n->count++] = OSSL_PARAM_construct_BN(name, n->at, number.len);
    n->at += number.len;
    n->left -= number.len;
    return true;
}

static bool add_rsa(struct numbers *n, const struct keyform_parts *parts, bool private)
{
    return add_number(n, OSSL_PKEY_PARAM_RSA_N, parts->modulus) &&
           add_number(n, OSSL_PKEY_PARAM_RSA_E, parts->public_exponent) &&
           (!private || (add_number(n, OSSL_PKEY_PARAM_RSA_D, parts->private_exponent) &&
                         add_number(n, OSSL_PKEY_PARAM_RSA_FACTOR1, parts->p) &&
                         add_number(n, OSSL_PKEY_PARAM_RSA_FACTOR2, parts->q) &&
                         add_number(n, OSSL_PKEY_PARAM_RSA_EXPONENT1, parts->prime_exponent_p) &&
                         add_number(n, OSSL_PKEY_PARAM_RSA_EXPONENT2, parts->prime_exponent_q) &&
                         add_number(n, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, parts->crt_coefficient)));
}

static bool add_ec(struct numbers *n, const struct keyform_parts *parts, bool private)
{
    const struct curve_row *row = curve_by_number(parts->curve);
    if (row == NULL || parts->point.len == 0)
        return false;
    n->params[n->count++] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                             (char *)(uintptr_t)row->name, 0);
    n->params[n->count++] = OSSL_PARAM_construct_octet_string(
        OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)parts->point.data, parts->point.len);
    return !private || add_number(n, OSSL_PKEY_PARAM_PRIV_KEY, parts->d);
}

static EVP_PKEY *from_numbers(const char *type, const OSSL_PARAM *params, bool private)
{
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          (OSSL_PARAM *)(uintptr_t)params) != 1)
        return NULL;
    return pkey;
}

/* NULL where it is none of the kinds that go this way. */
static EVP_PKEY *open_parts(const struct keyform_parts *parts, size_t size, bool private)
{
    const struct keyform_raw *raw = keyform_raw_of(parts->alg, parts->curve);
    if (raw != NULL && private)
        return EVP_PKEY_new_raw_private_key_ex(NULL, raw->name, NULL, parts->d.data, parts->d.len);
    if (raw != NULL)
        return EVP_PKEY_new_raw_public_key_ex(NULL, raw->name, NULL, parts->point.data,
                                              parts->point.len);
    if (parts->alg != ALG_RSA && parts->alg != ALG_EC)
        return NULL;
    AUTO(secret_freep) struct secret *room = NULL;
    if (secret_new(size, &room) != ERR_OK)
        return NULL;
    struct numbers n = {.at = secret_data(room), .left = size};
    bool rsa = parts->alg == ALG_RSA;
    if (!(rsa ? add_rsa(&n, parts, private) : add_ec(&n, parts, private)))
        return NULL;
    n.params[n.count] = OSSL_PARAM_construct_end();
    return from_numbers(rsa ? "RSA" : "EC", n.params, private);
}

static EVP_PKEY *decode(struct bytes der, bool private)
{
    const unsigned char *at = der.data;
    if (!private)
        return d2i_PUBKEY(NULL, &at, (long)der.len);
    AUTO(pkcs8_freep)
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
    return info != NULL ? EVP_PKCS82PKEY(info) : NULL;
}

enum err pkey_open(const struct crypto_key *key, EVP_PKEY **ret_pkey, struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    bool private = key->class == CRYPTO_PRIVATE;
    if (!private && key->class != CRYPTO_PUBLIC)
        return err_set(detail, ERR_KEY_FORM, "not a key of a pair");
    enum err err = private ? keyform_read_pkcs8(key->material, &parts)
                           : keyform_read_spki(key->material, &parts);
    if (err != ERR_OK)
        return err_set(detail, ERR_KEY_FORM, "key: %s", err_text(err));
    EVP_PKEY *pkey = open_parts(&parts, key->material.len, private);
    if (pkey == NULL)
        pkey = decode(key->material, private);
    if (pkey == NULL)
        return evp_fail(detail, ERR_KEY_FORM, "key");
    ERR_clear_error();
    *ret_pkey = pkey;
    return ERR_OK;
}

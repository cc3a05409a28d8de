#include "crypto/x509.h"

#include <stdlib.h>

#include "crypto/pem_secret.h"
#include "crypto/pkey.h"
#include "crypto/rsa_key.h"
#include "crypto/x509_form.h"

struct x509_key {
    EVP_PKEY *pkey;
    struct buf spki;
    bool is_rsa;
};

static enum err adopt(EVP_PKEY **pkey, struct x509_key **ret_key, struct err_detail *detail)
{
    AUTO(x509_key_freep) struct x509_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_NO_MEMORY;
    int len = i2d_PUBKEY(*pkey, NULL);
    if (len <= 0)
        return evp_fail(detail, ERR_CRYPTO, "public key");
    TRY(buf_reserve(&key->spki, (size_t)len));
    unsigned char *at = key->spki.data;
    key->spki.len = (size_t)i2d_PUBKEY(*pkey, &at);
    key->is_rsa = EVP_PKEY_is_a(*pkey, "RSA") == 1;
    if (!key->is_rsa && !x509_spki_is_p256(buf_view(&key->spki)))
        return err_set(detail, ERR_UNSUPPORTED, "private key is neither RSA nor EC P-256");
    int bits = EVP_PKEY_get_bits(*pkey);
    if (key->is_rsa && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
        return err_set(detail, ERR_LIMIT, "RSA key of %d bits", bits);
    key->pkey = TAKE(*pkey);
    *ret_key = TAKE(key);
    return ERR_OK;
}

enum err x509_key_generate(struct x509_key **ret_key, struct err_detail *detail)
{
    AUTO(pkey_freep) EVP_PKEY *pkey = EVP_EC_gen("P-256");
    if (pkey == NULL)
        return evp_fail(detail, ERR_CRYPTO, "EC key generation");
    return adopt(&pkey, ret_key, detail);
}

enum err x509_key_from_pem(struct bytes pem, struct x509_key **ret_key, struct err_detail *detail)
{
    if (pem.len > RSA_PEM_MAX)
        return err_set(detail, ERR_LIMIT, "private key file is larger than %zu bytes", RSA_PEM_MAX);
    AUTO(pkey_freep) EVP_PKEY *pkey = NULL;
    TRY(pkey_from_pem(pem, (struct bytes){0}, &pkey, detail));
    return adopt(&pkey, ret_key, detail);
}

void x509_key_free(struct x509_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    buf_done(&key->spki);
    free(key);
}

void x509_key_freep(struct x509_key **key)
{
    x509_key_free(*key);
}

enum err x509_key_to_pem(const struct x509_key *key, struct secret **ret_pem)
{
    AUTO(secret_freep) struct secret *der = NULL;
    TRY(pkey_pkcs8(key->pkey, &der));
    return pem_encode_secret("PRIVATE KEY", secret_view(der), ret_pem);
}

struct bytes x509_key_spki(const struct x509_key *key)
{
    return buf_view(&key->spki);
}

static enum err sign(const struct x509_key *key, struct bytes data, struct buf *to,
                     struct err_detail *detail)
{
    TRY(buf_reserve(to, RSA_BYTES_MAX));
    size_t len = RSA_BYTES_MAX;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL &&
                EVP_DigestSignInit_ex(ctx, NULL, "SHA2-256", NULL, NULL, key->pkey, NULL) == 1 &&
                EVP_DigestSign(ctx, to->data, &len, data.data, data.len) == 1;
    EVP_MD_CTX_free(ctx);
    if (!good)
        return evp_fail(detail, ERR_CRYPTO, "signature");
    to->len = len;
    return ERR_OK;
}

/* CertificationRequestInfo (RFC 2986, 4.1). */
static enum err write_info(const struct x509_key *key, const char *cn,
                           const struct x509_names *names, struct der_writer *w)
{
    der_begin(w, DER_SEQUENCE);
    der_put_small(w, 0);
    x509_put_name(w, cn);
    der_put_raw(w, x509_key_spki(key));
    der_begin(w, DER_CONTEXT_OPEN(0));
    if (names->dns_count + names->ip_count != 0) {
        der_begin(w, DER_SEQUENCE);
        der_put(w, DER_OID, BYTES(oid_extension_request));
        der_begin(w, DER_SET);
        der_begin(w, DER_SEQUENCE);
        x509_put_alt_names(w, names);
        der_end(w);
        der_end(w);
        der_end(w);
    }
    der_end(w);
    der_end(w);
    return der_status(w);
}

enum err x509_csr_make(const struct x509_key *key, const char *cn, const struct x509_names *names,
                       struct buf *to, struct err_detail *detail)
{
    AUTO(der_done) struct der_writer info = {0};
    AUTO(der_done) struct der_writer w = {0};
    AUTO(buf_done) struct buf signature = {0};
    TRY(x509_check_names(cn, names, detail));
    TRY(write_info(key, cn, names, &info));
    TRY(sign(key, buf_view(&info.out), &signature, detail));
    der_begin(&w, DER_SEQUENCE);
    der_put_raw(&w, buf_view(&info.out));
    if (key->is_rsa) {
        x509_put_rsa_sha256(&w);
    } else {
        der_begin(&w, DER_SEQUENCE); /* RFC 5758, 3.2: no parameters */
        der_put(&w, DER_OID, BYTES(oid_ecdsa_sha256));
        der_end(&w);
    }
    der_put_bits(&w, buf_view(&signature));
    der_end(&w);
    TRY(der_status(&w));
    return buf_append(to, buf_view(&w.out));
}

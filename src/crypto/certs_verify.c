#include "crypto/certs.h"

#include "crypto/evp.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static void x509_freep(X509 **cert)
{
    X509_free(*cert);
}

static void store_freep(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void ctx_freep(X509_STORE_CTX **ctx)
{
    X509_STORE_CTX_free(*ctx);
}

static void free_all(STACK_OF(X509) * *certs)
{
    sk_X509_pop_free(*certs, X509_free);
}

/* Read by der.h before OpenSSL sees it. */
static enum err read(struct bytes der, X509 **ret_cert, struct err_detail *detail)
{
    struct certs_info info;
    TRY(certs_parse(der, &info, detail));
    const unsigned char *at = der.data;
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);
    if (cert == NULL)
        return evp_fail(detail, ERR_KEY_FORM, "certificate");
    *ret_cert = cert;
    return ERR_OK;
}

static enum err read_all(const struct bytes *ders, size_t count, STACK_OF(X509) * certs,
                         struct err_detail *detail)
{
    if (count > CERTS_CHAIN_MAX)
        return err_set(detail, ERR_LIMIT, "more than %d certificates", CERTS_CHAIN_MAX);
    for (size_t i = 0; i < count; i++) {
        AUTO(x509_freep) X509 *cert = NULL;
        TRY(read(ders[i], &cert, detail));
        if (sk_X509_push(certs, cert) <= 0)
            return ERR_NO_MEMORY;
        cert = NULL;
    }
    return ERR_OK;
}

/* The one that has issued none of the others; NULL where there is not one. */
static X509 *find_leaf(const STACK_OF(X509) * certs)
{
    X509 *leaf = NULL;
    for (int i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);
        bool issuer = false;
        for (int j = 0; j < sk_X509_num(certs); j++) {
            X509 *other = sk_X509_value(certs, j);
            if (X509_cmp(cert, other) != 0 && X509_check_issued(cert, other) == X509_V_OK)
                issuer = true;
        }
        if (issuer || (leaf != NULL && X509_cmp(leaf, cert) == 0))
            continue;
        if (leaf != NULL)
            return NULL;
        leaf = cert;
    }
    return leaf;
}

static enum err fill_store(X509_STORE *store, const STACK_OF(X509) * chain,
                           const STACK_OF(X509) * roots)
{
    for (int i = 0; i < sk_X509_num(roots); i++)
        if (X509_STORE_add_cert(store, sk_X509_value(roots, i)) != 1)
            return ERR_NO_MEMORY;
    for (int i = 0; i < sk_X509_num(chain) && sk_X509_num(roots) == 0; i++)
        if (X509_self_signed(sk_X509_value(chain, i), 1) == 1 &&
            X509_STORE_add_cert(store, sk_X509_value(chain, i)) != 1)
            return ERR_NO_MEMORY;
    return ERR_OK;
}

static bool leads_nowhere(int reason)
{
    return reason == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           reason == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           reason == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           reason == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           reason == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

enum err certs_verify(const struct bytes *chain, size_t chain_count, const struct bytes *trusted,
                      size_t trusted_count, int64_t when, enum certs_verdict *ret_verdict,
                      struct err_detail *detail)
{
    AUTO(free_all) STACK_OF(X509) *certs = sk_X509_new_null();
    AUTO(free_all) STACK_OF(X509) *roots = sk_X509_new_null();
    AUTO(store_freep) X509_STORE *store = X509_STORE_new();
    AUTO(ctx_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (certs == NULL || roots == NULL || store == NULL || ctx == NULL)
        return ERR_NO_MEMORY;
    if (chain_count == 0)
        return err_set(detail, ERR_ARGUMENT, "no certificate");
    TRY(read_all(chain, chain_count, certs, detail));
    TRY(read_all(trusted, trusted_count, roots, detail));
    X509 *leaf = find_leaf(certs);
    if (leaf == NULL) {
        ERR_clear_error();
        (void)err_set(detail, ERR_OK, "the certificates are not one chain");
        *ret_verdict = CERTS_INVALID;
        return ERR_OK;
    }
    TRY(fill_store(store, certs, roots));
    if (X509_STORE_CTX_init(ctx, store, leaf, certs) != 1)
        return evp_fail(detail, ERR_CRYPTO, "chain of certificates");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)when);
    X509_VERIFY_PARAM_set_depth(param, CERTS_CHAIN_MAX);
    int good = X509_verify_cert(ctx);
    int reason = X509_STORE_CTX_get_error(ctx);
    ERR_clear_error();
    *ret_verdict = good == 1 ? CERTS_VALID : leads_nowhere(reason) ? CERTS_UNKNOWN : CERTS_INVALID;
    if (good != 1)
        (void)err_set(detail, ERR_OK, "%s", X509_verify_cert_error_string(reason));
    return ERR_OK;
}

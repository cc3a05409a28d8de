#include "crypto/pkcs12.h"

#include "crypto/certs.h"
#include "crypto/der.h"
#include "crypto/keyform.h"
#include "crypto/pkey.h"

#include <openssl/pkcs12.h>

#define ITERATIONS_MAX (10 * PKCS12_ITERATIONS)
#define PASSWORD_MAX   1024

/* RFC 8018, A; RFC 7292, C. */
static const uint8_t oid_pbes2[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13};
static const uint8_t oid_pbkdf2[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12};
static const uint8_t oid_pkcs12_pbe[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1};

static void p12_freep(PKCS12 **p12)
{
    PKCS12_free(*p12);
}

static void safes_freep(STACK_OF(PKCS7) * *safes)
{
    sk_PKCS7_pop_free(*safes, PKCS7_free);
}

static void bags_freep(STACK_OF(PKCS12_SAFEBAG) * *bags)
{
    sk_PKCS12_SAFEBAG_pop_free(*bags, PKCS12_SAFEBAG_free);
}

static void info_freep(PKCS8_PRIV_KEY_INFO **info)
{
    PKCS8_PRIV_KEY_INFO_free(*info);
}

static void sig_freep(X509_SIG **sig)
{
    X509_SIG_free(*sig);
}

static void x509_freep(X509 **cert)
{
    X509_free(*cert);
}

static void certs_freep(STACK_OF(X509) * *certs)
{
    sk_X509_pop_free(*certs, X509_free);
}

static enum err not_that(struct err_detail *detail)
{
    return evp_fail(detail, ERR_KEY_FORM, "neither PKCS#12 nor encrypted PKCS#8");
}

static enum err wrong_password(struct err_detail *detail)
{
    ERR_clear_error();
    return err_set(detail, ERR_DENIED, "it does not open with this password");
}

/* Salt and iterations, the same in PBEParameter and PBKDF2-params. */
static enum err read_iterations(struct der r, uint32_t *ret_iterations)
{
    struct bytes salt;
    struct der fields;
    TRY(der_enter(&r, DER_SEQUENCE, &fields));
    TRY(der_take(&fields, DER_OCTET_STRING, &salt));
    return der_small(&fields, ret_iterations);
}

static enum err read_scheme(struct bytes oid, struct der params, uint32_t *ret_iterations)
{
    struct der outer;
    struct der kdf;
    bool pkcs12 = oid.len == sizeof oid_pkcs12_pbe + 1 &&
                  memcmp(oid.data, oid_pkcs12_pbe, sizeof oid_pkcs12_pbe) == 0;
    if (pkcs12) {
        /* 3 and 4 are 3DES; the others are RC4 and RC2 of 40 and 128 bits. */
        uint8_t which = oid.data[oid.len - 1];
        return which == 3 || which == 4 ? read_iterations(params, ret_iterations) : ERR_UNSUPPORTED;
    }
    if (!bytes_equal(oid, BYTES(oid_pbes2)))
        return ERR_UNSUPPORTED;
    TRY(der_enter(&params, DER_SEQUENCE, &outer));
    TRY(der_enter(&outer, DER_SEQUENCE, &kdf));
    TRY(der_expect_oid(&kdf, BYTES(oid_pbkdf2)));
    return read_iterations(kdf, ret_iterations);
}

/* Whoever made it decides how long we count: not longer than that. */
static enum err check_algorithm(const X509_ALGOR *algorithm, struct err_detail *detail)
{
    const ASN1_OBJECT *object = NULL;
    const void *value = NULL;
    int type = 0;
    X509_ALGOR_get0(&object, &type, &value, algorithm);
    if (object == NULL || type != V_ASN1_SEQUENCE || value == NULL)
        return err_set(detail, ERR_UNSUPPORTED, "a cipher that is not served");
    const ASN1_STRING *params = value;
    struct bytes oid = bytes_of(OBJ_get0_data(object), OBJ_length(object));
    struct der r =
        der_of(bytes_of(ASN1_STRING_get0_data(params), (size_t)ASN1_STRING_length(params)));
    uint32_t iterations = 0;
    enum err err = read_scheme(oid, r, &iterations);
    if (err == ERR_UNSUPPORTED)
        return err_set(detail, err, "a cipher that is not served");
    if (err != ERR_OK)
        return err_set(detail, ERR_KEY_FORM, "the parameters of a cipher");
    if (iterations > ITERATIONS_MAX)
        return err_set(detail, ERR_LIMIT, "more than %u iterations", ITERATIONS_MAX);
    return ERR_OK;
}

/* A password as OpenSSL takes it: text that ends with NUL. */
static enum err password_text(struct bytes password, struct secret **ret_text,
                              struct err_detail *detail)
{
    if (password.len > PASSWORD_MAX)
        return err_set(detail, ERR_LIMIT, "a password of more than %d bytes", PASSWORD_MAX);
    if (password.len != 0 && memchr(password.data, 0, password.len) != NULL)
        return err_set(detail, ERR_ARGUMENT, "a password with a zero byte");
    AUTO(secret_freep) struct secret *text = NULL;
    TRY(secret_new(password.len + 1, &text));
    if (password.len != 0)
        memcpy(secret_data(text), password.data, password.len);
    *ret_text = TAKE(text);
    return ERR_OK;
}

static enum err take_key(const PKCS8_PRIV_KEY_INFO *info, struct secret **ret_pkcs8,
                         struct err_detail *detail)
{
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);
    if (len <= 0 || (size_t)len > KEYFORM_DER_MAX)
        return evp_fail(detail, ERR_KEY_FORM, "private key");
    AUTO(secret_freep) struct secret *der = NULL;
    struct keyform_info form;
    TRY(secret_new((size_t)len, &der));
    unsigned char *at = secret_data(der);
    if (i2d_PKCS8_PRIV_KEY_INFO(info, &at) != len)
        return evp_fail(detail, ERR_KEY_FORM, "private key");
    return keyform_private_in(FORMAT_PKCS8, 0, 0, secret_view(der), ret_pkcs8, &form, detail);
}

static enum err decrypt_key(const X509_SIG *sig, const struct secret *password,
                            struct secret **ret_pkcs8, struct err_detail *detail)
{
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OCTET_STRING *sealed = NULL;
    X509_SIG_get0(sig, &algorithm, &sealed);
    TRY(check_algorithm(algorithm, detail));
    struct bytes text = secret_view(password);
    AUTO(info_freep)
    PKCS8_PRIV_KEY_INFO *info = PKCS8_decrypt(sig, (const char *)text.data, (int)text.len - 1);
    if (info == NULL)
        return wrong_password(detail);
    return take_key(info, ret_pkcs8, detail);
}

enum err pkcs8_open(struct bytes der, struct bytes password, struct secret **ret_pkcs8,
                    struct err_detail *detail)
{
    if (der.len > PKCS12_DER_MAX)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes", PKCS12_DER_MAX);
    struct der outer = der_of(der);
    struct der fields;
    struct bytes skipped;
    if (der_enter(&outer, DER_SEQUENCE, &fields) != ERR_OK || der_finish(&outer) != ERR_OK ||
        der_take(&fields, DER_SEQUENCE, &skipped) != ERR_OK ||
        der_take(&fields, DER_OCTET_STRING, &skipped) != ERR_OK || der_finish(&fields) != ERR_OK)
        return not_that(detail);
    AUTO(secret_freep) struct secret *text = NULL;
    TRY(password_text(password, &text, detail));
    const unsigned char *at = der.data;
    AUTO(sig_freep) X509_SIG *sig = d2i_X509_SIG(NULL, &at, (long)der.len);
    if (sig == NULL)
        return not_that(detail);
    return decrypt_key(sig, text, ret_pkcs8, detail);
}

/* What is found on the way; the certificates as they stand in `all`. */
struct found {
    struct secret *pkcs8;
    struct buf all;
    size_t start[PKCS12_CERTS_MAX + 1], len[PKCS12_CERTS_MAX + 1];
    size_t count;
    const struct secret *password;
};

static void found_done(struct found *found)
{
    secret_free(found->pkcs8);
    buf_done(&found->all);
}

static enum err take_cert(const PKCS12_SAFEBAG *bag, struct found *found, struct err_detail *detail)
{
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
        return ERR_OK;
    if (found->count == ARRAY_LEN(found->start))
        return err_set(detail, ERR_LIMIT, "more than %d certificates", PKCS12_CERTS_MAX);
    AUTO(x509_freep) X509 *cert = PKCS12_SAFEBAG_get1_cert(bag);
    int len = cert != NULL ? i2d_X509(cert, NULL) : -1;
    if (len <= 0)
        return not_that(detail);
    TRY(buf_reserve(&found->all, (size_t)len));
    unsigned char *at = found->all.data + found->all.len;
    if (i2d_X509(cert, &at) != len)
        return not_that(detail);
    struct certs_info info;
    TRY(certs_parse(bytes_of(found->all.data + found->all.len, (size_t)len), &info, detail));
    found->start[found->count] = found->all.len;
    found->len[found->count++] = (size_t)len;
    found->all.len += (size_t)len;
    return ERR_OK;
}

static enum err take_bag(const PKCS12_SAFEBAG *bag, struct found *found, struct err_detail *detail)
{
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
    case NID_certBag: return take_cert(bag, found, detail);
    case NID_keyBag:
        return found->pkcs8 != NULL
                   ? ERR_OK
                   : take_key(PKCS12_SAFEBAG_get0_p8inf(bag), &found->pkcs8, detail);
    case NID_pkcs8ShroudedKeyBag:
        return found->pkcs8 != NULL ? ERR_OK
                                    : decrypt_key(PKCS12_SAFEBAG_get0_pkcs8(bag), found->password,
                                                  &found->pkcs8, detail);
    default: /* CRLs, secrets, bags in bags: nothing we look for */ return ERR_OK;
    }
}

static enum err take_safe(PKCS7 *safe, struct found *found, struct err_detail *detail)
{
    AUTO(bags_freep) STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    int type = OBJ_obj2nid(safe->type);
    if (type == NID_pkcs7_data) {
        bags = PKCS12_unpack_p7data(safe);
        if (bags == NULL)
            return not_that(detail);
    } else if (type == NID_pkcs7_encrypted && safe->d.encrypted != NULL) {
        struct bytes text = secret_view(found->password);
        TRY(check_algorithm(safe->d.encrypted->enc_data->algorithm, detail));
        bags = PKCS12_unpack_p7encdata(safe, (const char *)text.data, (int)text.len - 1);
        if (bags == NULL)
            return wrong_password(detail);
    } else {
        return ERR_OK;
    }
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++)
        TRY(take_bag(sk_PKCS12_SAFEBAG_value(bags, i), found, detail));
    return ERR_OK;
}

/* RFC 7292, 4: without a MAC nothing says that it is whole. */
static enum err check_mac(PKCS12 *p12, const struct secret *password, struct err_detail *detail)
{
    const ASN1_INTEGER *iterations = NULL;
    struct bytes text = secret_view(password);
    if (PKCS12_mac_present(p12) != 1)
        return err_set(detail, ERR_UNSUPPORTED, "PKCS#12 without a MAC");
    PKCS12_get0_mac(NULL, NULL, NULL, &iterations, p12);
    int64_t count = 1;
    if (iterations != NULL &&
        (ASN1_INTEGER_get_int64(&count, iterations) != 1 || count < 1 || count > ITERATIONS_MAX)) {
        ERR_clear_error();
        return err_set(detail, ERR_LIMIT, "more than %u iterations", ITERATIONS_MAX);
    }
    if (PKCS12_verify_mac(p12, (const char *)text.data, (int)text.len - 1) != 1)
        return wrong_password(detail);
    return ERR_OK;
}

static void give(struct found *found, struct pkcs12_content *content)
{
    content->all = found->all;
    found->all = (struct buf){0};
    content->pkcs8 = TAKE(found->pkcs8);
    for (size_t i = 0; i < found->count; i++) {
        struct bytes der = bytes_of(content->all.data + found->start[i], found->len[i]);
        struct certs_info info;
        bool own = content->pkcs8 != NULL && content->cert.len == 0 &&
                   certs_parse(der, &info, NULL) == ERR_OK &&
                   keyform_match(secret_view(content->pkcs8), info.spki, NULL) == ERR_OK;
        if (own)
            content->cert = der;
        else if (content->others_count < PKCS12_CERTS_MAX)
            content->others[content->others_count++] = der;
    }
}

enum err pkcs12_open(struct bytes der, struct bytes password, struct pkcs12_content *ret_content,
                     struct err_detail *detail)
{
    if (der.len > PKCS12_DER_MAX)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes", PKCS12_DER_MAX);
    struct der outer = der_of(der);
    struct der fields;
    uint32_t version = 0;
    if (der_enter(&outer, DER_SEQUENCE, &fields) != ERR_OK || der_finish(&outer) != ERR_OK ||
        der_small(&fields, &version) != ERR_OK || version != 3)
        return not_that(detail);
    AUTO(secret_freep) struct secret *text = NULL;
    TRY(password_text(password, &text, detail));
    const unsigned char *at = der.data;
    AUTO(p12_freep) PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)der.len);
    if (p12 == NULL)
        return not_that(detail);
    TRY(check_mac(p12, text, detail));
    AUTO(safes_freep) STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    if (safes == NULL)
        return not_that(detail);
    AUTO(found_done) struct found found = {.password = text};
    for (int i = 0; i < sk_PKCS7_num(safes); i++)
        TRY(take_safe(sk_PKCS7_value(safes, i), &found, detail));
    *ret_content = (struct pkcs12_content){0};
    give(&found, ret_content);
    return ERR_OK;
}

void pkcs12_content_done(struct pkcs12_content *content)
{
    secret_free(content->pkcs8);
    buf_done(&content->all);
    *content = (struct pkcs12_content){0};
}

static enum err read_cert(struct bytes der, X509 **ret_cert, struct bytes *ret_spki,
                          struct err_detail *detail)
{
    struct certs_info info;
    TRY(certs_parse(der, &info, detail));
    const unsigned char *at = der.data;
    *ret_cert = d2i_X509(NULL, &at, (long)der.len);
    *ret_spki = info.spki;
    return *ret_cert != NULL ? ERR_OK : evp_fail(detail, ERR_KEY_FORM, "certificate");
}

enum err pkcs12_make(struct bytes pkcs8, struct bytes cert, const struct bytes *others,
                     size_t others_count, const char *name, struct bytes password, struct buf *to,
                     struct err_detail *detail)
{
    AUTO(pkey_freep) EVP_PKEY *pkey = NULL;
    AUTO(x509_freep) X509 *own = NULL;
    AUTO(certs_freep) STACK_OF(X509) *rest = sk_X509_new_null();
    AUTO(secret_freep) struct secret *text = NULL;
    struct keyform_info form;
    struct bytes spki;
    if (rest == NULL)
        return ERR_NO_MEMORY;
    if (others_count > PKCS12_CERTS_MAX)
        return err_set(detail, ERR_LIMIT, "more than %d certificates", PKCS12_CERTS_MAX);
    TRY(password_text(password, &text, detail));
    TRY(keyform_private_info(pkcs8, &form, detail));
    struct crypto_key key = {CRYPTO_PRIVATE, form.alg, pkcs8};
    TRY(pkey_open(&key, &pkey, detail));
    if (cert.len != 0) {
        TRY(read_cert(cert, &own, &spki, detail));
        TRY(keyform_match(pkcs8, spki, detail));
    }
    for (size_t i = 0; i < others_count; i++) {
        AUTO(x509_freep) X509 *other = NULL;
        TRY(read_cert(others[i], &other, &spki, detail));
        if (sk_X509_push(rest, other) <= 0)
            return ERR_NO_MEMORY;
        other = NULL;
    }
    AUTO(p12_freep)
    PKCS12 *p12 =
        PKCS12_create((const char *)secret_data(text), name, pkey, own, rest, NID_aes_256_cbc,
                      NID_aes_256_cbc, (int)PKCS12_ITERATIONS, (int)PKCS12_ITERATIONS, 0);
    int len = p12 != NULL ? i2d_PKCS12(p12, NULL) : -1;
    if (len <= 0)
        return evp_fail(detail, ERR_CRYPTO, "PKCS#12");
    TRY(buf_reserve(to, (size_t)len));
    unsigned char *at = to->data + to->len;
    if (i2d_PKCS12(p12, &at) != len)
        return evp_fail(detail, ERR_CRYPTO, "PKCS#12");
    to->len += (size_t)len;
    return ERR_OK;
}

#include "crypto/x509.h"

#include "crypto/pkey.h"
#include "crypto/rsa_key.h"
#include "crypto/x509_form.h"

static bool is_printable(struct bytes v)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.data[i] <= 0x20 || v.data[i] >= 0x7f)
            return false;
    return v.len != 0 && v.len <= X509_NAME_MAX;
}

/* Name (RFC 5280, 4.1.2.4). Of the kinds of string in it, those that can't be read as text are
 * passed over. */
static enum err read_name(struct der *r, struct bytes *ret_whole, struct bytes *ret_cn)
{
    struct der at = *r;
    uint8_t tag;
    TRY(der_any(r, &tag, NULL, ret_whole));
    struct der name;
    TRY(der_enter(&at, DER_SEQUENCE, &name));
    while (der_left(&name)) {
        struct der set;
        TRY(der_enter(&name, DER_SET, &set));
        while (der_left(&set)) {
            struct der one;
            struct bytes oid;
            struct bytes value;
            TRY(der_enter(&set, DER_SEQUENCE, &one));
            TRY(der_take(&one, DER_OID, &oid));
            TRY(der_any(&one, &tag, &value, NULL));
            TRY(der_finish(&one));
            bool text =
                tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING || tag == DER_IA5_STRING;
            if (!bytes_equal(oid, BYTES(oid_cn)) || !text)
                continue;
            if (value.len != 0 && memchr(value.data, 0, value.len) != NULL)
                return ERR_SYNTAX; /* "good.example\0.bad.example" */
            *ret_cn = value;
        }
    }
    return ERR_OK;
}

/* GeneralNames (RFC 5280, 4.2.1.6). */
static enum err read_alt_names(struct bytes value, struct x509_info *info)
{
    struct der outer = der_of(value);
    struct der names;
    TRY(der_enter(&outer, DER_SEQUENCE, &names));
    if (info->dns_count + info->ip_count != 0)
        return ERR_SYNTAX; /* the extension twice: 4.2 */
    while (der_left(&names)) {
        uint8_t tag;
        struct bytes name;
        TRY(der_any(&names, &tag, &name, NULL));
        if (tag == DER_CONTEXT(2)) {
            if (!is_printable(name))
                return ERR_SYNTAX;
            if (info->dns_count == X509_NAMES_MAX)
                return ERR_LIMIT;
            info->dns[info->dns_count++] = name;
        } else if (tag == DER_CONTEXT(7)) {
            if (name.len != 4 && name.len != 16)
                return ERR_SYNTAX;
            if (info->ip_count == X509_NAMES_MAX)
                return ERR_LIMIT;
            info->ip[info->ip_count++] = name;
        }
    }
    return der_finish(&outer);
}

static enum err read_constraints(struct bytes value, struct x509_info *info)
{
    struct der outer = der_of(value);
    struct der fields;
    TRY(der_enter(&outer, DER_SEQUENCE, &fields));
    if (der_is(&fields, DER_BOOLEAN))
        TRY(der_bool(&fields, &info->is_ca));
    return der_finish(&outer);
}

static enum err read_extensions(struct der *r, struct x509_info *info)
{
    struct der list;
    TRY(der_enter(r, DER_SEQUENCE, &list));
    while (der_left(&list)) {
        struct der one;
        struct bytes oid;
        struct bytes value;
        bool critical = false;
        TRY(der_enter(&list, DER_SEQUENCE, &one));
        TRY(der_take(&one, DER_OID, &oid));
        if (der_is(&one, DER_BOOLEAN))
            TRY(der_bool(&one, &critical));
        TRY(der_take(&one, DER_OCTET_STRING, &value));
        TRY(der_finish(&one));
        struct der inner = der_of(value);
        if (bytes_equal(oid, BYTES(oid_subject_alt_name)))
            TRY(read_alt_names(value, info));
        else if (bytes_equal(oid, BYTES(oid_basic_constraints)))
            TRY(read_constraints(value, info));
        else if (bytes_equal(oid, BYTES(oid_subject_key_id)))
            TRY(der_take(&inner, DER_OCTET_STRING, &info->key_id));
    }
    return ERR_OK;
}

static enum err read_spki(struct der *r, struct x509_info *info)
{
    struct bytes bits;
    TRY(der_any(r, NULL, NULL, &info->spki));
    return x509_spki_bits(info->spki, &bits);
}

/* TBSCertificate (RFC 5280, 4.1). */
static enum err read_tbs(struct der *tbs, struct x509_info *info)
{
    struct der inner;
    struct bytes skipped;
    uint32_t version = 0;
    if (der_is(tbs, DER_CONTEXT_OPEN(0))) {
        TRY(der_enter(tbs, DER_CONTEXT_OPEN(0), &inner));
        TRY(der_small(&inner, &version));
        TRY(der_finish(&inner));
        if (version > 2)
            return ERR_UNSUPPORTED;
    }
    TRY(der_uint(tbs, &info->serial));
    if (info->serial.len > X509_SERIAL_MAX)
        return ERR_LIMIT;
    TRY(der_take(tbs, DER_SEQUENCE, &skipped));
    TRY(read_name(tbs, &info->issuer, &skipped));
    TRY(der_enter(tbs, DER_SEQUENCE, &inner));
    TRY(der_time(&inner, &info->not_before));
    TRY(der_time(&inner, &info->not_after));
    TRY(der_finish(&inner));
    TRY(read_name(tbs, &info->subject, &info->cn));
    TRY(read_spki(tbs, info));
    for (uint8_t unique_id = 1; unique_id <= 2; unique_id++)
        if (der_is(tbs, DER_CONTEXT(unique_id)))
            TRY(der_take(tbs, DER_CONTEXT(unique_id), &skipped));
    if (der_is(tbs, DER_CONTEXT_OPEN(3))) {
        TRY(der_enter(tbs, DER_CONTEXT_OPEN(3), &inner));
        TRY(read_extensions(&inner, info));
        TRY(der_finish(&inner));
    }
    return der_finish(tbs);
}

static enum err read_cert(struct bytes der, struct x509_info *info)
{
    struct der outer = der_of(der);
    struct der cert;
    struct der tbs;
    struct bytes skipped;
    TRY(der_enter(&outer, DER_SEQUENCE, &cert));
    TRY(der_enter(&cert, DER_SEQUENCE, &tbs));
    TRY(read_tbs(&tbs, info));
    TRY(der_take(&cert, DER_SEQUENCE, &skipped));
    TRY(der_bits(&cert, &skipped));
    TRY(der_finish(&cert));
    return der_finish(&outer);
}

enum err x509_cert_parse(struct bytes der, struct x509_info *ret_info, struct err_detail *detail)
{
    if (der.len > X509_DER_MAX)
        return err_set(detail, ERR_LIMIT, "certificate is larger than %zu bytes", X509_DER_MAX);
    struct x509_info info = {0};
    enum err err = read_cert(der, &info);
    if (err != ERR_OK)
        return err_set(detail, err, "certificate: %s", err_text(err));
    *ret_info = info;
    return ERR_OK;
}

/* Attributes (RFC 2986, 4.1) with one extensionRequest (RFC 2985, 5.4.2) at most. */
static enum err read_attributes(struct der *r, struct x509_info *info)
{
    struct der list;
    TRY(der_enter(r, DER_CONTEXT_OPEN(0), &list));
    while (der_left(&list)) {
        struct der one;
        struct der set;
        struct bytes oid;
        TRY(der_enter(&list, DER_SEQUENCE, &one));
        TRY(der_take(&one, DER_OID, &oid));
        TRY(der_enter(&one, DER_SET, &set));
        TRY(der_finish(&one));
        if (!bytes_equal(oid, BYTES(oid_extension_request)))
            continue;
        TRY(read_extensions(&set, info));
        TRY(der_finish(&set));
    }
    return ERR_OK;
}

struct csr {
    struct bytes signed_part;
    struct bytes algorithm; /* object identifier */
    struct bytes signature;
};

static enum err read_csr(struct bytes der, struct csr *csr, struct x509_info *info)
{
    struct der outer = der_of(der);
    struct der request;
    struct der body;
    struct der algorithm;
    uint32_t version = 1;
    TRY(der_enter(&outer, DER_SEQUENCE, &request));
    TRY(der_finish(&outer));
    struct der again = request;
    TRY(der_any(&again, NULL, NULL, &csr->signed_part));
    TRY(der_enter(&request, DER_SEQUENCE, &body));
    TRY(der_small(&body, &version));
    if (version != 0)
        return ERR_UNSUPPORTED;
    TRY(read_name(&body, &info->subject, &info->cn));
    TRY(read_spki(&body, info));
    TRY(read_attributes(&body, info));
    TRY(der_finish(&body));
    TRY(der_enter(&request, DER_SEQUENCE, &algorithm));
    TRY(der_take(&algorithm, DER_OID, &csr->algorithm));
    TRY(der_bits(&request, &csr->signature));
    return der_finish(&request);
}

/* Only P-256 and RSA keys reach OpenSSL, both in their canonical form. */
static enum err public_key(const struct csr *csr, struct bytes spki, EVP_PKEY **ret_pkey,
                           struct err_detail *detail)
{
    AUTO(rsa_public_freep) struct rsa_public *rsa = NULL;
    if (x509_spki_is_p256(spki)) {
        if (!bytes_equal(csr->algorithm, BYTES(oid_ecdsa_sha256)))
            return err_set(detail, ERR_UNSUPPORTED, "request is not signed with ECDSA and SHA-256");
    } else {
        TRY(rsa_public_from_spki(spki, &rsa, detail));
        if (!bytes_equal(csr->algorithm, BYTES(oid_rsa_sha256)))
            return err_set(detail, ERR_UNSUPPORTED, "request is not signed with RSA and SHA-256");
        spki = rsa_public_spki(rsa);
    }
    const unsigned char *at = spki.data;
    *ret_pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);
    if (*ret_pkey == NULL)
        return evp_fail(detail, ERR_SYNTAX, "public key of the request");
    return ERR_OK;
}

static enum err verify(const struct csr *csr, struct bytes spki, struct err_detail *detail)
{
    AUTO(pkey_freep) EVP_PKEY *pkey = NULL;
    TRY(public_key(csr, spki, &pkey, detail));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL &&
                EVP_DigestVerifyInit_ex(ctx, NULL, "SHA2-256", NULL, NULL, pkey, NULL) == 1 &&
                EVP_DigestVerify(ctx, csr->signature.data, csr->signature.len,
                                 csr->signed_part.data, csr->signed_part.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good ? ERR_OK
                : evp_fail(detail, ERR_SIGNATURE, "request is not signed with the key in it");
}

enum err x509_csr_parse(struct bytes der, struct x509_info *ret_info, struct err_detail *detail)
{
    if (der.len > X509_DER_MAX)
        return err_set(detail, ERR_LIMIT, "request is larger than %zu bytes", X509_DER_MAX);
    struct x509_info info = {0};
    struct csr csr = {0};
    enum err err = read_csr(der, &csr, &info);
    if (err != ERR_OK)
        return err_set(detail, err, "certificate request: %s", err_text(err));
    TRY(verify(&csr, info.spki, detail));
    *ret_info = info;
    return ERR_OK;
}

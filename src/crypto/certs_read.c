#include "crypto/certs.h"

#include "crypto/certs_name.h"
#include "crypto/keyform.h"
#include "crypto/pem.h"
#include "crypto/pkey.h"
#include "crypto/x509_form.h"

#define SERIAL_MAX     64 /* RFC 5280 says 20, habit says more */
#define EXTENSIONS_MAX 64

static const uint8_t oid_issuer_alt_name[] = {0x55, 0x1d, 18};

#define PKCS1(number) {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, number}, 9
#define X962(a, b)    {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, a, b}, 8
#define NIST(number)  {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, number}, 9

/* RFC 3279, 4055, 5758, 8692. */
static const struct {
    uint8_t oid[9];
    uint8_t oid_len;
    enum crypto_signature signature;
} signatures[] = {
    {PKCS1(2), SIG_MD2_WITH_RSA_ENCRYPTION},
    {PKCS1(4), SIG_MD5_WITH_RSA_ENCRYPTION},
    {PKCS1(5), SIG_SHA_1_WITH_RSA_ENCRYPTION},
    {PKCS1(10), SIG_RSASSA_PSS},
    {PKCS1(11), SIG_SHA_256_WITH_RSA_ENCRYPTION},
    {PKCS1(12), SIG_SHA_384_WITH_RSA_ENCRYPTION},
    {PKCS1(13), SIG_SHA_512_WITH_RSA_ENCRYPTION},
    {PKCS1(14), SIG_SHA_224_WITH_RSA_ENCRYPTION},
    {NIST(14), SIG_SHA3_256_WITH_RSA_ENCRYPTION},
    {NIST(15), SIG_SHA3_384_WITH_RSA_ENCRYPTION},
    {NIST(16), SIG_SHA3_512_WITH_RSA_ENCRYPTION},
    {{0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3}, 7, SIG_DSA_WITH_SHA_1},
    {NIST(1), SIG_DSA_WITH_SHA224},
    {NIST(2), SIG_DSA_WITH_SHA256},
    {{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1}, 7, SIG_ECDSA_WITH_SHA_1},
    {X962(3, 1), SIG_ECDSA_WITH_SHA224},
    {X962(3, 2), SIG_ECDSA_WITH_SHA256},
    {X962(3, 3), SIG_ECDSA_WITH_SHA384},
    {X962(3, 4), SIG_ECDSA_WITH_SHA512},
};

static enum err read_signature(struct der *r, uint32_t *ret_signature)
{
    struct der algorithm;
    struct bytes oid;
    TRY(der_enter(r, DER_SEQUENCE, &algorithm));
    TRY(der_take(&algorithm, DER_OID, &oid));
    *ret_signature = 0;
    for (size_t i = 0; i < ARRAY_LEN(signatures); i++)
        if (bytes_equal(oid, bytes_of(signatures[i].oid, signatures[i].oid_len)))
            *ret_signature = signatures[i].signature;
    return ERR_OK;
}

static enum err read_constraints(struct der r, struct certs_info *info)
{
    struct der fields;
    TRY(der_enter(&r, DER_SEQUENCE, &fields));
    if (der_is(&fields, DER_BOOLEAN))
        TRY(der_bool(&fields, &info->is_ca));
    return ERR_OK;
}

static enum err read_authority_key_id(struct der r, struct certs_info *info)
{
    struct der fields;
    TRY(der_enter(&r, DER_SEQUENCE, &fields));
    if (der_is(&fields, DER_CONTEXT(0)))
        TRY(der_take(&fields, DER_CONTEXT(0), &info->authority_key_id));
    return ERR_OK;
}

static enum err read_extension(struct bytes oid, struct bytes value, struct certs_info *info)
{
    struct der inner = der_of(value);
    struct bytes skipped;
    if (bytes_equal(oid, BYTES(oid_subject_alt_name))) {
        info->alt_names = value;
        return der_take(&inner, DER_SEQUENCE, &skipped);
    }
    if (bytes_equal(oid, BYTES(oid_issuer_alt_name))) {
        info->issuer_alt_names = value;
        return der_take(&inner, DER_SEQUENCE, &skipped);
    }
    if (bytes_equal(oid, BYTES(oid_basic_constraints)))
        return read_constraints(inner, info);
    if (bytes_equal(oid, BYTES(oid_authority_key_id)))
        return read_authority_key_id(inner, info);
    if (bytes_equal(oid, BYTES(oid_subject_key_id)))
        return der_take(&inner, DER_OCTET_STRING, &info->key_id);
    return ERR_OK;
}

static enum err read_extensions(struct der *r, struct certs_info *info)
{
    struct der list;
    TRY(der_enter(r, DER_SEQUENCE, &list));
    for (size_t count = 0; der_left(&list); count++) {
        struct der one;
        struct bytes oid;
        struct bytes value;
        bool critical = false;
        if (count == EXTENSIONS_MAX)
            return ERR_LIMIT;
        TRY(der_enter(&list, DER_SEQUENCE, &one));
        TRY(der_take(&one, DER_OID, &oid));
        if (der_is(&one, DER_BOOLEAN))
            TRY(der_bool(&one, &critical));
        TRY(der_take(&one, DER_OCTET_STRING, &value));
        TRY(der_finish(&one));
        TRY(read_extension(oid, value, info));
    }
    return ERR_OK;
}

static enum err read_spki(struct der *r, struct certs_info *info)
{
    struct bytes bits;
    struct keyform_info key;
    TRY(der_any(r, NULL, NULL, &info->spki));
    TRY(x509_spki_bits(info->spki, &bits));
    /* A key that is not served is no reason to refuse its certificate. */
    if (keyform_public_info(info->spki, &key, NULL) == ERR_OK) {
        info->key_alg = key.alg;
        info->key_bits = key.bits;
    }
    return ERR_OK;
}

/* TBSCertificate (RFC 5280, 4.1). */
static enum err read_tbs(struct der *tbs, struct certs_info *info)
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
    TRY(der_take(tbs, DER_INTEGER, &info->serial));
    if (info->serial.len == 0)
        return ERR_SYNTAX;
    if (info->serial.len > SERIAL_MAX)
        return ERR_LIMIT;
    TRY(der_take(tbs, DER_SEQUENCE, &skipped));
    TRY(certs_read_name(tbs, &info->issuer));
    TRY(der_enter(tbs, DER_SEQUENCE, &inner));
    TRY(der_time(&inner, &info->not_before));
    TRY(der_time(&inner, &info->not_after));
    TRY(der_finish(&inner));
    TRY(certs_read_name(tbs, &info->subject));
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

static enum err read_cert(struct bytes der, struct certs_info *info)
{
    struct der outer = der_of(der);
    struct der cert;
    struct der tbs;
    struct bytes skipped;
    TRY(der_enter(&outer, DER_SEQUENCE, &cert));
    TRY(der_enter(&cert, DER_SEQUENCE, &tbs));
    TRY(read_tbs(&tbs, info));
    TRY(read_signature(&cert, &info->signature));
    TRY(der_bits(&cert, &skipped));
    TRY(der_finish(&cert));
    info->self_issued = bytes_equal(info->subject.der, info->issuer.der);
    return der_finish(&outer);
}

static enum err malformed(enum err err, const char *what, struct err_detail *detail)
{
    return err_set(detail, err == ERR_LIMIT ? err : ERR_KEY_FORM, "%s: %s", what, err_text(err));
}

enum err certs_parse(struct bytes der, struct certs_info *ret_info, struct err_detail *detail)
{
    if (der.len > X509_DER_MAX)
        return err_set(detail, ERR_LIMIT, "certificate is larger than %zu bytes", X509_DER_MAX);
    *ret_info = (struct certs_info){0};
    enum err err = read_cert(der, ret_info);
    return err == ERR_OK ? ERR_OK : malformed(err, "certificate", detail);
}

/* Attributes (RFC 2986, 4.1) with one extensionRequest (RFC 2985, 5.4.2) at most. */
static enum err read_attributes(struct der *r, struct certs_info *info)
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

static enum err read_request(struct bytes der, struct certs_info *info)
{
    struct der outer = der_of(der);
    struct der request;
    struct der body;
    struct bytes skipped;
    uint32_t version = 1;
    TRY(der_enter(&outer, DER_SEQUENCE, &request));
    TRY(der_enter(&request, DER_SEQUENCE, &body));
    TRY(der_small(&body, &version));
    if (version != 0)
        return ERR_UNSUPPORTED;
    TRY(certs_read_name(&body, &info->subject));
    TRY(read_spki(&body, info));
    if (der_left(&body))
        TRY(read_attributes(&body, info));
    TRY(der_finish(&body));
    TRY(read_signature(&request, &info->signature));
    TRY(der_bits(&request, &skipped));
    TRY(der_finish(&request));
    return der_finish(&outer);
}

enum err certs_parse_request(struct bytes der, struct certs_info *ret_info,
                             struct err_detail *detail)
{
    if (der.len > X509_DER_MAX)
        return err_set(detail, ERR_LIMIT, "request is larger than %zu bytes", X509_DER_MAX);
    struct keyform_info key;
    AUTO(buf_done) struct buf spki = {0};
    *ret_info = (struct certs_info){0};
    enum err err = read_request(der, ret_info);
    if (err != ERR_OK)
        return malformed(err, "certificate request", detail);
    /* The key it is verified with is one we know, and its numbers are in order. */
    TRY(keyform_public_in(FORMAT_X_509, 0, 0, ret_info->spki, &spki, &key, detail));
    const unsigned char *at = der.data;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.len);
    EVP_PKEY *pkey = request != NULL ? X509_REQ_get0_pubkey(request) : NULL;
    int good = pkey != NULL ? X509_REQ_verify(request, pkey) : 0;
    X509_REQ_free(request);
    return good == 1 ? ERR_OK
                     : evp_fail(detail, ERR_SIGNATURE, "request is not signed with the key in it");
}

enum err certs_unpem(struct bytes input, bool request, struct buf *der, struct err_detail *detail)
{
    static const char *const labels[] = {"CERTIFICATE", "CERTIFICATE REQUEST",
                                         "NEW CERTIFICATE REQUEST"};
    if (input.len > 2 * X509_DER_MAX)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes", 2 * X509_DER_MAX);
    struct der outer = der_of(input);
    struct bytes content;
    if (input.len != 0 && input.data[0] == DER_SEQUENCE) {
        enum err err = der_take(&outer, DER_SEQUENCE, &content);
        if (err == ERR_OK)
            err = der_finish(&outer);
        return err == ERR_OK ? buf_append(der, input) : malformed(err, "DER", detail);
    }
    for (size_t i = request ? 1 : 0; i < (request ? ARRAY_LEN(labels) : 1); i++) {
        struct bytes text = input;
        enum err err = pem_decode(labels[i], &text, der, detail);
        if (err == ERR_OK)
            return ERR_OK;
        if (err != ERR_NOT_FOUND)
            return malformed(err, "PEM", detail);
    }
    return err_set(detail, ERR_KEY_FORM, "neither DER nor PEM");
}

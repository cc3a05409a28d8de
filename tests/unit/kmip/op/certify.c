#include "base/clock.h"
#include "crypto/pkcs12.h"
#include "crypto/x509.h"
#include "keeper/client.h"
#include "keys.h"
#include "kmip/op/ca.h"

/* Certify, Re-certify and Validate, with an authority whose key is the keeper's. */

#define DAY INT64_C(86400)

struct office {
    struct world w;
    struct kmip_ca ca;
};

static enum err sign(void *arg, const uint8_t digest[32], struct buf *to, struct err_detail *detail)
{
    return keeper_sign_certificate(arg, "test", digest, "the authority itself", to, detail);
}

static void office_begin(struct office *o)
{
    *o = (struct office){0};
    world_begin(&o->w);
    AUTO(buf_done) struct buf spki = {0};
    struct err_detail detail = {0};
    assert_ok(keeper_public(o->w.site.keeper, KEEPER_KEY_CA, &spki, NULL, &detail));
    int64_t now = clock_now_s();
    const struct x509_request request = {.profile = X509_CA,
                                         .cn = "Test CA",
                                         .spki = buf_view(&spki),
                                         .not_before = now - DAY,
                                         .not_after = now + 3650 * DAY};
    const struct x509_signer signer = {sign, o->w.site.keeper};
    assert_ok(x509_issue(&request, &signer, &o->ca.certificate, &detail));
    o->w.config.ca = &o->ca;
}

static void office_end(struct office *o)
{
    buf_done(&o->ca.certificate);
    world_end(&o->w);
}

static const char *hex_of(struct office *o, struct bytes b)
{
    char *text = arena_take(o->w.kept, 2 * b.len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < b.len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", b.data[i]);
    return text;
}

/* A PKCS#10 request, and its key registered as a public key. */
static const char *make_request(struct office *o, const char *cn, const char **ret_key)
{
    AUTO(x509_key_freep) struct x509_key *key = NULL;
    AUTO(buf_done) struct buf csr = {0};
    struct err_detail detail = {0};
    const struct x509_names names = {.dns = {"disk.example"}, .dns_count = 1};
    assert_ok(x509_key_generate(&key, &detail));
    assert_ok(x509_csr_make(key, cn, &names, &csr, &detail));
    const char *spki = hex_of(o, x509_key_spki(key));
    *ret_key = keys_keep(
        &o->w,
        world_uid(
            &o->w,
            world_must(
                &o->w, "Register",
                world_text(ENUM("ObjectType", "PublicKey") "<Attributes>" MASK("Verify") ACTIVE
                           "</Attributes><PublicKey><KeyBlock>" ENUM(
                               "KeyFormatType",
                               "X_509") "<KeyValue><KeyMaterial type=\"ByteString\" value=\"%s\"/>"
                                        "</KeyValue>" ENUM("CryptographicAlgorithm", "EC") INT(
                                            "CryptographicLength", "256") "</KeyBlock></PublicKey>",
                           spki))));
    return hex_of(o, buf_view(&csr));
}

/* What Get gives as PKCS#12 opens with the password that the key names, and has key and
 * certificate. */
static void a_private_key_leaves_as_pkcs12(void **state)
{
    (void)state;
    struct office o;
    office_begin(&o);
    struct world *w = &o.w;
    const struct kmip_node *out = world_must(
        w, "CreateKeyPair",
        "<CommonAttributes>" ENUM(
            "CryptographicAlgorithm",
            "EC") "<CryptographicDomainParameters>" ENUM("RecommendedCurve",
                                                         "P_256") "</"
                                                                  "CryptographicDomainParameters"
                                                                  ">" ACTIVE "</"
                                                                  "CommonAttributes><"
                                                                  "PrivateKeyAttributes>" MASK(
                                                                      "Sign") "</"
                                                                              "PrivateKeyAttributes"
                                                                              ">"
                                                                              "<PublicKeyAttributes"
                                                                              ">" MASK(
                                                                                  "Verify") "</"
                                                                                            "Public"
                                                                                            "KeyAtt"
                                                                                            "ribute"
                                                                                            "s>");
    const struct bytes ids[] = {kmip_bytes(out, KMIP_TAG_PRIVATE_KEY_UNIQUE_IDENTIFIER),
                                kmip_bytes(out, KMIP_TAG_PUBLIC_KEY_UNIQUE_IDENTIFIER)};
    const char *private = arena_strndup(w->kept, ids[0].data, ids[0].len);
    const char *public = arena_strndup(w->kept, ids[1].data, ids[1].len);
    world_must(w, "Certify", UID(public));
#define GET_PKCS12 world_text("%s" ENUM("KeyFormatType", "PKCS_12"), UID(private))
#define LINK_PASSWORD(to)                                                                          \
    world_text(                                                                                    \
        "%s<NewAttribute><Link>" ENUM(                                                             \
            "LinkType", "PKCS_12PasswordLink") "<LinkedObjectIdentifier type=\"TextString\" "      \
                                               "value=\"%s\"/></Link></NewAttribute>",             \
        UID(private), to)
    world_refused(w, KMIP_REASON_BAD_PASSWORD, "Get", GET_PKCS12);
    const char *password = keys_secret(w, "70617373776f7264", MASK("Verify"));
    world_must(w, "AddAttribute", LINK_PASSWORD(password));
    /* not before the password is active */
    world_refused(w, KMIP_REASON_BAD_PASSWORD, "Get", GET_PKCS12);
    world_must(w, "Activate", UID(password));
    out = world_must(w, "Get", GET_PKCS12);
    const struct kmip_node *block =
        kmip_child(kmip_child(out, KMIP_TAG_PRIVATE_KEY), KMIP_TAG_KEY_BLOCK);
    assert_int_equal(kmip_enum(block, KMIP_TAG_KEY_FORMAT_TYPE, 0), KMIP_KEY_FORMAT_TYPE_PKCS_12);
    const struct bytes der =
        kmip_bytes(kmip_child(block, KMIP_TAG_KEY_VALUE), KMIP_TAG_KEY_MATERIAL);
    AUTO(pkcs12_content_done) struct pkcs12_content content = {0};
    assert_err(pkcs12_open(der, bytes_str("passwort"), &content, NULL), ERR_DENIED);
    assert_ok(pkcs12_open(der, bytes_str("password"), &content, NULL));
    assert_non_null(content.pkcs8);
    assert_true(content.cert.len > 100);
    /* a public key is not given so, nor where two passwords are named */
    world_refused(w, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED, "Get",
                  world_text("%s" ENUM("KeyFormatType", "PKCS_12"), UID(public)));
    const char *other = keys_secret(w, "6f74686572", MASK("Verify") ACTIVE);
    world_must(w, "AddAttribute", LINK_PASSWORD(other));
    world_refused(w, KMIP_REASON_BAD_PASSWORD, "Get", GET_PKCS12);
    office_end(&o);
}

static const char *request_xml(const char *type, const char *hex)
{
    return world_text("<CertificateRequestType type=\"Enumeration\" value=\"%s\"/>"
                      "<CertificateRequestValue type=\"ByteString\" value=\"%s\"/>",
                      type, hex);
}

/* The certificate of an object. */
static struct x509_info read_back(struct office *o, const char *uid)
{
    struct kmip_node *out = world_must(&o->w, "Get", UID(uid));
    struct bytes der =
        kmip_bytes(kmip_child(out, KMIP_TAG_CERTIFICATE), KMIP_TAG_CERTIFICATE_VALUE);
    struct x509_info info;
    assert_ok(x509_cert_parse(der, &info, NULL));
    return info;
}

static uint32_t validate(struct office *o, const char *payload)
{
    return kmip_enum(world_must(&o->w, "Validate", payload), KMIP_TAG_VALIDITY_INDICATOR, 0);
}

static void keys_are_certified(void **state)
{
    (void)state;
    struct office o;
    office_begin(&o);
    const char *key = NULL, *other = NULL;
    const char *csr = make_request(&o, "disk-7", &key);
    struct kmip_node *out =
        world_must(&o.w, "Certify", world_text("%s%s", UID(key), request_xml("PKCS_10", csr)));
    const char *cert = keys_keep(&o.w, world_uid(&o.w, out));
    struct x509_info info = read_back(&o, cert);
    assert_true(bytes_equal(info.cn, bytes_str("disk-7")));
    assert_int_equal(info.dns_count, 1);
    assert_true(bytes_equal(info.dns[0], bytes_str("disk.example")));
    assert_false(info.is_ca);
    assert_non_null(world_attribute(&o.w, key, "Link", KMIP_TAG_LINK));
    assert_non_null(world_attribute(&o.w, cert, "Digest", KMIP_TAG_DIGEST));
    assert_int_equal(validate(&o, UID(cert)), KMIP_VALIDITY_INDICATOR_VALID);
    assert_int_equal(validate(&o, world_text("%s<ValidityDate type=\"DateTime\" "
                                             "value=\"2001-01-01T00:00:00+00:00\"/>",
                                             UID(cert))),
                     KMIP_VALIDITY_INDICATOR_INVALID);
    /* by the key alone: its identifier is the name */
    out = world_must(&o.w, "Certify", UID(key));
    info = read_back(&o, world_uid(&o.w, out));
    assert_int_equal(info.cn.len, 36);
    /* another key's request, none at all, a form that is not served, one without its type */
    (void)make_request(&o, "disk-8", &other);
    world_refused(&o.w, KMIP_REASON_INVALID_CSR, "Certify",
                  world_text("%s%s", UID(other), request_xml("PKCS_10", csr)));
    world_refused(&o.w, KMIP_REASON_INVALID_CSR, "Certify", request_xml("PKCS_10", "3003020100"));
    world_refused(&o.w, KMIP_REASON_INVALID_CSR, "Certify", request_xml("PEM", "2d2d2d"));
    world_refused(&o.w, KMIP_REASON_FEATURE_NOT_SUPPORTED, "Certify", request_xml("CRMF", "00"));
    world_refused(&o.w, KMIP_REASON_INVALID_FIELD, "Certify",
                  ENUM("CertificateRequestType", "PKCS_10"));
    world_refused(&o.w, KMIP_REASON_INVALID_OBJECT_TYPE, "Certify", UID(cert));
    o.w.who = 1;
    world_refused(&o.w, KMIP_REASON_OBJECT_NOT_FOUND, "Certify", UID(key));
    o.w.who = 0;
    o.w.clients[0].may &= ~(uint32_t)VAULT_MAY_CERTIFY;
    world_refused(&o.w, KMIP_REASON_PERMISSION_DENIED, "Certify", UID(key));
    o.w.clients[0].may |= VAULT_MAY_CERTIFY;
    o.w.config.ca = NULL;
    world_refused(&o.w, KMIP_REASON_OPERATION_NOT_SUPPORTED, "Certify", UID(key));
    office_end(&o);
}

static void certificates_are_renewed(void **state)
{
    (void)state;
    struct office o;
    office_begin(&o);
    const char *key = NULL, *other = NULL;
    const char *csr = make_request(&o, "disk-7", &key);
    struct kmip_node *out = world_must(
        &o.w, "Certify",
        world_text("%s%s<Attributes><Name><NameValue type=\"TextString\" value=\"cert\"/>"
                   "<NameType type=\"Enumeration\" value=\"UninterpretedTextString\"/></Name>"
                   "</Attributes>",
                   UID(key), request_xml("PKCS_10", csr)));
    const char *old = keys_keep(&o.w, world_uid(&o.w, out));
    out = world_must(&o.w, "ReCertify", UID(old));
    const char *new = keys_keep(&o.w, world_uid(&o.w, out));
    assert_string_not_equal(old, new);
    struct x509_info info = read_back(&o, new);
    assert_true(bytes_equal(info.cn, bytes_str("disk-7")));
    /* the name moves on (KMIP 2.1, 6.1.45) */
    assert_non_null(world_attribute(&o.w, new, "Name", KMIP_TAG_NAME));
    assert_null(world_attribute(&o.w, old, "Name", KMIP_TAG_NAME));
    assert_non_null(world_attribute(&o.w, old, "Link", KMIP_TAG_LINK));
    const char *foreign = make_request(&o, "disk-8", &other);
    world_refused(&o.w, KMIP_REASON_INVALID_CSR, "ReCertify",
                  world_text("%s%s", UID(new), request_xml("PKCS_10", foreign)));
    world_refused(&o.w, KMIP_REASON_INVALID_OBJECT_TYPE, "ReCertify", UID(key));
    world_refused(&o.w, KMIP_REASON_INVALID_MESSAGE, "ReCertify",
                  world_text("%s<Offset type=\"Interval\" value=\"10\"/><Attributes>" ACTIVE
                             "</Attributes>",
                             UID(new)));
    office_end(&o);
}

static void chains_are_judged(void **state)
{
    (void)state;
    struct office o;
    office_begin(&o);
    const char *key = NULL;
    (void)make_request(&o, "disk-7", &key);
    struct kmip_node *out =
        world_must(&o.w, "Certify", world_text("%s<Attributes>" ACTIVE "</Attributes>", UID(key)));
    const char *cert = keys_keep(&o.w, world_uid(&o.w, out));
    const char *root = world_text(
        "<Certificate>" ENUM(
            "CertificateType",
            "X_509") "<CertificateValue type=\"ByteString\" value=\"%s\"/></Certificate>",
        hex_of(&o, buf_view(&o.ca.certificate)));
    root = keys_keep(&o.w, root);
    assert_int_equal(validate(&o, world_text("%s%s", root, UID(cert))),
                     KMIP_VALIDITY_INDICATOR_VALID);
    o.w.config.ca = NULL;
    assert_int_equal(validate(&o, UID(cert)), KMIP_VALIDITY_INDICATOR_UNKNOWN);
    /* one that is revoked spoils the chain */
    world_must(
        &o.w, "Revoke",
        world_text(
            "%s<RevocationReason>" ENUM(
                "RevocationReasonCode",
                "KeyCompromise") "</RevocationReason><CompromiseOccurrenceDate type=\"DateTime\" "
                                 "value=\"2020-01-01T00:00:00+00:00\"/>",
            UID(cert)));
    assert_int_equal(validate(&o, world_text("%s%s", root, UID(cert))),
                     KMIP_VALIDITY_INDICATOR_INVALID);
    world_refused(&o.w, KMIP_REASON_INVALID_FIELD, "Validate", "");
    world_refused(&o.w, KMIP_REASON_INVALID_OBJECT_TYPE, "Validate", UID(key));
    world_refused(&o.w, KMIP_REASON_INVALID_FIELD, "Validate",
                  "<Certificate>" ENUM("CertificateType", "X_509")
                      HEX("CertificateValue", "3000") "</Certificate>");
    office_end(&o);
}

TEST_MAIN(cmocka_unit_test(a_private_key_leaves_as_pkcs12), cmocka_unit_test(keys_are_certified),
          cmocka_unit_test(certificates_are_renewed), cmocka_unit_test(chains_are_judged))

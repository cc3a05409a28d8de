#include "kmip/op/cert_attrs.h"

#include "crypto/certs.h"
#include "kmip/codec/table.h"

static struct kmip_attr_ref ref(uint32_t tag)
{
    return (struct kmip_attr_ref){.tag = tag};
}

/* Values of a Name by kind, as 2.0 has them. */
static enum err add_name(struct kmip_call *call, struct kmip_attrs *attrs,
                         const struct certs_name *name, bool issuer)
{
    static const uint32_t tags[CERTS_RDN_KINDS][2] = {
        [CERTS_CN] = {KMIP_TAG_CERTIFICATE_SUBJECT_CN, KMIP_TAG_CERTIFICATE_ISSUER_CN},
        [CERTS_O] = {KMIP_TAG_CERTIFICATE_SUBJECT_O, KMIP_TAG_CERTIFICATE_ISSUER_O},
        [CERTS_OU] = {KMIP_TAG_CERTIFICATE_SUBJECT_OU, KMIP_TAG_CERTIFICATE_ISSUER_OU},
        [CERTS_EMAIL] = {KMIP_TAG_CERTIFICATE_SUBJECT_EMAIL, KMIP_TAG_CERTIFICATE_ISSUER_EMAIL},
        [CERTS_C] = {KMIP_TAG_CERTIFICATE_SUBJECT_C, KMIP_TAG_CERTIFICATE_ISSUER_C},
        [CERTS_ST] = {KMIP_TAG_CERTIFICATE_SUBJECT_ST, KMIP_TAG_CERTIFICATE_ISSUER_ST},
        [CERTS_L] = {KMIP_TAG_CERTIFICATE_SUBJECT_L, KMIP_TAG_CERTIFICATE_ISSUER_L},
        [CERTS_UID] = {KMIP_TAG_CERTIFICATE_SUBJECT_UID, KMIP_TAG_CERTIFICATE_ISSUER_UID},
        [CERTS_SERIAL_NUMBER] = {KMIP_TAG_CERTIFICATE_SUBJECT_SERIAL_NUMBER,
                                 KMIP_TAG_CERTIFICATE_ISSUER_SERIAL_NUMBER},
        [CERTS_TITLE] = {KMIP_TAG_CERTIFICATE_SUBJECT_TITLE, KMIP_TAG_CERTIFICATE_ISSUER_TITLE},
        [CERTS_DC] = {KMIP_TAG_CERTIFICATE_SUBJECT_DC, KMIP_TAG_CERTIFICATE_ISSUER_DC},
        [CERTS_DN_QUALIFIER] = {KMIP_TAG_CERTIFICATE_SUBJECT_DN_QUALIFIER,
                                KMIP_TAG_CERTIFICATE_ISSUER_DN_QUALIFIER},
    };
    struct kmip_build build = {.arena = kmip_arena(call)};
    for (unsigned kind = 0; kind < CERTS_RDN_KINDS; kind++)
        for (unsigned i = 0; i < name->counts[kind]; i++) {
            const uint32_t tag = tags[kind][issuer ? 1 : 0];
            struct kmip_node *text =
                kmip_put_bytes_copy(&build, NULL, tag, KMIP_TEXT_STRING, name->values[kind][i]);
            TRY(build.err);
            const struct kmip_attr_ref one = ref(tag);
            TRY(kmip_attr_add(attrs, &one, text));
        }
    return ERR_OK;
}

/* The structures of 1.1 on, whose names are DER. */
static enum err add_der(struct kmip_call *call, struct kmip_attrs *attrs,
                        const struct certs_info *info)
{
    struct kmip_build b = {.arena = kmip_arena(call)};
    struct kmip_node *id = kmip_put_struct(&b, NULL, KMIP_TAG_X_509_CERTIFICATE_IDENTIFIER);
    kmip_put_bytes_copy(&b, id, KMIP_TAG_ISSUER_DISTINGUISHED_NAME, KMIP_BYTE_STRING,
                        info->issuer.der);
    kmip_put_bytes_copy(&b, id, KMIP_TAG_CERTIFICATE_SERIAL_NUMBER, KMIP_BYTE_STRING, info->serial);
    struct kmip_node *subject = kmip_put_struct(&b, NULL, KMIP_TAG_X_509_CERTIFICATE_SUBJECT);
    kmip_put_bytes_copy(&b, subject, KMIP_TAG_SUBJECT_DISTINGUISHED_NAME, KMIP_BYTE_STRING,
                        info->subject.der);
    if (info->alt_names.len > 0)
        kmip_put_bytes_copy(&b, subject, KMIP_TAG_SUBJECT_ALTERNATIVE_NAME, KMIP_BYTE_STRING,
                            info->alt_names);
    struct kmip_node *issuer = kmip_put_struct(&b, NULL, KMIP_TAG_X_509_CERTIFICATE_ISSUER);
    kmip_put_bytes_copy(&b, issuer, KMIP_TAG_ISSUER_DISTINGUISHED_NAME, KMIP_BYTE_STRING,
                        info->issuer.der);
    if (info->issuer_alt_names.len > 0)
        kmip_put_bytes_copy(&b, issuer, KMIP_TAG_ISSUER_ALTERNATIVE_NAME, KMIP_BYTE_STRING,
                            info->issuer_alt_names);
    TRY(b.err);
    TRY(kmip_attr_set(attrs, KMIP_TAG_X_509_CERTIFICATE_IDENTIFIER, id));
    TRY(kmip_attr_set(attrs, KMIP_TAG_X_509_CERTIFICATE_SUBJECT, subject));
    return kmip_attr_set(attrs, KMIP_TAG_X_509_CERTIFICATE_ISSUER, issuer);
}

struct alt_ctx {
    struct kmip_build *build;
    struct kmip_node *to;
    uint32_t tag;
};

static enum err put_alt(void *arg, struct bytes text)
{
    const struct alt_ctx *c = arg;
    kmip_put_bytes_copy(c->build, c->to, c->tag, KMIP_TEXT_STRING, text);
    return c->build->err;
}

static const char *hex_of(struct kmip_call *call, struct bytes value)
{
    char *text = arena_take(kmip_arena(call), value.len * 2 + 1);
    for (size_t i = 0; text != NULL && i < value.len; i++) {
        text[2 * i] = "0123456789ABCDEF"[value.data[i] >> 4];
        text[2 * i + 1] = "0123456789ABCDEF"[value.data[i] & 15];
    }
    return text != NULL ? text : "";
}

static enum err put_dn(struct kmip_call *call, struct kmip_build *b, struct kmip_node *to,
                       uint32_t tag, struct bytes name)
{
    AUTO(buf_done) struct buf text = {0};
    TRY(certs_name_text(name, &text, &call->detail));
    kmip_put_bytes_copy(b, to, tag, KMIP_TEXT_STRING, buf_view(&text));
    return b->err;
}

/* The structures of 1.0, whose names are text. */
static enum err add_text(struct kmip_call *call, struct kmip_attrs *attrs,
                         const struct certs_info *info)
{
    struct kmip_build b = {.arena = kmip_arena(call)};
    struct kmip_node *id = kmip_put_struct(&b, NULL, KMIP_TAG_CERTIFICATE_IDENTIFIER);
    TRY(put_dn(call, &b, id, KMIP_TAG_ISSUER, info->issuer.der));
    kmip_put_text(&b, id, KMIP_TAG_SERIAL_NUMBER, hex_of(call, info->serial));
    struct kmip_node *subject = kmip_put_struct(&b, NULL, KMIP_TAG_CERTIFICATE_SUBJECT);
    TRY(put_dn(call, &b, subject, KMIP_TAG_CERTIFICATE_SUBJECT_DISTINGUISHED_NAME,
               info->subject.der));
    struct alt_ctx alt = {&b, subject, KMIP_TAG_CERTIFICATE_SUBJECT_ALTERNATIVE_NAME};
    if (info->alt_names.len > 0)
        TRY(certs_alt_names(info->alt_names, put_alt, &alt));
    struct kmip_node *issuer = kmip_put_struct(&b, NULL, KMIP_TAG_CERTIFICATE_ISSUER);
    TRY(put_dn(call, &b, issuer, KMIP_TAG_CERTIFICATE_ISSUER_DISTINGUISHED_NAME, info->issuer.der));
    alt = (struct alt_ctx){&b, issuer, KMIP_TAG_CERTIFICATE_ISSUER_ALTERNATIVE_NAME};
    if (info->issuer_alt_names.len > 0)
        TRY(certs_alt_names(info->issuer_alt_names, put_alt, &alt));
    TRY(b.err);
    TRY(kmip_attr_set(attrs, KMIP_TAG_CERTIFICATE_IDENTIFIER, id));
    TRY(kmip_attr_set(attrs, KMIP_TAG_CERTIFICATE_SUBJECT, subject));
    return kmip_attr_set(attrs, KMIP_TAG_CERTIFICATE_ISSUER, issuer);
}

enum err kmip_certificate_attrs(struct kmip_call *call, struct bytes der, bool request,
                                struct kmip_attrs *attrs)
{
    struct certs_info *info = arena_take(kmip_arena(call), sizeof(*info));
    if (info == NULL)
        return ERR_NO_MEMORY;
    const enum err err = request ? certs_parse_request(der, info, &call->detail)
                                 : certs_parse(der, info, &call->detail);
    if (err != ERR_OK)
        return kmip_fail(call, request ? KMIP_REASON_INVALID_CSR : KMIP_REASON_INVALID_FIELD,
                         "the value is no %s", request ? "certificate request" : "certificate");
    if (info->key_alg != 0)
        TRY(kmip_attr_set_num(attrs, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, KMIP_ENUMERATION,
                              info->key_alg));
    if (info->key_bits != 0)
        TRY(kmip_attr_set_num(attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, KMIP_INTEGER, info->key_bits));
    TRY(add_name(call, attrs, &info->subject, false));
    if (request)
        return ERR_OK;
    TRY(kmip_attr_set_num(attrs, KMIP_TAG_CERTIFICATE_LENGTH, KMIP_INTEGER, (int64_t)der.len));
    if (info->signature != 0)
        TRY(kmip_attr_set_num(attrs, KMIP_TAG_DIGITAL_SIGNATURE_ALGORITHM, KMIP_ENUMERATION,
                              info->signature));
    TRY(add_name(call, attrs, &info->issuer, true));
    TRY(add_der(call, attrs, info));
    return add_text(call, attrs, info);
}

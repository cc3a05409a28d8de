#include "kmip/op/issue.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "keeper/client.h"
#include "kmip/op/ca.h"
#include "kmip/op/cert_attrs.h"
#include "kmip/server/config.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

static enum err take_pkcs10(struct kmip_issue *issue, struct bytes der)
{
    struct kmip_call *call = issue->call;
    issue->info = arena_take(kmip_arena(call), sizeof(*issue->info));
    if (issue->info == NULL)
        return ERR_NO_MEMORY;
    struct err_detail detail = {0};
    if (certs_parse_request(der, issue->info, &detail) != ERR_OK) {
        enum err err = kmip_fail(call, KMIP_REASON_INVALID_CSR,
                                 "not a PKCS#10 request with a signature that holds");
        call->detail = detail;
        return err;
    }
    issue->request = der;
    issue->spki = issue->info->spki;
    issue->subject = issue->info->subject.der;
    issue->alt_names = issue->info->alt_names;
    return ERR_OK;
}

enum err kmip_issue_request(struct kmip_issue *issue, struct bytes der, uint32_t type)
{
    struct kmip_call *call = issue->call;
    switch (type) {
    case KMIP_CERTIFICATE_REQUEST_TYPE_PKCS_10: return take_pkcs10(issue, der);
    case KMIP_CERTIFICATE_REQUEST_TYPE_PEM: break;
    case KMIP_CERTIFICATE_REQUEST_TYPE_CRMF:
    case KMIP_CERTIFICATE_REQUEST_TYPE_PGP:
        return kmip_fail(call, KMIP_REASON_FEATURE_NOT_SUPPORTED,
                         "only PKCS#10 requests are served");
    default: return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no such Certificate Request Type");
    }
    AUTO(buf_done) struct buf unpacked = {0};
    if (certs_unpem(der, true, &unpacked, &call->detail) != ERR_OK)
        return kmip_fail(call, KMIP_REASON_INVALID_CSR, "not a PEM certificate request");
    const char *copy = arena_strndup(kmip_arena(call), unpacked.data, unpacked.len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    return take_pkcs10(issue, bytes_of(copy, unpacked.len));
}

enum err kmip_issue_read(struct kmip_issue *issue)
{
    struct kmip_call *call = issue->call;
    /* Certificate Request is bytes in 1.x, and Certificate Request Value in 2.x. */
    struct bytes der = kmip_bytes(call->in, KMIP_TAG_CERTIFICATE_REQUEST);
    if (der.data == NULL)
        der = kmip_bytes(call->in, KMIP_TAG_CERTIFICATE_REQUEST_VALUE);
    uint32_t type = kmip_enum(call->in, KMIP_TAG_CERTIFICATE_REQUEST_TYPE, 0);
    if ((der.data != NULL) != (type != 0))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "Certificate Request and its type go together");
    return der.data != NULL ? kmip_issue_request(issue, der, type) : ERR_OK;
}

/* ---- signing ---- */

static enum err sign_by_ca(void *arg, const uint8_t digest[32], struct buf *to,
                           struct err_detail *detail)
{
    const struct kmip_issue *issue = arg;
    const struct kmip_request *request = issue->call->request;
    char what[320];
    (void)snprintf(what, sizeof(what), "certificate for KMIP client %s, key %s",
                   request->client->name, issue->key.uid[0] != '\0' ? issue->key.uid : "given");
    return keeper_sign_certificate(request->env->keeper, request->client->name, digest, what, to,
                                   detail);
}

static enum err check_times(struct kmip_issue *issue, struct bytes ca)
{
    struct x509_info issuer;
    TRY(x509_cert_parse(ca, &issuer, &issue->call->detail));
    if (issue->not_after > issuer.not_after)
        issue->not_after = issuer.not_after;
    if (issue->not_before >= issue->not_after)
        return kmip_fail(issue->call, KMIP_REASON_INVALID_FIELD,
                         "the certificate would end before it begins");
    return ERR_OK;
}

static enum err describe(struct kmip_issue *issue, struct kmip_new *new, struct bytes der)
{
    uint8_t digest[HASH_SHA256_SIZE];
    new->object.value = der;
    new->format = FORMAT_X_509;
    TRY(hash_sha256(&der, 1, digest));
    TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_CERTIFICATE_TYPE, KMIP_ENUMERATION,
                          KMIP_CERTIFICATE_TYPE_X_509));
    TRY(kmip_certificate_attrs(issue->call, der, false, &new->attrs));
    TRY(kmip_new_digest(new, FORMAT_X_509, digest));
    if (issue->key.uid[0] != '\0')
        TRY(kmip_attr_add_link(&new->attrs, KMIP_LINK_TYPE_PUBLIC_KEY_LINK, issue->key.uid));
    return ERR_OK;
}

enum err kmip_issue_sign(struct kmip_issue *issue, struct kmip_new *new)
{
    struct kmip_call *call = issue->call;
    const struct kmip_ca *ca = call->request->env->config->ca;
    AUTO(buf_done) struct buf der = {0};
    TRY(check_times(issue, buf_view(&ca->certificate)));
    /* A server's certificate: this authority also vouches for machines that log in with theirs, and
     * whoever may certify shall not make one of those. */
    const struct x509_request request = {.profile = X509_SERVER,
                                         .cn = issue->name != NULL ? issue->name : "KMIP",
                                         .subject = issue->subject,
                                         .alt_names = issue->alt_names,
                                         .spki = issue->spki,
                                         .not_before = issue->not_before,
                                         .not_after = issue->not_after,
                                         .issuer_cert = buf_view(&ca->certificate)};
    const struct x509_signer signer = {sign_by_ca, issue};
    struct err_detail detail = {0};
    enum err err = x509_issue(&request, &signer, &der, &detail);
    if (err == ERR_ARGUMENT || err == ERR_SYNTAX || err == ERR_UNSUPPORTED) {
        err = kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no certificate can be made of this");
        call->detail = detail;
        return err;
    }
    if (err != ERR_OK) {
        call->detail = detail;
        return err;
    }
    const char *copy = arena_strndup(kmip_arena(call), der.data, der.len);
    return copy != NULL ? describe(issue, new, bytes_of(copy, der.len)) : ERR_NO_MEMORY;
}

#include "api/certify.h"

#include <stdio.h>

#include "audit_kinds.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/pem.h"

#define DAY      INT64_C(86400)
#define CERT_MAX ((size_t)64 * 1024)

void api_certified_done(struct api_certified *certified)
{
    buf_done(&certified->pem);
    buf_done(&certified->ca_pem);
}

struct ca_ctx {
    const struct api_call *call;
    const char *who;
};

static enum err sign_by_ca(void *arg, const uint8_t digest[32], struct buf *to,
                           struct err_detail *detail)
{
    const struct ca_ctx *ca = arg;
    char what[320];
    (void)snprintf(what, sizeof what, "certificate of %.280s", ca->who);
    return keeper_sign_certificate(ca->call->fleet.keeper, ca->call->fleet.actor.name, digest, what,
                                   to, detail);
}

static enum err read_pem(const char *label, struct bytes pem, struct buf *der,
                         struct err_detail *detail)
{
    enum err err = pem_decode(label, &pem, der, detail);
    return err == ERR_NOT_FOUND ? err_set(detail, ERR_SYNTAX, "a PEM %s is wanted", label) : err;
}

static enum err note_certificate(struct api_call *call, const char *who,
                                 const uint8_t fingerprint[32], struct err_detail *detail)
{
    char hex[65], text[384];
    hex_encode(bytes_of(fingerprint, 32), hex);
    (void)snprintf(text, sizeof text, "%.300s, SHA-256 %s", who, hex);
    const struct keeper_note note = {.kind = AUDIT_CERTIFICATE_ISSUED, .text = text};
    return keeper_note_event(call->fleet.keeper, call->fleet.actor.name, &note, detail);
}

enum err api_certify(struct api_call *call, const struct api_certify *wanted,
                     struct api_certified *ret_certified, struct err_detail *detail)
{
    AUTO(buf_done) struct buf csr = {0};
    AUTO(buf_done) struct buf ca = {0};
    AUTO(buf_done) struct buf der = {0};
    AUTO(api_certified_done) struct api_certified made = {0};
    struct x509_info info;
    TRY(read_pem("CERTIFICATE REQUEST", bytes_str(wanted->request_pem), &csr, detail));
    TRY(x509_csr_parse(buf_view(&csr), &info, detail));
    TRY(file_read(api_daemon(call->api)->ca_file, CERT_MAX, &made.ca_pem, detail));
    TRY(read_pem("CERTIFICATE", buf_view(&made.ca_pem), &ca, detail));
    int64_t now = clock_now_s();
    made.not_after = now + wanted->days * DAY;
    struct x509_request request = {.profile = wanted->profile,
                                   .cn = wanted->cn,
                                   .spki = info.spki,
                                   .not_before = now - DAY,
                                   .not_after = made.not_after,
                                   .issuer_cert = buf_view(&ca)};
    if (wanted->dns != NULL)
        request.names.dns[request.names.dns_count++] = wanted->dns;
    struct ca_ctx ctx = {.call = call, .who = wanted->who};
    const struct x509_signer signer = {sign_by_ca, &ctx};
    TRY(x509_issue(&request, &signer, &der, detail));
    TRY(pem_encode("CERTIFICATE", buf_view(&der), &made.pem));
    struct bytes view = buf_view(&der);
    TRY(hash_sha256(&view, 1, made.fingerprint));
    TRY(note_certificate(call, wanted->who, made.fingerprint, detail));
    *ret_certified = made;
    memset(&made, 0, sizeof made);
    return ERR_OK;
}

enum err api_fingerprint(const char *pem, uint8_t ret_fingerprint[32], int64_t *ret_not_after,
                         struct err_detail *detail)
{
    AUTO(buf_done) struct buf der = {0};
    struct x509_info info;
    TRY(read_pem("CERTIFICATE", bytes_str(pem), &der, detail));
    TRY(x509_cert_parse(buf_view(&der), &info, detail));
    struct bytes view = buf_view(&der);
    TRY(hash_sha256(&view, 1, ret_fingerprint));
    *ret_not_after = info.not_after;
    return ERR_OK;
}

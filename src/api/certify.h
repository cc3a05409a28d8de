#pragma once

#include "api/call.h"
#include "crypto/x509.h"

/* The built-in authority signs a certificate for whoever the record names; shared by gateways and
 * clients. */

#define API_DAYS_DEFAULT 825u
#define API_DAYS_MAX     3650u

struct api_certify {
    const char *who; /* for the audit chain: "gateway gw1.example" */
    const char *request_pem;
    enum x509_profile profile;
    const char *cn;
    const char *dns; /* NULL: no DNS name */
    unsigned days;   /* from now */
};
/* Embedded; zero-initialise, api_certified_done at the end. */
struct api_certified {
    struct buf pem, ca_pem;
    uint8_t fingerprint[32]; /* SHA-256 of the DER */
    int64_t not_after;       /* seconds since 1970 */
};
void api_certified_done(struct api_certified *certified);
/* The name comes from the record, not from the request, of which only the key is taken. Noted in
 * the audit chain. */
MUST_CHECK enum err api_certify(struct api_call *call, const struct api_certify *wanted,
                                struct api_certified *ret_certified, struct err_detail *detail);
/* SHA-256 of the certificate in a PEM text, and until when it holds: ERR_SYNTAX where there is
 * none. */
MUST_CHECK enum err api_fingerprint(const char *pem, uint8_t ret_fingerprint[32],
                                    int64_t *ret_not_after, struct err_detail *detail);

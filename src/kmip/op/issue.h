#pragma once

#include "crypto/certs.h"
#include "kmip/op/make.h"

/* What Certify and Re-certify have in common. Inside this folder only. */

struct kmip_issue {
    struct kmip_call *call;
    struct bytes request;    /* PKCS#10, DER; empty: none */
    struct certs_info *info; /* of it; NULL: none */
    struct vault_object key; /* the public key, where one is registered; `uid` "" otherwise */
    struct bytes spki, subject, alt_names; /* of the certificate to be */
    const char *name;                      /* instead of `subject` */
    int64_t not_before, not_after;
};

/* The payload's Certificate Request, or that of the object it names: PKCS#10 as DER or PEM, its own
 * signature verified. Invalid CSR; Feature Not Supported for CRMF and PGP. */
MUST_CHECK enum err kmip_issue_request(struct kmip_issue *issue, struct bytes der, uint32_t type);
MUST_CHECK enum err kmip_issue_read(struct kmip_issue *issue);
/* Have it signed and make it the value and the attributes of `new`. */
MUST_CHECK enum err kmip_issue_sign(struct kmip_issue *issue, struct kmip_new *new);

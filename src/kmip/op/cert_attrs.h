#pragma once

#include "kmip/attr/attr.h"
#include "kmip/op/op.h"

/* What a certificate says of itself, as attributes: identifier, subject and issuer in the ways of
 * 1.0, 1.1 and 2.0, length, type, signature algorithm, algorithm and length of its key (KMIP 1.4,
 * 3.8 to 3.16; 2.1, 4.6 to 4.8). Only PKCS#10 requests and X.509 have them. Invalid Field where
 * `der` is none. */
MUST_CHECK enum err kmip_certificate_attrs(struct kmip_call *call, struct bytes der, bool request,
                                           struct kmip_attrs *attrs);

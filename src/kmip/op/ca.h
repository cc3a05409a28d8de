#pragma once

#include "base/buf.h"

/* What Certify and Re-certify sign with: the built-in certification authority, whose key is the
 * keeper's. kmip_config.ca points to one. */

#define KMIP_CERTIFY_DAYS 365 /* of a certificate whose request has no Deactivation Date */

struct kmip_ca {
    struct buf certificate; /* DER */
};

/* From a PEM file. ERR_CONFIG, with the file's name in `detail`. */
MUST_CHECK enum err kmip_ca_load(const char *path, struct kmip_ca **ret_ca,
                                 struct err_detail *detail);
void kmip_ca_free(struct kmip_ca *ca); /* NULL is allowed */

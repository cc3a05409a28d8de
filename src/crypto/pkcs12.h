#pragma once

#include "base/buf.h"
#include "base/secret.h"

/* Keys under a password: PKCS#12 (RFC 7292) and encrypted PKCS#8 (RFC 5958). Any thread. */

#define PKCS12_DER_MAX   ((size_t)64 * 1024)
#define PKCS12_CERTS_MAX 16
#define PKCS12_ITERATIONS                                                                          \
    100000u /* of what we make; what comes in may have up to ten times more                        \
             */

/* Views into `all`. */
struct pkcs12_content {
    struct secret *pkcs8;                  /* NULL where there is none */
    struct bytes cert;                     /* the key's certificate, DER; may be empty */
    struct bytes others[PKCS12_CERTS_MAX]; /* DER */
    size_t others_count;
    struct buf all;
};
void pkcs12_content_done(struct pkcs12_content *content);

/* ERR_DENIED: a wrong password; ERR_KEY_FORM: no PKCS#12; ERR_UNSUPPORTED: a cipher of the past
 * (RC2, RC4) that OpenSSL's default provider lacks; ERR_LIMIT. The private key is as
 * keyform_private_in gives it. */
MUST_CHECK enum err pkcs12_open(struct bytes der, struct bytes password,
                                struct pkcs12_content *ret_content, struct err_detail *detail);
/* AES-256-CBC with PBKDF2, SHA-256 for the MAC. `cert` and `name` may be empty, `others` NULL.
 * Appends DER. ERR_MISMATCH where key and certificate are no pair. */
MUST_CHECK enum err pkcs12_make(struct bytes pkcs8, struct bytes cert, const struct bytes *others,
                                size_t others_count, const char *name, struct bytes password,
                                struct buf *to, struct err_detail *detail);
/* EncryptedPrivateKeyInfo. Errors as above. */
MUST_CHECK enum err pkcs8_open(struct bytes der, struct bytes password, struct secret **ret_pkcs8,
                               struct err_detail *detail);

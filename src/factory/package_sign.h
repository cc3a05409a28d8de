#pragma once

#include "base/buf.h"
#include "base/secret.h"

/* Signatures of packages: ECDSA on P-256 (DER, RFC 3279, 2.2.3) or RSASSA-PKCS1-v1_5 of 2048
 * to 4096 bits, both with SHA-256, over the bytes of package.xml. Any thread. */

#define PACKAGE_SIGNATURE_MAX 1024
#define PACKAGE_PEM_MAX       ((size_t)16 * 1024)
#define PACKAGE_RSA_BITS_MAX  4096

/* A packager's public key ("PUBLIC KEY"); appends its SubjectPublicKeyInfo. ERR_KEY_FORM,
 * ERR_UNSUPPORTED where it is a key that can't sign packages, ERR_LIMIT. */
MUST_CHECK enum err package_public_key(struct bytes pem, struct buf *spki,
                                       struct err_detail *detail);
/* The same of a key in DER. */
MUST_CHECK enum err package_public_key_check(struct bytes spki, struct err_detail *detail);
/* A new P-256 key. Appends the public half as PEM. */
MUST_CHECK enum err package_key_make(struct secret **ret_pem, struct buf *public_pem,
                                     struct err_detail *detail);

/* A private key, PKCS#8 or traditional, unencrypted; one thread at a time. */
struct package_signer;
MUST_CHECK enum err package_signer_open(struct bytes pem, struct package_signer **ret_signer,
                                        struct err_detail *detail);
void package_signer_free(struct package_signer *signer); /* wipes; NULL is allowed */
void package_signer_freep(struct package_signer **signer);
struct bytes package_signer_spki(const struct package_signer *signer); /* borrowed */
/* Appends. */
MUST_CHECK enum err package_sign(const struct package_signer *signer, struct bytes text,
                                 struct buf *to, struct err_detail *detail);

/* ERR_SIGNATURE where it does not hold. */
MUST_CHECK enum err package_signature_check(struct bytes spki, struct bytes text,
                                            struct bytes signature, struct err_detail *detail);

#pragma once

#include "base/secret.h"
#include "crypto/evp.h"
#include "crypto/use.h"

/* Inside this folder only. */
void pkey_freep(EVP_PKEY **pkey);
/* PrivateKeyInfo (RFC 5208) in DER. */
MUST_CHECK enum err pkey_pkcs8(const EVP_PKEY *pkey, struct secret **ret_der);
/* PKCS#8 or the traditional forms. ERR_DENIED where a passphrase is wanted or wrong. */
MUST_CHECK enum err pkey_from_pem(struct bytes pem, struct bytes passphrase, EVP_PKEY **ret_pkey,
                                  struct err_detail *detail);
/* What crypto_use and its neighbours are given: PKCS#8 or SubjectPublicKeyInfo, by class.
 * ERR_KEY_FORM. */
MUST_CHECK enum err pkey_open(const struct crypto_key *key, EVP_PKEY **ret_pkey,
                              struct err_detail *detail);
void pkey_ctx_freep(EVP_PKEY_CTX **ctx);

#pragma once

#include "base/secret.h"

#define KDF_OUT_MAX 4096 /* bytes from one kdf_derive */

/* SP 800-108r1, 4.1, counter mode with AES-CMAC under one key of 16 or 32 bytes:
 * K(i) = CMAC(key, [i]32 || label || 0x00 || context || [L]32), L in bits. The same as
 * `openssl kdf -keylen N -kdfopt mac:CMAC -kdfopt cipher:AES-128-CBC -kdfopt hexkey:KEY
 * -kdfopt hexsalt:LABEL -kdfopt hexinfo:CONTEXT KBKDF`. One thread at a time. */
struct kdf;

MUST_CHECK enum err kdf_new(struct bytes key, struct kdf **ret_kdf);
void kdf_free(struct kdf *kdf); /* wipes; NULL is allowed */
void kdf_freep(struct kdf **kdf);
/* ERR_LIMIT where `len` is 0 or above KDF_OUT_MAX. On failure `to` is wiped. */
MUST_CHECK enum err kdf_derive(struct kdf *kdf, struct bytes label, struct bytes context,
                               uint8_t *to, size_t len);

/* HKDF with SHA-256 (RFC 5869), extract and expand. An empty salt is 32 zero bytes. At most
 * 255 * 32 bytes. Any thread. */
MUST_CHECK enum err kdf_hkdf_sha256(struct bytes key, struct bytes salt, struct bytes info,
                                    uint8_t *to, size_t len);

#pragma once

#include "base/buf.h"
#include "hsm/object.h"

/* A domain key (or any secret of at most HSM_WRAP_MAX bytes) under a key that never leaves the
 * token.
 *
 * blob = u8 method | what the method makes of (u8 length | secret | zeros up to a multiple of 8, 16
 * at least). A blob is opened by the method that made it, whatever the token prefers by then: 0x11
 * AES key wrap with padding, CKM_AES_KEY_WRAP_KWP 0x22  the token's own CKM_AES_KEY_WRAP_PAD 0x33
 * AES key wrap, CKM_AES_KEY_WRAP (RFC 3394) 0x44  CKM_AES_CBC_PAD: 16 bytes IV | ciphertext | 16
 * bytes AES-CMAC over all before it. The MAC key is what the root makes of two constant blocks
 * (AES-CBC, IV zero); it is derived when needed and wiped 0x55  CKM_AES_GCM: 12 bytes nonce |
 * ciphertext | 16 bytes tag; the method is the AAD 0x66  RSAES-OAEP (SHA-1) to the root where that
 * is an RSA key | its PKCS #1 v1.5 signature with SHA-256 over HSM_WRAP_CONTEXT and all before it:
 * OAEP alone would open what anybody made No two methods differ in one bit only, and every method
 * refuses an altered blob. */

#define HSM_WRAP_MAX     ((size_t)64)
#define HSM_WRAP_CONTEXT "claviger wrapped key v1"
#define HSM_BLOB_MAX     ((size_t)1 + 512 + 512)

/* Appends to `blob`. ERR_LIMIT for more than HSM_WRAP_MAX bytes or none, ERR_TOKEN_UNABLE where the
 * token has no method. */
MUST_CHECK enum err hsm_wrap(struct hsm *hsm, struct hsm_key *root, struct bytes secret,
                             struct buf *blob, struct err_detail *detail);
/* ERR_SEAL for what wasn't made by hsm_wrap with this root, bit by bit. */
MUST_CHECK enum err hsm_unwrap(struct hsm *hsm, struct hsm_key *root, struct bytes blob,
                               struct secret **ret_secret, struct err_detail *detail);
/* The method that hsm_wrap takes now for this kind of root: "kwp", "pad", "3394", "cbc-pad", "gcm",
 * "oaep"; NULL where there is none. */
const char *hsm_wrap_method(struct hsm *hsm, enum hsm_class root);

#pragma once

#include "base/secret.h"
#include "crypto/use.h"

/* Deriving a key (KMIP 1.4, 4.6; 2.1, 6.1.14). */

#define DERIVE_MAX            ((size_t)32 * 1024) /* bytes of a derived key */
#define DERIVE_ITERATIONS_MAX 10000000u

/* Borrowed. Which fields a method reads:
 *   PBKDF2          key (password), salt, iterations, params.hash (0: SHA-1)
 *   HASH            data, or the key where there is no data; params.hash; not longer than the
 * digest HMAC            key, data, params.hash; a longer key by SP 800-108's feedback without
 * counter is not defined: not longer than the digest ENCRYPT         key, data, params, iv: the
 * ciphertext is the key, at least as long NIST800-108-*   key, data = the fixed input (label, 0x00,
 * context, length as the client wants them), params.hash: HMAC of it, or params.mode CMAC:
 * AES-CMAC; iv for feedback Asymmetric Key  key (private), peer; EC, X25519, X448, DH: the shared
 * secret's leading bytes HKDF            key, salt, data = info, params.hash AWS Signature 4 key
 * (the secret access key without "AWS4"), data "date/region/service"
 */
struct derive_input {
    uint32_t method; /* enum crypto_derivation */
    struct crypto_key key;
    struct crypto_params params;
    struct bytes iv, data, salt;
    uint32_t iterations;
    struct bytes peer; /* SubjectPublicKeyInfo */
};
/* `len` bytes. ERR_UNSUPPORTED, ERR_ARGUMENT, ERR_LIMIT (more than the method gives), ERR_KEY_FORM.
 * Any thread; PBKDF2 with many iterations takes seconds. */
MUST_CHECK enum err derive_key(const struct derive_input *input, size_t len,
                               struct secret **ret_key, struct err_detail *detail);

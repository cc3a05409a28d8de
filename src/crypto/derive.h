#pragma once

#include "base/secret.h"
#include "crypto/use.h"

/* Deriving a key (KMIP 1.4, 4.6; 2.1, 6.1.14). */

#define DERIVE_MAX            ((size_t)32 * 1024) /* bytes of a derived key */
#define DERIVE_ITERATIONS_MAX 10000000u

/* Borrowed. Which fields a method reads:
 *   PBKDF2          key (password), salt, iterations, params.hash (0: SHA-1)
 *   HASH            data, or the key where there is none; params.hash (0: SHA-256)
 *   HMAC            key, data; the hash of an HMAC key, else params.hash (0: SHA-256)
 *   ENCRYPT         key, data, params, iv: the ciphertext's leading bytes are the key
 *   NIST800-108-*   key, data = label, 0x00, context; what the PRF gets besides is a counter of 32
 *                   bits and the length in 32 bits (SP 800-108, 4). PRF: AES-CMAC where params.mode
 *                   says CMAC, or the key is AES and no hash is given; else HMAC as above. iv: the
 *                   feedback's first value
 *   Asymmetric Key  key (private), peer; EC, X25519, X448, DH: the shared secret's leading bytes
 *   HKDF            key, salt, data = info, params.hash (0: SHA-256)
 *   AWS Signature 4 key (the secret access key without "AWS4"), data "date/region/service"
 * HASH, HMAC and AWS give at most one digest.
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

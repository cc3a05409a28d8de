#pragma once

#include "crypto/use.h"
#include "hsm/hsm.h"

/* Clients' keys that live and work in the token: found by CKA_ID, handles kept and found again by
 * themselves. Any thread; every call blocks for as long as the token takes. Errors besides those
 * named: ERR_TOKEN_UNABLE (the token has no such mechanism, or none we can ask for), ERR_TOKEN,
 * ERR_TOKEN_GONE, ERR_BUSY, ERR_NOT_FOUND (no such object in the token). */

#define HSM_MANAGED_ID    16
#define HSM_MANAGED_LABEL "claviger object"
#define HSM_MANAGED_MAX   ((size_t)16 * 1024)   /* bytes of material */
#define HSM_USE_MAX       ((size_t)1024 * 1024) /* bytes in one use */

struct hsm_managed {
    uint8_t id[HSM_MANAGED_ID];
    enum crypto_class class; /* SYMMETRIC, SECRET, PRIVATE */
    uint32_t alg, bits, curve;
    uint64_t exponent; /* RSA; 0: 65537 */
    bool extractable;  /* may be wrapped out of the token */
};

/* How keys come out of the token: wrapped under a key that is known here, too. `key` empty: one is
 * drawn for each release and put into the session. Else it is the operator's, and the token has it
 * as the object with this label or handle. Borrowed, and not kept. */
struct hsm_kek {
    struct bytes key;  /* AES: 16, 24 or 32 bytes */
    const char *label; /* NULL: by handle */
    unsigned long handle;
};

/* A new key; of a PRIVATE its public half is appended to `spki`, too. */
MUST_CHECK enum err hsm_managed_generate(struct hsm *hsm, const struct hsm_managed *object,
                                         struct buf *spki, struct err_detail *detail);
/* Material from outside: raw, or PKCS#8. */
MUST_CHECK enum err hsm_managed_store(struct hsm *hsm, const struct hsm_managed *object,
                                      struct bytes material, struct err_detail *detail);
/* As crypto_use, with at most HSM_USE_MAX bytes. */
MUST_CHECK enum err hsm_managed_use(struct hsm *hsm, const struct hsm_managed *object,
                                    const struct crypto_input *input, struct crypto_output *output,
                                    struct err_detail *detail);
/* The material in clear: wrapped by the token, unwrapped here. Private keys as PKCS#8. */
MUST_CHECK enum err hsm_managed_release(struct hsm *hsm, const struct hsm_kek *kek,
                                        const struct hsm_managed *object,
                                        struct secret **ret_material, struct err_detail *detail);
/* Whether `kek`, which has a key, opens what the token wraps with it: tried with a key of one
 * session. ERR_NOT_FOUND, ERR_CONFLICT: no such label, or two; ERR_TOKEN_UNABLE: another key. */
MUST_CHECK enum err hsm_kek_check(struct hsm *hsm, const struct hsm_kek *kek,
                                  struct err_detail *detail);
/* SHA-256 of a secret key by C_DigestKey. */
MUST_CHECK enum err hsm_managed_digest(struct hsm *hsm, const struct hsm_managed *object,
                                       uint8_t ret_digest[32], struct err_detail *detail);
/* With its public half. ERR_OK where there is nothing any more. */
MUST_CHECK enum err hsm_managed_destroy(struct hsm *hsm, const struct hsm_managed *object,
                                        struct err_detail *detail);

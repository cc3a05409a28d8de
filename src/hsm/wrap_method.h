#pragma once

#include "hsm/session.h"

/* The methods behind AES blobs, inside one operation; for this folder only. */

#define PLAIN_MAX ((size_t)72) /* a length byte, the secret, zeros */
#define BODY_MAX  ((size_t)16 + PLAIN_MAX + 16 + 16)

struct wrap_method {
    uint8_t code;
    enum hsm_row row;
    CK_MECHANISM_TYPE mechanism;
    const char *name;
};

/* In order of preference. */
extern const struct wrap_method wrap_methods[];
extern const unsigned wrap_method_count;
#define WRAP_OAEP 0x66

const struct wrap_method *wrap_method_of(uint8_t code); /* NULL */

/* Put `plain` (a multiple of 8 bytes) under `root`; writes the body to `to`. */
MUST_CHECK CK_RV wrap_seal(struct hsm_call *call, const struct wrap_method *method,
                           enum hsm_form form, CK_OBJECT_HANDLE root, struct bytes plain,
                           struct writer *to);
/* The plain bytes into `plain` of PLAIN_MAX, which the caller wipes. CKR_OUR_NOT_SEALED for what is
 * found wrong here; the token has its own words. */
MUST_CHECK CK_RV wrap_open(struct hsm_call *call, const struct wrap_method *method,
                           enum hsm_form form, CK_OBJECT_HANDLE root, struct bytes body,
                           uint8_t *plain, size_t *ret_len);

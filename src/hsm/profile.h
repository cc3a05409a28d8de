#pragma once

#include "hsm/hsm.h"

/* What the token really does, found by doing each thing once with session objects when it was
 * attached. Mechanism lists admit less and promise more than that. */

enum hsm_row {
    HSM_ROW_RANDOM,
    HSM_ROW_AES_KEYGEN,
    HSM_ROW_WRAP_KWP,     /* CKM_AES_KEY_WRAP_KWP, RFC 5649 */
    HSM_ROW_WRAP_PAD,     /* CKM_AES_KEY_WRAP_PAD */
    HSM_ROW_WRAP_3394,    /* CKM_AES_KEY_WRAP, RFC 3394 */
    HSM_ROW_WRAP_CBC_PAD, /* CKM_AES_CBC_PAD; its MAC is ours */
    HSM_ROW_WRAP_GCM,     /* C_Encrypt with CKM_AES_GCM */
    HSM_ROW_AES_CMAC,
    HSM_ROW_RSA_KEYGEN_2048,
    HSM_ROW_RSA_KEYGEN_3072,
    HSM_ROW_RSA_SIGN,        /* CKM_RSA_PKCS over a DigestInfo */
    HSM_ROW_RSA_SIGN_SHA256, /* CKM_SHA256_RSA_PKCS */
    HSM_ROW_OAEP_SHA1,
    HSM_ROW_OAEP_SHA256,
    HSM_ROW_RSA_IMPORT_CREATE, /* C_CreateObject */
    HSM_ROW_RSA_IMPORT_UNWRAP, /* C_UnwrapKey of a PKCS#8 */
    HSM_ROW_ECDSA,             /* P-256 */
    HSM_ROW_COUNT
};

enum hsm_form {
    HSM_FORM_NONE,
    HSM_FORM_KEY,  /* C_WrapKey and C_UnwrapKey of a session object */
    HSM_FORM_DATA, /* C_Encrypt and C_Decrypt with the same mechanism */
};

struct hsm_profile {
    struct {
        bool probed;
        bool can;
        enum hsm_form form; /* wrap rows only */
        unsigned long ckr;  /* why not; CKR_OK where it answered wrongly or isn't trustworthy */
    } rows[HSM_ROW_COUNT];
};

void hsm_profile_get(struct hsm *hsm, struct hsm_profile *ret_profile);
/* "aes-keygen", "wrap-kwp"...; stands in `claviger status --token`. */
const char *hsm_row_name(enum hsm_row row);
/* For a person: "wrap a key: AES key wrap with padding (RFC 5649)". */
const char *hsm_row_text(enum hsm_row row);

#include "hsm/profile.h"

#include "hsm/session.h"

static const struct {
    const char *name;
    const char *text;
} rows[HSM_ROW_COUNT] = {
    [HSM_ROW_RANDOM] = {"random", "random bytes"},
    [HSM_ROW_AES_KEYGEN] = {"aes-keygen", "generate an AES-256 key that never leaves"},
    [HSM_ROW_WRAP_KWP] = {"wrap-kwp", "wrap a key: AES key wrap with padding (RFC 5649)"},
    [HSM_ROW_WRAP_PAD] = {"wrap-pad", "wrap a key: CKM_AES_KEY_WRAP_PAD"},
    [HSM_ROW_WRAP_3394] = {"wrap-3394", "wrap a key: AES key wrap (RFC 3394)"},
    [HSM_ROW_WRAP_CBC_PAD] = {"wrap-cbc-pad", "wrap a key: AES-CBC with padding and our own MAC"},
    [HSM_ROW_WRAP_GCM] = {"wrap-gcm", "wrap a key: encrypt it with AES-GCM"},
    [HSM_ROW_AES_CMAC] = {"aes-cmac", "AES-CMAC"},
    [HSM_ROW_RSA_KEYGEN_2048] = {"rsa-keygen-2048", "generate an RSA key of 2048 bits"},
    [HSM_ROW_RSA_KEYGEN_3072] = {"rsa-keygen-3072", "generate an RSA key of 3072 bits"},
    [HSM_ROW_RSA_SIGN] = {"rsa-sign", "RSA signature, PKCS#1 v1.5, over a digest"},
    [HSM_ROW_RSA_SIGN_SHA256] = {"rsa-sign-sha256", "RSA signature, PKCS#1 v1.5, over a message"},
    [HSM_ROW_OAEP_SHA1] = {"rsa-oaep-sha1", "RSA-OAEP decryption with SHA-1"},
    [HSM_ROW_OAEP_SHA256] = {"rsa-oaep-sha256", "RSA-OAEP decryption with SHA-256"},
    [HSM_ROW_RSA_IMPORT_CREATE] = {"rsa-import-create", "import an RSA key by C_CreateObject"},
    [HSM_ROW_RSA_IMPORT_UNWRAP] = {"rsa-import-unwrap", "import an RSA key by C_UnwrapKey"},
    [HSM_ROW_ECDSA] = {"ecdsa", "ECDSA signature with P-256"},
};

const char *hsm_row_name(enum hsm_row row)
{
    return (unsigned)row < HSM_ROW_COUNT ? rows[row].name : "unknown";
}

const char *hsm_row_text(enum hsm_row row)
{
    return (unsigned)row < HSM_ROW_COUNT ? rows[row].text : "unknown";
}

void hsm_profile_get(struct hsm *hsm, struct hsm_profile *ret_profile)
{
    *ret_profile = hsm->profile;
}

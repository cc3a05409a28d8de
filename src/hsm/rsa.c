#include "hsm/rsa.h"

#include "hsm/key.h"
#include "hsm/rsa_op.h"

CK_RV rsa_op_sign(struct hsm_call *call, CK_OBJECT_HANDLE key, const uint8_t digest[32],
                  uint8_t *signature, size_t cap, size_t *ret_len)
{
    /* RFC 8017, 9.2, note 1: DigestInfo of SHA-256 */
    static const uint8_t prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    uint8_t info[sizeof prefix + 32];
    memcpy(info, prefix, sizeof prefix);
    memcpy(info + sizeof prefix, digest, 32);
    CK_ULONG len = cap;
    CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};
    CK_RV rv = call->f->C_SignInit(call->session, &mechanism, key);
    if (rv == CKR_OK)
        rv = call->f->C_Sign(call->session, info, sizeof info, signature, &len);
    if (rv == CKR_OK && len > cap)
        rv = CKR_OUR_BAD_ANSWER;
    if (rv == CKR_OK)
        *ret_len = len;
    return rv;
}

CK_RV rsa_op_decrypt(struct hsm_call *call, CK_OBJECT_HANDLE key, enum oaep_hash hash,
                     struct bytes sealed, uint8_t *plain, size_t cap, size_t *ret_len)
{
    CK_RSA_PKCS_OAEP_PARAMS params = {
        .hashAlg = hash == OAEP_SHA1 ? CKM_SHA_1 : CKM_SHA256,
        .mgf = hash == OAEP_SHA1 ? CKG_MGF1_SHA1 : CKG_MGF1_SHA256,
        .source = CKZ_DATA_SPECIFIED,
    };
    CK_ULONG len = cap;
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &params, sizeof params};
    CK_RV rv = call->f->C_DecryptInit(call->session, &mechanism, key);
    /* what SoftHSM2 says to SHA-256 */
    if (rv == CKR_ARGUMENTS_BAD)
        rv = CKR_MECHANISM_PARAM_INVALID;
    if (rv == CKR_OK)
        rv = call->f->C_Decrypt(call->session, (uint8_t *)(uintptr_t)sealed.data, sealed.len, plain,
                                &len);
    if (rv == CKR_OK && len > cap)
        rv = CKR_OUR_BAD_ANSWER;
    if (rv == CKR_OK)
        *ret_len = len;
    return rv;
}

struct sign {
    const uint8_t *digest;
    uint8_t *signature;
    size_t len;
};

static CK_RV sign_op(struct hsm_call *call, void *ctx)
{
    struct sign *sign = ctx;
    return rsa_op_sign(call, call->key, sign->digest, sign->signature, HSM_SIGNATURE_MAX,
                       &sign->len);
}

enum err hsm_rsa_sign(struct hsm *hsm, struct hsm_key *key, const uint8_t digest[32],
                      uint8_t *signature, size_t *ret_len, struct err_detail *detail)
{
    if (key->info.class != HSM_RSA)
        return err_set(detail, ERR_ARGUMENT, "%s: not an RSA key", key->info.label);
    struct sign sign = {.digest = digest, .signature = signature};
    TRY(hsm_run(hsm, key, sign_op, &sign, "C_Sign", detail));
    *ret_len = sign.len;
    return ERR_OK;
}

struct open {
    enum oaep_hash hash;
    struct bytes sealed;
    struct secret *plain;
    size_t len;
};

static CK_RV open_op(struct hsm_call *call, void *ctx)
{
    struct open *open = ctx;
    return rsa_op_decrypt(call, call->key, open->hash, open->sealed, secret_data(open->plain),
                          secret_len(open->plain), &open->len);
}

enum err hsm_rsa_oaep_decrypt(struct hsm *hsm, struct hsm_key *key, enum oaep_hash hash,
                              struct bytes ciphertext, struct secret **ret_secret,
                              struct err_detail *detail)
{
    enum hsm_row row = hash == OAEP_SHA1 ? HSM_ROW_OAEP_SHA1 : HSM_ROW_OAEP_SHA256;
    bool can = hsm->profile.rows[row].can;
    if (key->info.class != HSM_RSA)
        return err_set(detail, ERR_ARGUMENT, "%s: not an RSA key", key->info.label);
    if (hsm->profile.rows[row].probed && !can)
        return err_set(detail, ERR_TOKEN_UNABLE, "%s", hsm_row_text(row));
    if (ciphertext.len != key->modulus.len)
        return err_set(detail, ERR_DECRYPT, "%zu bytes for a key of %zu", ciphertext.len,
                       key->modulus.len);
    AUTO(secret_freep) struct secret *plain = NULL;
    TRY(secret_new(key->modulus.len, &plain));
    struct open open = {.hash = hash, .sealed = ciphertext, .plain = plain};
    enum err err = hsm_run(hsm, key, open_op, &open, "C_Decrypt", detail);
    if (err == ERR_TOKEN || (err == ERR_TOKEN_UNABLE && can))
        err = ERR_DECRYPT;
    if (err != ERR_OK) {
        if (detail != NULL)
            detail->code = err;
        return err;
    }
    secret_shrink(plain, open.len);
    *ret_secret = TAKE(plain);
    return ERR_OK;
}

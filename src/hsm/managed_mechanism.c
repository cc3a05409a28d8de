#include "crypto/hash_alg.h"
#include "crypto/random.h"
#include "hsm/managed_op.h"

#ifndef CKM_EDDSA
#define CKM_EDDSA 0x1057UL /* PKCS #11 v3.0 */
#endif

static enum err unable(struct err_detail *detail, const char *what)
{
    return err_set(detail, ERR_TOKEN_UNABLE, "%s is not for keys in the token", what);
}

/* ---- ciphers ---- */

static size_t block_of(uint32_t alg)
{
    return alg == ALG_AES ? 16 : 8;
}

static const struct {
    uint32_t alg, mode;
    CK_MECHANISM_TYPE plain, padded; /* padded 0: not by the token */
} ciphers[] = {
    {ALG_AES, MODE_CBC, CKM_AES_CBC, CKM_AES_CBC_PAD},
    {ALG_AES, MODE_ECB, CKM_AES_ECB, 0},
    {ALG_AES, MODE_CTR, CKM_AES_CTR, 0},
    {ALG_AES, MODE_GCM, CKM_AES_GCM, 0},
    {ALG_AES, MODE_CFB, CKM_AES_CFB128, 0},
    {ALG_AES, MODE_OFB, CKM_AES_OFB, 0},
    {ALG_DES3, MODE_CBC, CKM_DES3_CBC, CKM_DES3_CBC_PAD},
    {ALG_DES3, MODE_ECB, CKM_DES3_ECB, 0},
};

static enum err set_iv(const struct hsm_managed *object, const struct crypto_input *input,
                       uint32_t mode, struct managed_mechanism *to, struct err_detail *detail)
{
    const struct crypto_params *params = &input->params;
    size_t usual = mode == MODE_ECB ? 0 : mode == MODE_GCM ? 12 : block_of(object->alg);
    if (usual == 0)
        return input->iv.len == 0 ? ERR_OK : err_set(detail, ERR_ARGUMENT, "ECB has no IV");
    if (input->iv.len != 0) {
        if (mode == MODE_GCM ? input->iv.len > CRYPTO_IV_MAX : input->iv.len != usual)
            return err_set(detail, ERR_ARGUMENT, "an IV of %zu bytes", input->iv.len);
        to->iv_len = input->iv.len;
        memcpy(to->iv, input->iv.data, input->iv.len);
        return ERR_OK;
    }
    if (!params->random_iv || input->op != CRYPTO_ENCRYPT)
        return err_set(detail, ERR_ARGUMENT, "an IV is wanted");
    to->iv_len = mode == MODE_GCM && params->iv_len > 0 ? (size_t)params->iv_len : usual;
    if (to->iv_len > CRYPTO_IV_MAX)
        return err_set(detail, ERR_LIMIT, "an IV of %zu bytes", to->iv_len);
    return random_bytes(to->iv, to->iv_len);
}

static enum err set_cipher_param(const struct crypto_input *input, struct managed_mechanism *to,
                                 struct err_detail *detail)
{
    const struct crypto_params *params = &input->params;
    to->m.pParameter = to->iv_len != 0 ? to->iv : NULL;
    to->m.ulParameterLen = to->iv_len;
    if (to->m.mechanism == CKM_AES_CTR) {
        to->u.ctr.ulCounterBits = params->counter_len > 0 ? (CK_ULONG)params->counter_len : 128;
        memcpy(to->u.ctr.cb, to->iv, sizeof to->u.ctr.cb);
        to->m.pParameter = &to->u.ctr;
        to->m.ulParameterLen = sizeof to->u.ctr;
    } else if (to->m.mechanism == CKM_AES_GCM) {
        to->tag_len = params->tag_len > 0 ? (size_t)params->tag_len : 16;
        if (to->tag_len < 12 || to->tag_len > 16)
            return err_set(detail, ERR_ARGUMENT, "a tag of %zu bytes", to->tag_len);
        to->u.gcm = (CK_GCM_PARAMS){.pIv = to->iv,
                                    .ulIvLen = to->iv_len,
                                    .ulIvBits = to->iv_len * 8,
                                    .pAAD = (uint8_t *)(uintptr_t)input->aad.data,
                                    .ulAADLen = input->aad.len,
                                    .ulTagBits = to->tag_len * 8};
        to->m.pParameter = &to->u.gcm;
        to->m.ulParameterLen = sizeof to->u.gcm;
    }
    return ERR_OK;
}

static enum err pick_cipher(const struct hsm_managed *object, const struct crypto_input *input,
                            struct managed_mechanism *to, struct err_detail *detail)
{
    const struct crypto_params *params = &input->params;
    uint32_t mode = params->mode != 0 ? params->mode : MODE_CBC;
    bool pad = params->padding != 0 && params->padding != PADDING_NONE;
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
        if (ciphers[i].alg != object->alg || ciphers[i].mode != mode)
            continue;
        if (pad && params->padding != PADDING_PKCS5)
            return unable(detail, "this padding method");
        if (pad && ciphers[i].padded == 0 && mode != MODE_ECB)
            return unable(detail, "padding in this mode");
        to->m.mechanism = pad && ciphers[i].padded != 0 ? ciphers[i].padded : ciphers[i].plain;
        to->block = block_of(object->alg);
        to->padding = pad && ciphers[i].padded == 0 ? PADDING_PKCS5 : 0;
        if (mode != MODE_GCM && input->aad.len != 0)
            return err_set(detail, ERR_ARGUMENT, "additional data want an AEAD mode");
        TRY(set_iv(object, input, mode, to, detail));
        return set_cipher_param(input, to, detail);
    }
    return unable(detail, "this cipher");
}

/* ---- RSA, signatures, MACs ---- */

static const struct {
    uint32_t hash;
    CK_MECHANISM_TYPE digest, hmac;
    CK_ULONG mgf;
} hashes[] = {
    {HASH_SHA_1, CKM_SHA_1, CKM_SHA_1_HMAC, CKG_MGF1_SHA1},
    {HASH_SHA_224, CKM_SHA224, CKM_SHA224_HMAC, CKG_MGF1_SHA224},
    {HASH_SHA_256, CKM_SHA256, CKM_SHA256_HMAC, CKG_MGF1_SHA256},
    {HASH_SHA_384, CKM_SHA384, CKM_SHA384_HMAC, CKG_MGF1_SHA384},
    {HASH_SHA_512, CKM_SHA512, CKM_SHA512_HMAC, CKG_MGF1_SHA512},
};

static int hash_row(uint32_t hash)
{
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
        if (hashes[i].hash == hash)
            return (int)i;
    return -1;
}

static enum err pick_rsa_decrypt(const struct crypto_input *input, struct managed_mechanism *to,
                                 struct err_detail *detail)
{
    const struct crypto_params *params = &input->params;
    if (input->op != CRYPTO_DECRYPT)
        return err_set(detail, ERR_ARGUMENT, "a private key decrypts, it does not encrypt");
    if (params->padding == PADDING_NONE) {
        to->m.mechanism = CKM_RSA_X_509;
        return ERR_OK;
    }
    if (params->padding == 0 || params->padding == PADDING_PKCS1_V1_5) {
        to->m.mechanism = CKM_RSA_PKCS;
        return ERR_OK;
    }
    int hash = hash_row(params->hash != 0 ? params->hash : HASH_SHA_1);
    int mask = hash_row(params->mask_hash != 0 ? params->mask_hash : HASH_SHA_1);
    if (params->padding != PADDING_OAEP || hash < 0 || mask < 0)
        return unable(detail, "this padding method");
    to->u.oaep = (CK_RSA_PKCS_OAEP_PARAMS){
        .hashAlg = hashes[hash].digest,
        .mgf = hashes[mask].mgf,
        .source = CKZ_DATA_SPECIFIED,
        .pSourceData = (void *)(uintptr_t)params->p_source.data,
        .ulSourceDataLen = params->p_source.len,
    };
    to->m = (CK_MECHANISM){CKM_RSA_PKCS_OAEP, &to->u.oaep, sizeof to->u.oaep};
    return ERR_OK;
}

static enum err pick_signature(const struct hsm_managed *object, const struct crypto_input *input,
                               struct managed_mechanism *to, struct err_detail *detail)
{
    const struct crypto_key key = {.class = CRYPTO_PRIVATE, .alg = object->alg};
    TRY(signature_scheme(&key, &input->params, &to->scheme, detail));
    struct signature_scheme *scheme = &to->scheme;
    if (scheme->kind == SIGNATURE_ECDSA && scheme->hash == 0)
        scheme->hash = signature_usual_hash(object->bits);
    int hash = hash_row(scheme->hash);
    int mask = hash_row(scheme->mask_hash != 0 ? scheme->mask_hash : scheme->hash);
    switch (scheme->kind) {
    case SIGNATURE_PKCS1:
        to->m.mechanism = CKM_RSA_PKCS;
        return hash >= 0 ? ERR_OK : unable(detail, "this hash");
    case SIGNATURE_ECDSA: to->m.mechanism = CKM_ECDSA; return ERR_OK;
    case SIGNATURE_EDDSA: to->m.mechanism = CKM_EDDSA; return ERR_OK;
    case SIGNATURE_PSS:
        if (hash < 0 || mask < 0)
            return unable(detail, "this hash");
        to->u.pss = (CK_RSA_PKCS_PSS_PARAMS){
            .hashAlg = hashes[hash].digest,
            .mgf = hashes[mask].mgf,
            .sLen =
                scheme->salt_len >= 0 ? (CK_ULONG)scheme->salt_len : hash_alg_size(scheme->hash),
        };
        to->m = (CK_MECHANISM){CKM_RSA_PKCS_PSS, &to->u.pss, sizeof to->u.pss};
        return ERR_OK;
    default: return unable(detail, "this signature algorithm");
    }
}

static uint32_t hmac_hash(uint32_t alg)
{
    static const uint32_t of[] = {HASH_SHA_1, HASH_SHA_224, HASH_SHA_256, HASH_SHA_384,
                                  HASH_SHA_512};
    return alg >= ALG_HMAC_SHA1 && alg <= ALG_HMAC_SHA512 ? of[alg - ALG_HMAC_SHA1] : 0;
}

static enum err pick_mac(const struct hsm_managed *object, const struct crypto_input *input,
                         struct managed_mechanism *to, struct err_detail *detail)
{
    bool block = object->alg == ALG_AES || object->alg == ALG_DES3;
    if (block && (input->params.mode == 0 || input->params.mode == MODE_CMAC) &&
        input->params.hash == 0) {
        if (object->alg != ALG_AES)
            return unable(detail, "this MAC");
        to->m.mechanism = CKM_AES_CMAC;
        return ERR_OK;
    }
    uint32_t own = hmac_hash(object->alg);
    int hash = hash_row(own != 0 ? own : input->params.hash);
    if (block || hash < 0)
        return unable(detail, "this MAC");
    to->m.mechanism = hashes[hash].hmac;
    return ERR_OK;
}

enum err managed_mechanism(const struct hsm_managed *object, const struct crypto_input *input,
                           struct managed_mechanism *ret_mechanism, struct err_detail *detail)
{
    *ret_mechanism = (struct managed_mechanism){.m = {0}};
    bool pair = object->class == CRYPTO_PRIVATE;
    switch (input->op) {
    case CRYPTO_ENCRYPT:
    case CRYPTO_DECRYPT:
        if (!pair)
            return pick_cipher(object, input, ret_mechanism, detail);
        if (object->alg != ALG_RSA)
            return err_set(detail, ERR_UNSUPPORTED, "of keys of a pair, only RSA encrypts");
        return pick_rsa_decrypt(input, ret_mechanism, detail);
    case CRYPTO_SIGN:
        if (!pair)
            return err_set(detail, ERR_ARGUMENT, "a signature wants a key of a pair");
        return pick_signature(object, input, ret_mechanism, detail);
    case CRYPTO_MAC:
    case CRYPTO_MAC_VERIFY:
        if (pair)
            return err_set(detail, ERR_ARGUMENT, "a MAC wants a secret key");
        return pick_mac(object, input, ret_mechanism, detail);
    default: return unable(detail, "this");
    }
}

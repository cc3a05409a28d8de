#include "hsm/wrap_method.h"

#include "crypto/cmac.h"
#include "crypto/random.h"
#include "hsm/key.h"

#ifndef CKM_AES_KEY_WRAP_KWP
#define CKM_AES_KEY_WRAP_KWP 0x210bUL /* PKCS #11 v3.0 */
#endif

#define IV_SIZE    16
#define NONCE_SIZE 12
#define TAG_SIZE   16

const struct wrap_method wrap_methods[] = {
    {0x11, HSM_ROW_WRAP_KWP, CKM_AES_KEY_WRAP_KWP, "kwp"},
    {0x22, HSM_ROW_WRAP_PAD, CKM_AES_KEY_WRAP_PAD, "pad"},
    {0x33, HSM_ROW_WRAP_3394, CKM_AES_KEY_WRAP, "3394"},
    {0x44, HSM_ROW_WRAP_CBC_PAD, CKM_AES_CBC_PAD, "cbc-pad"},
    {0x55, HSM_ROW_WRAP_GCM, CKM_AES_GCM, "gcm"},
};
const unsigned wrap_method_count = ARRAY_LEN(wrap_methods);

const struct wrap_method *wrap_method_of(uint8_t code)
{
    for (unsigned i = 0; i < wrap_method_count; i++)
        if (wrap_methods[i].code == code)
            return &wrap_methods[i];
    return NULL;
}

static uint8_t *in(struct bytes view)
{
    /* The standard's pointers are not const though a token only reads them. */
    return (uint8_t *)(uintptr_t)view.data;
}

static void template_carrier(struct template *t)
{
    template_ulong(t, CKA_CLASS, &template_secret_key);
    template_ulong(t, CKA_KEY_TYPE, &template_generic);
    template_bool(t, CKA_TOKEN, false);
    template_bool(t, CKA_PRIVATE, true);
    template_bool(t, CKA_SENSITIVE, false);
    template_bool(t, CKA_EXTRACTABLE, true);
}

static CK_RV encrypt(struct hsm_call *call, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE root,
                     struct bytes plain, uint8_t *to, CK_ULONG *len)
{
    CK_RV rv = call->f->C_EncryptInit(call->session, mechanism, root);
    return rv != CKR_OK ? rv : call->f->C_Encrypt(call->session, in(plain), plain.len, to, len);
}

static CK_RV decrypt(struct hsm_call *call, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE root,
                     struct bytes sealed, uint8_t *to, CK_ULONG *len)
{
    CK_RV rv = call->f->C_DecryptInit(call->session, mechanism, root);
    return rv != CKR_OK ? rv : call->f->C_Decrypt(call->session, in(sealed), sealed.len, to, len);
}

static CK_RV wrap_key(struct hsm_call *call, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE root,
                      struct bytes plain, uint8_t *to, CK_ULONG *len)
{
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE carrier = CK_INVALID_HANDLE;
    template_carrier(&t);
    template_bytes(&t, CKA_VALUE, plain);
    CK_RV rv = call->f->C_CreateObject(call->session, t.at, t.count, &carrier);
    if (rv != CKR_OK)
        return rv;
    rv = call->f->C_WrapKey(call->session, mechanism, root, carrier, to, len);
    object_destroy(call, carrier);
    return rv;
}

static CK_RV unwrap_key(struct hsm_call *call, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE root,
                        struct bytes sealed, uint8_t *to, CK_ULONG *len)
{
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE carrier = CK_INVALID_HANDLE;
    size_t got = 0;
    template_carrier(&t);
    CK_RV rv = call->f->C_UnwrapKey(call->session, mechanism, root, in(sealed), sealed.len, t.at,
                                    t.count, &carrier);
    if (rv != CKR_OK)
        return rv;
    rv = object_bytes(call, carrier, CKA_VALUE, to, *len, &got);
    object_destroy(call, carrier);
    *len = got;
    return rv;
}

/* AES-CMAC under a key that only the root can make: two blocks that no record ever has. */
static CK_RV outer_mac(struct hsm_call *call, CK_OBJECT_HANDLE root, uint8_t code,
                       struct bytes sealed, uint8_t mac[CMAC_SIZE])
{
    static const char blocks[] = "claviger mac k 0claviger mac k 1";
    uint8_t iv[IV_SIZE] = {0};
    AUTO(secret_block32_wipe) struct secret_block32 key = {{0}};
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    CK_ULONG len = sizeof key.data;
    CK_MECHANISM mechanism = {CKM_AES_CBC, iv, sizeof iv};
    CK_RV rv = encrypt(call, &mechanism, root, bytes_of(blocks, 32), key.data, &len);
    if (rv != CKR_OK)
        return rv;
    if (len != sizeof key.data)
        return CKR_OUR_BAD_ANSWER;
    const struct bytes parts[] = {bytes_of(&code, 1), sealed};
    if (cmac_new(BYTES(key.data), &cmac) != ERR_OK ||
        cmac_parts(cmac, parts, ARRAY_LEN(parts), mac) != ERR_OK)
        return CKR_OUR_CRYPTO_FAIL;
    return CKR_OK;
}

static size_t iv_size(const struct wrap_method *method)
{
    switch (method->mechanism) {
    case CKM_AES_CBC_PAD: return IV_SIZE;
    case CKM_AES_GCM: return NONCE_SIZE;
    default: return 0;
    }
}

struct mechanism {
    CK_MECHANISM m;
    CK_GCM_PARAMS gcm;
    uint8_t aad;
    uint8_t iv[IV_SIZE];
};

static void prepare(const struct wrap_method *method, struct mechanism *to)
{
    to->m = (CK_MECHANISM){method->mechanism, NULL, 0};
    if (method->mechanism == CKM_AES_CBC_PAD) {
        to->m.pParameter = to->iv;
        to->m.ulParameterLen = IV_SIZE;
    } else if (method->mechanism == CKM_AES_GCM) {
        to->aad = method->code;
        to->gcm = (CK_GCM_PARAMS){.pIv = to->iv,
                                  .ulIvLen = NONCE_SIZE,
                                  .ulIvBits = NONCE_SIZE * 8,
                                  .pAAD = &to->aad,
                                  .ulAADLen = 1,
                                  .ulTagBits = TAG_SIZE * 8};
        to->m.pParameter = &to->gcm;
        to->m.ulParameterLen = sizeof to->gcm;
    }
}

CK_RV wrap_seal(struct hsm_call *call, const struct wrap_method *method, enum hsm_form form,
                CK_OBJECT_HANDLE root, struct bytes plain, struct writer *to)
{
    struct mechanism mechanism;
    uint8_t body[BODY_MAX];
    size_t iv_len = iv_size(method);
    CK_ULONG len = sizeof body - iv_len - CMAC_SIZE;
    prepare(method, &mechanism);
    if (random_bytes(mechanism.iv, sizeof mechanism.iv) != ERR_OK)
        return CKR_OUR_CRYPTO_FAIL;
    memcpy(body, mechanism.iv, iv_len);
    CK_RV rv = form == HSM_FORM_KEY ? wrap_key(call, &mechanism.m, root, plain, body + iv_len, &len)
                                    : encrypt(call, &mechanism.m, root, plain, body + iv_len, &len);
    if (rv != CKR_OK)
        return rv;
    if (len > sizeof body - iv_len - CMAC_SIZE)
        return CKR_OUR_BAD_ANSWER;
    len += iv_len;
    if (method->mechanism == CKM_AES_CBC_PAD) {
        rv = outer_mac(call, root, method->code, bytes_of(body, len), body + len);
        len += CMAC_SIZE;
    }
    if (rv == CKR_OK)
        writer_bytes(to, bytes_of(body, len));
    return rv;
}

static CK_RV check_mac(struct hsm_call *call, const struct wrap_method *method,
                       CK_OBJECT_HANDLE root, struct bytes *body)
{
    uint8_t mac[CMAC_SIZE];
    body->len -= CMAC_SIZE;
    CK_RV rv = outer_mac(call, root, method->code, *body, mac);
    if (rv == CKR_OK && !secret_equal(BYTES(mac), bytes_of(body->data + body->len, CMAC_SIZE)))
        rv = CKR_OUR_NOT_SEALED;
    return rv;
}

CK_RV wrap_open(struct hsm_call *call, const struct wrap_method *method, enum hsm_form form,
                CK_OBJECT_HANDLE root, struct bytes body, uint8_t *plain, size_t *ret_len)
{
    struct mechanism mechanism;
    size_t iv_len = iv_size(method);
    CK_ULONG len = PLAIN_MAX;
    if (body.len < iv_len + 16 + CMAC_SIZE - 8 || body.len > BODY_MAX)
        return CKR_OUR_NOT_SEALED;
    if (method->mechanism == CKM_AES_CBC_PAD) {
        CK_RV rv = check_mac(call, method, root, &body);
        if (rv != CKR_OK)
            return rv;
    }
    prepare(method, &mechanism);
    memcpy(mechanism.iv, body.data, iv_len);
    struct bytes sealed = bytes_of(body.data + iv_len, body.len - iv_len);
    CK_RV rv;
    if (form == HSM_FORM_KEY) {
        rv = unwrap_key(call, &mechanism.m, root, sealed, plain, &len);
    } else {
        /* Tokens may want room for the padding too. */
        uint8_t room[BODY_MAX];
        CK_ULONG room_len = sizeof room;
        rv = decrypt(call, &mechanism.m, root, sealed, room, &room_len);
        if (rv == CKR_OK && room_len > PLAIN_MAX)
            rv = CKR_OUR_NOT_SEALED;
        if (rv == CKR_OK)
            memcpy(plain, room, len = room_len);
        explicit_bzero(room, sizeof room);
    }
    if (rv == CKR_OK)
        *ret_len = len;
    return rv;
}

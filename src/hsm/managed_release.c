#include "crypto/der.h"
#include "crypto/keyform.h"
#include "crypto/keywrap.h"
#include "crypto/random.h"
#include "hsm/managed_op.h"

#ifndef CKM_AES_KEY_WRAP_KWP
#define CKM_AES_KEY_WRAP_KWP 0x210bUL /* PKCS #11 v3.0 */
#endif

/* A key out of the token: wrapped there under a key-encrypting key that is known here, unwrapped
 * here. Tokens differ in which mechanism wraps which kind of key, and in what their own names mean,
 * so each is tried in turn, and what came is opened in each way its maker may have meant. */

#define WRAPPED_MAX (HSM_MANAGED_MAX + 64)

struct release {
    const struct hsm_kek *kek;
    struct secret *drawn; /* where the KEK is of this release only */
    struct bytes key;     /* the KEK */
    CK_MECHANISM_TYPE mechanism;
    uint8_t iv[16];
    uint8_t *out;
    CK_ULONG len;
};

static CK_RV make_kek(struct hsm_call *call, const struct release *release,
                      CK_OBJECT_HANDLE *ret_kek)
{
    struct template t = {.count = 0};
    template_ulong(&t, CKA_CLASS, &template_secret_key);
    template_ulong(&t, CKA_KEY_TYPE, &template_aes);
    template_bool(&t, CKA_TOKEN, false);
    template_bool(&t, CKA_PRIVATE, true);
    template_bool(&t, CKA_WRAP, true);
    template_bytes(&t, CKA_VALUE, release->key);
    return call->f->C_CreateObject(call->session, t.at, t.count, ret_kek);
}

static CK_RV find_kek(struct hsm_call *call, const struct release *release,
                      CK_OBJECT_HANDLE *ret_kek)
{
    if (release->kek->label == NULL) {
        *ret_kek = release->kek->handle;
        return CKR_OK;
    }
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE handles[2];
    CK_ULONG count = 0;
    template_ulong(&t, CKA_CLASS, &template_secret_key);
    template_bytes(&t, CKA_LABEL, bytes_str(release->kek->label));
    CK_RV rv = objects_find(call, &t, handles, ARRAY_LEN(handles), &count);
    if (rv == CKR_OK && count != 1)
        rv = count == 0 ? CKR_OUR_NOT_FOUND : CKR_OUR_AMBIGUOUS;
    if (rv == CKR_OK)
        *ret_kek = handles[0];
    return rv;
}

static CK_RV wrap_op(struct hsm_call *call, const struct hsm_managed *object, void *ctx)
{
    static const CK_MECHANISM_TYPE mechanisms[] = {CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD,
                                                   CKM_AES_KEY_WRAP, CKM_AES_CBC_PAD};
    (void)object;
    struct release *release = ctx;
    CK_OBJECT_HANDLE kek = CK_INVALID_HANDLE;
    CK_RV rv =
        release->drawn != NULL ? make_kek(call, release, &kek) : find_kek(call, release, &kek);
    if (rv != CKR_OK)
        return rv;
    rv = CKR_MECHANISM_INVALID;
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        CK_MECHANISM mechanism = {mechanisms[i], NULL, 0};
        if (mechanisms[i] == CKM_AES_CBC_PAD) {
            mechanism.pParameter = release->iv;
            mechanism.ulParameterLen = sizeof release->iv;
        }
        release->mechanism = mechanisms[i];
        release->len = WRAPPED_MAX;
        rv = call->f->C_WrapKey(call->session, &mechanism, kek, call->key, release->out,
                                &release->len);
        enum ckr_group group = ckr_group(rv);
        if (rv == CKR_OK || rv == CKR_KEY_UNEXTRACTABLE || rv == CKR_KEY_NOT_WRAPPABLE ||
            group == CKR_GROUP_SESSION || group == CKR_GROUP_LOGIN || group == CKR_GROUP_DEVICE)
            break;
    }
    if (release->drawn != NULL)
        object_destroy(call, kek);
    return rv;
}

/* AES key wrap of the key with PKCS#5 padding: what some tokens mean by CKM_AES_KEY_WRAP_PAD. */
static enum err unwrap_padded(const struct crypto_key *kek, struct bytes wrapped,
                              struct secret **ret_plain)
{
    const struct crypto_params plain_wrap = {.mode = MODE_NISTKEYWRAP};
    AUTO(secret_freep) struct secret *plain = NULL;
    TRY(keywrap_unwrap(kek, &plain_wrap, bytes_of(NULL, 0), wrapped, &plain, NULL));
    size_t len = secret_len(plain);
    uint8_t pad = len != 0 ? secret_data(plain)[len - 1] : 0;
    if (pad == 0 || pad > 8 || pad >= len)
        return ERR_DECRYPT;
    for (size_t i = 1; i <= pad; i++)
        if (secret_data(plain)[len - i] != pad)
            return ERR_DECRYPT;
    secret_shrink(plain, len - pad);
    *ret_plain = TAKE(plain);
    return ERR_OK;
}

static enum err open_wrapped(const struct release *release, struct secret **ret_plain,
                             struct err_detail *detail)
{
    const struct crypto_key kek = {CRYPTO_SYMMETRIC, ALG_AES, release->key};
    struct bytes wrapped = bytes_of(release->out, release->len);
    struct crypto_params params = {.mode = MODE_AESKEYWRAPPADDING};
    struct bytes iv = bytes_of(NULL, 0);
    if (release->mechanism == CKM_AES_KEY_WRAP) {
        params.mode = MODE_NISTKEYWRAP;
    } else if (release->mechanism == CKM_AES_CBC_PAD) {
        params = (struct crypto_params){.mode = MODE_CBC, .padding = PADDING_PKCS5};
        iv = BYTES(release->iv);
    }
    enum err err = keywrap_unwrap(&kek, &params, iv, wrapped, ret_plain, detail);
    if (err != ERR_OK && release->mechanism == CKM_AES_KEY_WRAP_PAD)
        err = unwrap_padded(&kek, wrapped, ret_plain);
    if (err != ERR_OK)
        return err_set(detail, ERR_TOKEN_UNABLE,
                       "what the token wrapped does not open; hint: is the key-encrypting key in "
                       "the token the one of the file, with all its bytes?");
    return ERR_OK;
}

/* A key of this session only, to have something to wrap. */
static CK_RV sample_op(struct hsm_call *call, void *ctx)
{
    static const CK_ULONG len = 32;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    struct template t = {.count = 0};
    template_ulong(&t, CKA_CLASS, &template_secret_key);
    template_ulong(&t, CKA_KEY_TYPE, &template_aes);
    template_ulong(&t, CKA_VALUE_LEN, &len);
    template_bool(&t, CKA_TOKEN, false);
    template_bool(&t, CKA_PRIVATE, true);
    template_bool(&t, CKA_SENSITIVE, true);
    template_bool(&t, CKA_EXTRACTABLE, true);
    CK_RV rv = call->f->C_GenerateKey(call->session, &mechanism, t.at, t.count, &call->key);
    if (rv != CKR_OK)
        return rv;
    rv = wrap_op(call, NULL, ctx);
    object_destroy(call, call->key);
    return rv;
}

enum err hsm_kek_check(struct hsm *hsm, const struct hsm_kek *kek, struct err_detail *detail)
{
    AUTO(buf_done) struct buf wrapped = {0};
    AUTO(secret_freep) struct secret *plain = NULL;
    struct release release = {.kek = kek, .key = kek->key};
    TRY(random_bytes(release.iv, sizeof release.iv));
    TRY(buf_reserve(&wrapped, WRAPPED_MAX));
    release.out = wrapped.data;
    TRY(hsm_run(hsm, NULL, sample_op, &release, "C_WrapKey", detail));
    if (release.len > WRAPPED_MAX)
        return err_set(detail, ERR_TOKEN, "the token gave more than there was room for");
    return open_wrapped(&release, &plain, detail);
}

enum err hsm_managed_release(struct hsm *hsm, const struct hsm_kek *kek,
                             const struct hsm_managed *object, struct secret **ret_material,
                             struct err_detail *detail)
{
    if (!object->extractable)
        return err_set(detail, ERR_DENIED, "the key was made not to leave the token");
    AUTO(secret_freep) struct secret *drawn = NULL;
    AUTO(buf_done) struct buf wrapped = {0};
    AUTO(secret_freep) struct secret *plain = NULL;
    struct release release = {.kek = kek, .key = kek->key};
    if (kek->key.len == 0) {
        TRY(random_secret(32, &drawn));
        release.drawn = drawn;
        release.key = secret_view(drawn);
    }
    TRY(random_bytes(release.iv, sizeof release.iv));
    TRY(buf_reserve(&wrapped, WRAPPED_MAX));
    release.out = wrapped.data;
    TRY(managed_run(hsm, object, wrap_op, &release, "C_WrapKey", detail));
    if (release.len > WRAPPED_MAX)
        return err_set(detail, ERR_TOKEN, "the token gave more than there was room for");
    TRY(open_wrapped(&release, &plain, detail));
    /* RFC 3394 wraps multiples of 8: a token may have filled a secret key up with zeros. */
    size_t bytes = object->bits / 8;
    if (object->class != CRYPTO_PRIVATE && bytes != 0 && secret_len(plain) > bytes)
        secret_shrink(plain, bytes);
    if (object->class != CRYPTO_PRIVATE) {
        *ret_material = TAKE(plain);
        return ERR_OK;
    }
    /* A token's PKCS#8 is written as its maker likes, and may have zeros behind it (RFC 3394 wraps
     * multiples of 8); ours has one form. */
    struct der der = der_of(secret_view(plain));
    struct bytes whole;
    TRY(der_any(&der, NULL, NULL, &whole));
    secret_shrink(plain, whole.len);
    struct keyform_info info;
    return keyform_private_in(FORMAT_PKCS8, object->alg, 0, secret_view(plain), ret_material, &info,
                              detail);
}

static CK_RV digest_op(struct hsm_call *call, const struct hsm_managed *object, void *ctx)
{
    (void)object;
    CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
    CK_ULONG len = 32;
    CK_RV rv = call->f->C_DigestInit(call->session, &mechanism);
    if (rv == CKR_OK)
        rv = call->f->C_DigestKey(call->session, call->key);
    if (rv == CKR_OK)
        rv = call->f->C_DigestFinal(call->session, ctx, &len);
    return rv == CKR_OK && len != 32 ? CKR_OUR_BAD_ANSWER : rv;
}

enum err hsm_managed_digest(struct hsm *hsm, const struct hsm_managed *object,
                            uint8_t ret_digest[32], struct err_detail *detail)
{
    uint8_t digest[32] = {0};
    if (object->class == CRYPTO_PRIVATE)
        return err_set(detail, ERR_TOKEN_UNABLE, "C_DigestKey is for secret keys");
    TRY(managed_run(hsm, object, digest_op, digest, "C_DigestKey", detail));
    memcpy(ret_digest, digest, sizeof digest);
    return ERR_OK;
}

#include "hsm/managed.h"

#include <stdlib.h>

#include "crypto/keyform.h"
#include "hsm/generate.h"
#include "hsm/managed_op.h"

#ifndef CKK_EC_EDWARDS
#define CKK_EC_EDWARDS              0x40UL /* PKCS #11 v3.0 */
#define CKM_EC_EDWARDS_KEY_PAIR_GEN 0x1055UL
#endif

static const CK_ULONG type_des3 = CKK_DES3;
static const CK_ULONG type_ec = CKK_EC;
static const CK_ULONG type_edwards = CKK_EC_EDWARDS;

bool managed_key_type(const struct hsm_managed *object, CK_KEY_TYPE *ret_type)
{
    if (object->class == CRYPTO_PRIVATE) {
        switch (object->alg) {
        case ALG_RSA: *ret_type = CKK_RSA; return true;
        case ALG_EC:
        case ALG_ECDSA: *ret_type = CKK_EC; return managed_curve(object->curve, object->bits).len;
        case ALG_ED25519: *ret_type = CKK_EC_EDWARDS; return true;
        default: return false;
        }
    }
    *ret_type = object->alg == ALG_AES                           ? CKK_AES
                : object->alg == ALG_DES3 && object->bits != 112 ? CKK_DES3
                                                                 : CKK_GENERIC_SECRET;
    return true;
}

struct bytes managed_curve(uint32_t curve, uint32_t bits)
{
    static const uint8_t p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    static const uint8_t p384[] = {6, 5, 0x2b, 0x81, 4, 0, 0x22};
    static const uint8_t p521[] = {6, 5, 0x2b, 0x81, 4, 0, 0x23};
    if (curve == CURVE_P_256 || (curve == 0 && (bits == 256 || bits == 0)))
        return BYTES(p256);
    if (curve == CURVE_P_384 || (curve == 0 && bits == 384))
        return BYTES(p384);
    if (curve == CURVE_P_521 || (curve == 0 && bits == 521))
        return BYTES(p521);
    return bytes_of(NULL, 0);
}

static uint32_t curve_number(uint32_t curve, uint32_t bits)
{
    if (curve != 0)
        return curve;
    return bits == 384 ? CURVE_P_384 : bits == 521 ? CURVE_P_521 : CURVE_P_256;
}

/* ---- finding ---- */

static struct bytes id_of(const struct hsm_managed *object)
{
    return BYTES(object->id);
}

static size_t place_of(const struct hsm_managed *object)
{
    return be64_load(object->id) & (MANAGED_CACHE - 1); /* ids are random */
}

CK_RV managed_find(struct hsm_call *call, const struct hsm_managed *object,
                   CK_OBJECT_HANDLE *ret_handle)
{
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE handles[2];
    CK_ULONG count = 0;
    bool pair = object->class == CRYPTO_PRIVATE;
    template_ulong(&t, CKA_CLASS, pair ? &template_private_key : &template_secret_key);
    template_bytes(&t, CKA_ID, id_of(object));
    template_bool(&t, CKA_TOKEN, true);
    CK_RV rv = objects_find(call, &t, handles, ARRAY_LEN(handles), &count);
    if (rv == CKR_OK && count != 1)
        rv = count == 0 ? CKR_OUR_NOT_FOUND : CKR_OUR_AMBIGUOUS;
    if (rv == CKR_OK)
        *ret_handle = handles[0];
    return rv;
}

static void remember(struct hsm *hsm, const struct hsm_managed *object, CK_OBJECT_HANDLE handle,
                     uint64_t generation)
{
    (void)pthread_mutex_lock(&hsm->lock);
    if (hsm->managed == NULL)
        hsm->managed = calloc(1, sizeof *hsm->managed);
    if (hsm->managed != NULL) {
        size_t place = place_of(object);
        memcpy(hsm->managed->at[place].id, object->id, HSM_MANAGED_ID);
        hsm->managed->at[place].handle = handle;
        hsm->managed->at[place].generation = generation;
    }
    (void)pthread_mutex_unlock(&hsm->lock);
}

static bool recall(struct hsm *hsm, const struct hsm_managed *object, CK_OBJECT_HANDLE *ret_handle,
                   uint64_t *ret_generation)
{
    (void)pthread_mutex_lock(&hsm->lock);
    size_t place = place_of(object);
    bool known = hsm->managed != NULL && hsm->managed->at[place].generation == hsm->generation &&
                 memcmp(hsm->managed->at[place].id, object->id, HSM_MANAGED_ID) == 0;
    if (known)
        *ret_handle = hsm->managed->at[place].handle;
    *ret_generation = hsm->generation;
    (void)pthread_mutex_unlock(&hsm->lock);
    return known;
}

void managed_forget(struct hsm *hsm, const struct hsm_managed *object)
{
    (void)pthread_mutex_lock(&hsm->lock);
    size_t place = place_of(object);
    if (hsm->managed != NULL && memcmp(hsm->managed->at[place].id, object->id, HSM_MANAGED_ID) == 0)
        hsm->managed->at[place].generation = 0;
    (void)pthread_mutex_unlock(&hsm->lock);
}

struct run {
    const struct hsm_managed *object;
    managed_fn *fn;
    void *ctx;
};

static CK_RV run_op(struct hsm_call *call, void *ctx)
{
    struct run *run = ctx;
    uint64_t generation = 0;
    if (recall(call->hsm, run->object, &call->key, &generation)) {
        CK_RV rv = run->fn(call, run->object, run->ctx);
        if (ckr_group(rv) != CKR_GROUP_HANDLE)
            return rv;
        managed_forget(call->hsm, run->object);
    }
    CK_RV rv = managed_find(call, run->object, &call->key);
    if (rv != CKR_OK)
        return rv;
    remember(call->hsm, run->object, call->key, generation);
    return run->fn(call, run->object, run->ctx);
}

enum err managed_run(struct hsm *hsm, const struct hsm_managed *object, managed_fn *fn, void *ctx,
                     const char *what, struct err_detail *detail)
{
    struct run run = {object, fn, ctx};
    return hsm_run(hsm, NULL, run_op, &run, what, detail);
}

/* ---- making ---- */

static const CK_ULONG *type_of(CK_KEY_TYPE type)
{
    switch (type) {
    case CKK_AES: return &template_aes;
    case CKK_DES3: return &type_des3;
    case CKK_RSA: return &template_rsa;
    case CKK_EC: return &type_ec;
    case CKK_EC_EDWARDS: return &type_edwards;
    default: return &template_generic;
    }
}

/* What every such object is, the dispensable at the end. */
static void common(struct template *t, const struct hsm_managed *object, CK_KEY_TYPE type,
                   CK_ULONG *ret_optional)
{
    bool pair = object->class == CRYPTO_PRIVATE;
    template_ulong(t, CKA_CLASS, pair ? &template_private_key : &template_secret_key);
    template_ulong(t, CKA_KEY_TYPE, type_of(type));
    template_bool(t, CKA_TOKEN, true);
    template_bool(t, CKA_PRIVATE, true);
    template_bool(t, CKA_SENSITIVE, true);
    template_bool(t, CKA_EXTRACTABLE, object->extractable);
    template_bytes(t, CKA_LABEL, bytes_str(HSM_MANAGED_LABEL));
    template_bytes(t, CKA_ID, id_of(object));
    bool cipher = type == CKK_AES || type == CKK_DES3;
    if (pair ? type == CKK_RSA : cipher)
        template_bool(t, CKA_DECRYPT, true);
    if (cipher)
        template_bool(t, CKA_ENCRYPT, true);
    template_bool(t, CKA_SIGN, true);
    CK_ULONG must = t->count;
    if (!pair)
        template_bool(t, CKA_VERIFY, true);
    template_bool(t, CKA_MODIFIABLE, false);
    template_bool(t, CKA_COPYABLE, false);
    *ret_optional = t->count - must;
}

struct make {
    const struct hsm_managed *object;
    CK_KEY_TYPE type;
    const struct keyform_parts *parts; /* of a private key to be stored */
    struct bytes material;             /* of a secret key to be stored */
    CK_OBJECT_HANDLE handle, public_handle;
};

static CK_RV generate_once(struct hsm_call *call, struct template *t, CK_ULONG dropped, void *ctx)
{
    (void)dropped;
    struct make *make = ctx;
    CK_MECHANISM mechanism = {make->type == CKK_AES    ? CKM_AES_KEY_GEN
                              : make->type == CKK_DES3 ? CKM_DES3_KEY_GEN
                                                       : CKM_GENERIC_SECRET_KEY_GEN,
                              NULL, 0};
    return call->f->C_GenerateKey(call->session, &mechanism, t->at, t->count, &make->handle);
}

static CK_RV pair_once(struct hsm_call *call, struct template *t, CK_ULONG dropped, void *ctx)
{
    (void)dropped;
    static const uint8_t ed25519[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                                      'd',  's',  '2', '5', '5', '1', '9'};
    struct make *make = ctx;
    const struct hsm_managed *object = make->object;
    CK_ULONG bits = object->bits;
    uint8_t exponent[8];
    be64_store(exponent, object->exponent != 0 ? object->exponent : 65537);
    size_t skip = 0;
    while (exponent[skip] == 0)
        skip++;
    struct template public = {.count = 0};
    template_ulong(&public, CKA_CLASS, &template_public_key);
    template_ulong(&public, CKA_KEY_TYPE, type_of(make->type));
    template_bool(&public, CKA_TOKEN, true);
    template_bool(&public, CKA_PRIVATE, false);
    template_bytes(&public, CKA_LABEL, bytes_str(HSM_MANAGED_LABEL));
    template_bytes(&public, CKA_ID, id_of(object));
    template_bool(&public, CKA_VERIFY, true);
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    if (make->type == CKK_RSA) {
        mechanism.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
        template_bool(&public, CKA_ENCRYPT, true);
        template_ulong(&public, CKA_MODULUS_BITS, &bits);
        template_bytes(&public, CKA_PUBLIC_EXPONENT, bytes_of(exponent + skip, 8 - skip));
    } else if (make->type == CKK_EC) {
        template_bytes(&public, CKA_EC_PARAMS, managed_curve(object->curve, object->bits));
    } else {
        mechanism.mechanism = CKM_EC_EDWARDS_KEY_PAIR_GEN;
        template_bytes(&public, CKA_EC_PARAMS, BYTES(ed25519));
    }
    return call->f->C_GenerateKeyPair(call->session, &mechanism, public.at, public.count, t->at,
                                      t->count, &make->public_handle, &make->handle);
}

static CK_RV generate_op(struct hsm_call *call, void *ctx)
{
    struct make *make = ctx;
    const struct hsm_managed *object = make->object;
    /* A rerun after a lost session may find what the first run has made. */
    CK_RV rv = managed_find(call, object, &make->handle);
    if (rv != CKR_OUR_NOT_FOUND)
        return rv;
    struct template t = {.count = 0};
    CK_ULONG optional = 0;
    if (object->class == CRYPTO_PRIVATE) {
        common(&t, object, make->type, &optional);
        return create_with_fewer(call, &t, optional, pair_once, make);
    }
    CK_ULONG bytes = object->bits / 8;
    if (make->type != CKK_DES3)
        template_ulong(&t, CKA_VALUE_LEN, &bytes);
    common(&t, object, make->type, &optional);
    return create_with_fewer(call, &t, optional, generate_once, make);
}

/* ---- the public half of what was made ---- */

struct public_half {
    uint8_t modulus[HSM_RSA_BITS_MAX / 8 + 1], exponent[16], point[256];
    size_t modulus_len, exponent_len, point_len;
    CK_KEY_TYPE type;
};

static CK_RV public_op(struct hsm_call *call, const struct hsm_managed *object, void *ctx)
{
    struct public_half *half = ctx;
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_ULONG count = 0;
    template_ulong(&t, CKA_CLASS, &template_public_key);
    template_bytes(&t, CKA_ID, id_of(object));
    template_bool(&t, CKA_TOKEN, true);
    CK_RV rv = objects_find(call, &t, &handle, 1, &count);
    if (rv == CKR_OK && count == 0)
        rv = CKR_OUR_NOT_FOUND;
    if (rv != CKR_OK)
        return rv;
    if (half->type != CKK_RSA)
        return object_bytes(call, handle, CKA_EC_POINT, half->point, sizeof half->point,
                            &half->point_len);
    rv = object_bytes(call, handle, CKA_MODULUS, half->modulus, sizeof half->modulus,
                      &half->modulus_len);
    return rv != CKR_OK ? rv
                        : object_bytes(call, handle, CKA_PUBLIC_EXPONENT, half->exponent,
                                       sizeof half->exponent, &half->exponent_len);
}

/* CKA_EC_POINT is an OCTET STRING of the point by the standard, the point alone by habit. */
static struct bytes bare_point(const struct public_half *half)
{
    struct bytes point = bytes_of(half->point, half->point_len);
    size_t head = point.len > 2 && point.data[1] == 0x81 ? 3 : 2;
    if (point.len > head && point.data[0] == 4 && point.data[head - 1] == point.len - head)
        return bytes_of(point.data + head, point.len - head);
    return point;
}

static enum err put_public(struct hsm *hsm, const struct hsm_managed *object, CK_KEY_TYPE type,
                           struct buf *spki, struct err_detail *detail)
{
    struct public_half half = {.type = type};
    TRY(managed_run(hsm, object, public_op, &half, "public key", detail));
    struct keyform_parts parts = {.alg = type == CKK_RSA  ? ALG_RSA
                                         : type == CKK_EC ? ALG_EC
                                                          : ALG_ED25519};
    parts.modulus = bytes_of(half.modulus, half.modulus_len);
    parts.public_exponent = bytes_of(half.exponent, half.exponent_len);
    parts.curve = type == CKK_EC ? curve_number(object->curve, object->bits) : 0;
    parts.point = bare_point(&half);
    struct keyform_info info;
    return keyform_public_of_parts(&parts, spki, &info, detail);
}

enum err hsm_managed_generate(struct hsm *hsm, const struct hsm_managed *object, struct buf *spki,
                              struct err_detail *detail)
{
    struct make make = {.object = object};
    if (!managed_key_type(object, &make.type))
        return err_set(detail, ERR_TOKEN_UNABLE, "keys of this kind are not made in the token");
    if (object->class != CRYPTO_PRIVATE &&
        (object->bits == 0 || object->bits % 8 != 0 || object->bits / 8 > HSM_MANAGED_MAX))
        return err_set(detail, ERR_ARGUMENT, "a key of %u bits", object->bits);
    TRY(hsm_run(hsm, NULL, generate_op, &make, "key generation", detail));
    if (object->class != CRYPTO_PRIVATE || spki == NULL)
        return ERR_OK;
    enum err err = put_public(hsm, object, make.type, spki, detail);
    struct err_detail ignored = {0};
    if (err != ERR_OK && hsm_managed_destroy(hsm, object, &ignored) != ERR_OK)
        return err;
    return err;
}

/* ---- storing ---- */

static void put_parts(struct template *t, const struct make *make)
{
    const struct keyform_parts *parts = make->parts;
    if (make->type != CKK_RSA) {
        if (make->type == CKK_EC)
            template_bytes(t, CKA_EC_PARAMS,
                           managed_curve(make->object->curve, make->object->bits));
        template_bytes(t, CKA_VALUE, parts->d);
        return;
    }
    template_bytes(t, CKA_MODULUS, parts->modulus);
    template_bytes(t, CKA_PUBLIC_EXPONENT, parts->public_exponent);
    template_bytes(t, CKA_PRIVATE_EXPONENT, parts->private_exponent);
    template_bytes(t, CKA_PRIME_1, parts->p);
    template_bytes(t, CKA_PRIME_2, parts->q);
    template_bytes(t, CKA_EXPONENT_1, parts->prime_exponent_p);
    template_bytes(t, CKA_EXPONENT_2, parts->prime_exponent_q);
    template_bytes(t, CKA_COEFFICIENT, parts->crt_coefficient);
}

static CK_RV store_once(struct hsm_call *call, struct template *t, CK_ULONG dropped, void *ctx)
{
    (void)dropped;
    struct make *make = ctx;
    return call->f->C_CreateObject(call->session, t->at, t->count, &make->handle);
}

static CK_RV store_op(struct hsm_call *call, void *ctx)
{
    struct make *make = ctx;
    CK_RV rv = managed_find(call, make->object, &make->handle);
    if (rv != CKR_OUR_NOT_FOUND)
        return rv;
    struct template t = {.count = 0};
    CK_ULONG optional = 0;
    if (make->parts != NULL)
        put_parts(&t, make);
    else
        template_bytes(&t, CKA_VALUE, make->material);
    common(&t, make->object, make->type, &optional);
    return create_with_fewer(call, &t, optional, store_once, make);
}

enum err hsm_managed_store(struct hsm *hsm, const struct hsm_managed *object, struct bytes material,
                           struct err_detail *detail)
{
    AUTO(keyform_parts_done) struct keyform_parts parts = {.alg = 0};
    struct make make = {.object = object, .material = material};
    if (!managed_key_type(object, &make.type))
        return err_set(detail, ERR_TOKEN_UNABLE, "keys of this kind are not kept in the token");
    if (material.len == 0 || material.len > HSM_MANAGED_MAX)
        return err_set(detail, ERR_LIMIT, "%zu bytes for an object in the token", material.len);
    if (object->class == CRYPTO_PRIVATE) {
        TRY(keyform_parts_of_private(material, &parts, detail));
        make.parts = &parts;
    }
    return hsm_run(hsm, NULL, store_op, &make, "an object for the token", detail);
}

/* ---- the end ---- */

static CK_RV destroy_op(struct hsm_call *call, const struct hsm_managed *object, void *ctx)
{
    (void)ctx;
    if (object->class == CRYPTO_PRIVATE) {
        struct template t = {.count = 0};
        CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
        CK_ULONG count = 0;
        template_ulong(&t, CKA_CLASS, &template_public_key);
        template_bytes(&t, CKA_ID, id_of(object));
        template_bool(&t, CKA_TOKEN, true);
        if (objects_find(call, &t, &handle, 1, &count) == CKR_OK && count == 1)
            object_destroy(call, handle);
    }
    return call->f->C_DestroyObject(call->session, call->key);
}

enum err hsm_managed_destroy(struct hsm *hsm, const struct hsm_managed *object,
                             struct err_detail *detail)
{
    enum err err = managed_run(hsm, object, destroy_op, NULL, "C_DestroyObject", detail);
    managed_forget(hsm, object);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

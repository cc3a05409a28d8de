#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/rsa.h"
#include "hsm/generate.h"
#include "hsm/key.h"

/* One creation. The id is drawn before, so that a rerun knows its own key again. */
struct make {
    enum hsm_class class;
    const char *label;
    unsigned bits;
    struct bytes id;
    uint8_t id_room[HSM_ID_LEN];
    const struct rsa_parts *parts; /* import */
    struct bytes pkcs8;
    struct hsm_key *key;
};

CK_RV create_with_fewer(struct hsm_call *call, struct template *t, CK_ULONG optional, create_fn *fn,
                        void *ctx)
{
    CK_RV rv = fn(call, t, 0, ctx);
    for (CK_ULONG dropped = 1; template_refused(rv) && dropped <= optional; dropped++) {
        t->count--;
        rv = fn(call, t, dropped, ctx);
    }
    return rv;
}

static void place(struct template *t, const struct place *place)
{
    template_bool(t, CKA_TOKEN, place->label != NULL);
    if (place->label == NULL)
        return;
    template_bytes(t, CKA_LABEL, bytes_str(place->label));
    template_bytes(t, CKA_ID, place->id);
}

static CK_RV aes_once(struct hsm_call *call, struct template *t, CK_ULONG dropped, void *ctx)
{
    (void)dropped;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    return call->f->C_GenerateKey(call->session, &mechanism, t->at, t->count, ctx);
}

CK_RV make_aes(struct hsm_call *call, const struct place *where, CK_OBJECT_HANDLE *ret_key)
{
    struct template t = {.count = 0};
    CK_ULONG optional = 0;
    place(&t, where);
    template_aes_root(&t, &optional);
    return create_with_fewer(call, &t, optional, aes_once, ret_key);
}

struct pair {
    const struct place *where;
    CK_ULONG bits;
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE private_key;
};

static CK_RV rsa_once(struct hsm_call *call, struct template *t, CK_ULONG dropped, void *ctx)
{
    (void)dropped;
    static const uint8_t f4[] = {1, 0, 1};
    struct pair *pair = ctx;
    struct template public = {.count = 0};
    place(&public, pair->where);
    template_rsa_public(&public);
    template_ulong(&public, CKA_MODULUS_BITS, &pair->bits);
    template_bytes(&public, CKA_PUBLIC_EXPONENT, BYTES(f4));
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    return call->f->C_GenerateKeyPair(call->session, &mechanism, public.at, public.count, t->at,
                                      t->count, &pair->public_key, &pair->private_key);
}

CK_RV make_rsa(struct hsm_call *call, const struct place *where, unsigned bits,
               CK_OBJECT_HANDLE *ret_private, CK_OBJECT_HANDLE *ret_public)
{
    struct pair pair = {.where = where, .bits = bits};
    struct template t = {.count = 0};
    CK_ULONG optional = 0;
    place(&t, where);
    template_rsa_private(&t, &optional);
    CK_RV rv = create_with_fewer(call, &t, optional, rsa_once, &pair);
    if (rv != CKR_OK)
        return rv;
    *ret_private = pair.private_key;
    *ret_public = pair.public_key;
    return CKR_OK;
}

static CK_RV create_once(struct hsm_call *call, struct template *t, CK_ULONG dropped, void *ctx)
{
    (void)dropped;
    return call->f->C_CreateObject(call->session, t->at, t->count, ctx);
}

CK_RV import_create(struct hsm_call *call, const struct place *where, const struct rsa_parts *parts,
                    CK_OBJECT_HANDLE *ret_private)
{
    struct template t = {.count = 0};
    CK_ULONG optional = 0;
    place(&t, where);
    template_bytes(&t, CKA_MODULUS, parts->n);
    template_bytes(&t, CKA_PUBLIC_EXPONENT, parts->e);
    template_bytes(&t, CKA_PRIVATE_EXPONENT, parts->d);
    template_bytes(&t, CKA_PRIME_1, parts->p);
    template_bytes(&t, CKA_PRIME_2, parts->q);
    template_bytes(&t, CKA_EXPONENT_1, parts->dp);
    template_bytes(&t, CKA_EXPONENT_2, parts->dq);
    template_bytes(&t, CKA_COEFFICIENT, parts->qi);
    template_rsa_private(&t, &optional);
    return create_with_fewer(call, &t, optional, create_once, ret_private);
}

struct unwrap {
    CK_MECHANISM mechanism;
    CK_OBJECT_HANDLE under;
    struct bytes wrapped;
    CK_OBJECT_HANDLE key;
};

static CK_RV unwrap_once(struct hsm_call *call, struct template *t, CK_ULONG dropped, void *ctx)
{
    (void)dropped;
    struct unwrap *u = ctx;
    return call->f->C_UnwrapKey(call->session, &u->mechanism, u->under,
                                (uint8_t *)(uintptr_t)u->wrapped.data, u->wrapped.len, t->at,
                                t->count, &u->key);
}

/* The token encrypts the PKCS#8 under a key of this session and unwraps what it made. */
CK_RV import_unwrap(struct hsm_call *call, const struct place *where, struct bytes pkcs8,
                    CK_OBJECT_HANDLE *ret_private)
{
    uint8_t iv[16];
    uint8_t wrapped[PKCS8_MAX + 16];
    CK_ULONG len = sizeof wrapped;
    struct unwrap u = {.mechanism = {CKM_AES_CBC_PAD, iv, sizeof iv}};
    if (pkcs8.len > PKCS8_MAX)
        return CKR_KEY_SIZE_RANGE;
    CK_RV rv = make_aes(call, &(struct place){0}, &u.under);
    if (rv != CKR_OK)
        return rv;
    rv = random_bytes(iv, sizeof iv) == ERR_OK ? CKR_OK : CKR_OUR_CRYPTO_FAIL;
    if (rv == CKR_OK)
        rv = call->f->C_EncryptInit(call->session, &u.mechanism, u.under);
    if (rv == CKR_OK)
        rv = call->f->C_Encrypt(call->session, (uint8_t *)(uintptr_t)pkcs8.data, pkcs8.len, wrapped,
                                &len);
    if (rv == CKR_OK) {
        struct template t = {.count = 0};
        CK_ULONG optional = 0;
        place(&t, where);
        template_rsa_private(&t, &optional);
        u.wrapped = bytes_of(wrapped, len);
        rv = create_with_fewer(call, &t, optional, unwrap_once, &u);
    }
    object_destroy(call, u.under);
    if (rv == CKR_OK)
        *ret_private = u.key;
    return rv;
}

static CK_RV import_any(struct hsm_call *call, const struct make *make, const struct place *where,
                        CK_OBJECT_HANDLE *ret_private)
{
    CK_RV rv = import_create(call, where, make->parts, ret_private);
    if (rv == CKR_OK || ckr_group(rv) == CKR_GROUP_SESSION || ckr_group(rv) == CKR_GROUP_LOGIN ||
        ckr_group(rv) == CKR_GROUP_DEVICE)
        return rv;
    CK_RV second = import_unwrap(call, where, make->pkcs8, ret_private);
    return second == CKR_OK ? second : rv;
}

/* The public half is for other programs that look into the token; nothing here needs it. */
static void import_public(struct hsm_call *call, const struct make *make, const struct place *where)
{
    struct template t = {.count = 0};
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    place(&t, where);
    template_rsa_public(&t);
    template_bytes(&t, CKA_MODULUS, make->parts->n);
    template_bytes(&t, CKA_PUBLIC_EXPONENT, make->parts->e);
    (void)call->f->C_CreateObject(call->session, t.at, t.count, &handle);
}

static CK_RV make_one(struct hsm_call *call, const struct make *make, CK_OBJECT_HANDLE *ret_object)
{
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    const struct place where = {make->label, make->id};
    if (make->class == HSM_AES)
        return make_aes(call, &where, ret_object);
    if (make->parts == NULL)
        return make_rsa(call, &where, make->bits, ret_object, &public_key);
    CK_RV rv = import_any(call, make, &where, ret_object);
    if (rv == CKR_OK)
        import_public(call, make, &where);
    return rv;
}

static CK_RV make_op(struct hsm_call *call, void *ctx)
{
    struct make *make = ctx;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    CK_RV rv = key_object(call, make->class, make->label, NULL, &object);
    if (rv == CKR_OK && key_object(call, make->class, make->label, &make->id, &object) != CKR_OK)
        return CKR_OUR_EXISTS;
    if (rv == CKR_OUR_AMBIGUOUS)
        return CKR_OUR_EXISTS;
    if (rv == CKR_OUR_NOT_FOUND)
        rv = make_one(call, make, &object);
    if (rv != CKR_OK)
        return rv;
    key_clear(make->key);
    rv = key_read(call, make->class, object, make->key);
    if (rv == CKR_OK && (!make->key->info.sensitive || make->key->info.extractable)) {
        object_destroy(call, object);
        rv = CKR_OUR_UNGUARDED;
    }
    return rv;
}

static enum err run(struct hsm *hsm, struct make *make, struct hsm_key **ret_key,
                    struct err_detail *detail)
{
    size_t len = strlen(make->label);
    if (len == 0 || len > HSM_LABEL_MAX)
        return err_set(detail, ERR_ARGUMENT, "a label has 1 to %d bytes", HSM_LABEL_MAX);
    AUTO(hsm_key_freep) struct hsm_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_NO_MEMORY;
    TRY(random_bytes(make->id_room, sizeof make->id_room));
    make->id = BYTES(make->id_room);
    make->key = key;
    (void)pthread_mutex_lock(&hsm->make_lock);
    enum err err = hsm_run(hsm, NULL, make_op, make, make->label, detail);
    (void)pthread_mutex_unlock(&hsm->make_lock);
    if (err == ERR_OK)
        *ret_key = TAKE(key);
    return err;
}

enum err hsm_aes_generate(struct hsm *hsm, const char *label, struct hsm_key **ret_key,
                          struct err_detail *detail)
{
    struct make make = {.class = HSM_AES, .label = label};
    return run(hsm, &make, ret_key, detail);
}

enum err hsm_rsa_generate(struct hsm *hsm, const char *label, unsigned bits,
                          struct hsm_key **ret_key, struct err_detail *detail)
{
    if (bits < HSM_RSA_BITS_MIN || bits > HSM_RSA_BITS_MAX || bits % 1024 != 0)
        return err_set(detail, ERR_ARGUMENT, "an RSA key has 2048, 3072 or 4096 bits, not %u",
                       bits);
    struct make make = {.class = HSM_RSA, .label = label, .bits = bits};
    return run(hsm, &make, ret_key, detail);
}

enum err hsm_rsa_import(struct hsm *hsm, const char *label, const struct rsa_private *own,
                        struct hsm_key **ret_key, struct err_detail *detail)
{
    AUTO(rsa_parts_done) struct rsa_parts parts = {.all = NULL};
    AUTO(secret_freep) struct secret *pkcs8 = NULL;
    TRY(rsa_private_parts(own, &parts));
    TRY(rsa_private_pkcs8(own, &pkcs8));
    if (parts.n.len > HSM_RSA_BITS_MAX / 8)
        return err_set(detail, ERR_LIMIT, "an RSA key for the token has at most %d bits",
                       HSM_RSA_BITS_MAX);
    struct make make = {
        .class = HSM_RSA, .label = label, .parts = &parts, .pkcs8 = secret_view(pkcs8)};
    return run(hsm, &make, ret_key, detail);
}

#include "hsm/object.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/rsa.h"
#include "hsm/key.h"

CK_RV objects_find(struct hsm_call *call, struct template *t, CK_OBJECT_HANDLE *handles,
                   CK_ULONG cap, CK_ULONG *ret_count)
{
    CK_RV rv = call->f->C_FindObjectsInit(call->session, t->at, t->count);
    if (rv != CKR_OK)
        return rv;
    CK_ULONG count = 0;
    /* A token may hand them over in any portions. */
    while (rv == CKR_OK && count < cap) {
        CK_ULONG more = 0;
        rv = call->f->C_FindObjects(call->session, handles + count, cap - count, &more);
        if (rv == CKR_OK && more > cap - count)
            rv = CKR_OUR_BAD_ANSWER;
        if (rv != CKR_OK || more == 0)
            break;
        count += more;
    }
    CK_RV end = call->f->C_FindObjectsFinal(call->session);
    if (rv == CKR_OK && end == CKR_OK)
        *ret_count = count;
    return rv != CKR_OK ? rv : end;
}

CK_RV object_bytes(struct hsm_call *call, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *to,
                   size_t cap, size_t *ret_len)
{
    CK_ATTRIBUTE at = {type, to, cap};
    CK_RV rv = call->f->C_GetAttributeValue(call->session, object, &at, 1);
    if (rv != CKR_OK)
        return rv;
    if (at.ulValueLen > cap)
        return CKR_OUR_BAD_ANSWER;
    *ret_len = at.ulValueLen;
    return CKR_OK;
}

CK_RV object_bool(struct hsm_call *call, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                  bool *ret_value)
{
    CK_BBOOL value = CK_FALSE;
    size_t len = 0;
    CK_RV rv = object_bytes(call, object, type, &value, sizeof value, &len);
    if (rv == CKR_OK && len != sizeof value)
        rv = CKR_OUR_BAD_ANSWER;
    if (rv == CKR_OK)
        *ret_value = value != CK_FALSE;
    return rv;
}

void object_destroy(struct hsm_call *call, CK_OBJECT_HANDLE object)
{
    if (object != CK_INVALID_HANDLE)
        (void)call->f->C_DestroyObject(call->session, object);
}

CK_RV key_object(struct hsm_call *call, enum hsm_class class, const char *label,
                 const struct bytes *id, CK_OBJECT_HANDLE *ret_object)
{
    struct template t = {.count = 0};
    template_ulong(&t, CKA_CLASS, class == HSM_AES ? &template_secret_key : &template_private_key);
    template_ulong(&t, CKA_KEY_TYPE, class == HSM_AES ? &template_aes : &template_rsa);
    template_bool(&t, CKA_TOKEN, true);
    template_bytes(&t, CKA_LABEL, bytes_str(label));
    if (id != NULL)
        template_bytes(&t, CKA_ID, *id);
    CK_OBJECT_HANDLE handles[2];
    CK_ULONG count = 0;
    CK_RV rv = objects_find(call, &t, handles, ARRAY_LEN(handles), &count);
    if (rv != CKR_OK)
        return rv;
    if (count != 1)
        return count == 0 ? CKR_OUR_NOT_FOUND : CKR_OUR_AMBIGUOUS;
    *ret_object = handles[0];
    return CKR_OK;
}

CK_RV key_locate(struct hsm_call *call, struct hsm_key *key)
{
    struct hsm *hsm = call->hsm;
    (void)pthread_mutex_lock(&hsm->lock);
    bool known = key->generation == hsm->generation;
    uint64_t generation = hsm->generation;
    call->key = key->handle;
    (void)pthread_mutex_unlock(&hsm->lock);
    if (known)
        return CKR_OK;
    struct bytes id = bytes_of(key->info.id, key->info.id_len);
    CK_RV rv = key_object(call, key->info.class, key->info.label, &id, &call->key);
    if (rv != CKR_OK)
        return rv;
    (void)pthread_mutex_lock(&hsm->lock);
    key->handle = call->key;
    key->generation = generation;
    (void)pthread_mutex_unlock(&hsm->lock);
    return CKR_OK;
}

void key_forget(struct hsm *hsm, struct hsm_key *key)
{
    (void)pthread_mutex_lock(&hsm->lock);
    key->generation = 0;
    (void)pthread_mutex_unlock(&hsm->lock);
}

void key_clear(struct hsm_key *key)
{
    free(key->numbers);
    *key = (struct hsm_key){0};
}

static CK_RV read_numbers(struct hsm_call *call, CK_OBJECT_HANDLE object, struct hsm_key *key)
{
    const size_t n_max = HSM_RSA_BITS_MAX / 8 + 1;
    const size_t e_max = 16;
    size_t n_len = 0, e_len = 0;
    key->numbers = calloc(1, n_max + e_max);
    if (key->numbers == NULL)
        return CKR_HOST_MEMORY;
    uint8_t *n = key->numbers;
    uint8_t *e = key->numbers + n_max;
    CK_RV rv = object_bytes(call, object, CKA_MODULUS, n, n_max, &n_len);
    if (rv == CKR_OK)
        rv = object_bytes(call, object, CKA_PUBLIC_EXPONENT, e, e_max, &e_len);
    if (rv != CKR_OK)
        return rv == CKR_BUFFER_TOO_SMALL ? CKR_KEY_SIZE_RANGE : rv;
    for (; n_len > 0 && n[0] == 0; n_len--)
        n++;
    key->modulus = bytes_of(n, n_len);
    key->exponent = bytes_of(e, e_len);
    key->info.bits = (unsigned)n_len * 8;
    return n_len == 0 || e_len == 0 ? CKR_OUR_BAD_ANSWER : CKR_OK;
}

/* Some tokens keep the public exponent with the public object only. */
static CK_RV read_numbers_of_public(struct hsm_call *call, struct hsm_key *key)
{
    struct template t = {.count = 0};
    template_ulong(&t, CKA_CLASS, &template_public_key);
    template_bytes(&t, CKA_ID, bytes_of(key->info.id, key->info.id_len));
    template_bool(&t, CKA_TOKEN, true);
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_ULONG count = 0;
    CK_RV rv = objects_find(call, &t, &handle, 1, &count);
    if (rv != CKR_OK)
        return rv;
    free(TAKE(key->numbers));
    return count == 0 ? CKR_OUR_BAD_ANSWER : read_numbers(call, handle, key);
}

CK_RV key_read(struct hsm_call *call, enum hsm_class class, CK_OBJECT_HANDLE object,
               struct hsm_key *key)
{
    struct hsm_key_info *info = &key->info;
    info->class = class;
    size_t len = 0;
    CK_RV rv = object_bytes(call, object, CKA_LABEL, info->label, HSM_LABEL_MAX, &len);
    if (rv == CKR_OK)
        rv = object_bytes(call, object, CKA_ID, info->id, HSM_ID_MAX, &info->id_len);
    if (rv == CKR_OK)
        rv = object_bool(call, object, CKA_SENSITIVE, &info->sensitive);
    if (rv == CKR_OK)
        rv = object_bool(call, object, CKA_EXTRACTABLE, &info->extractable);
    if (rv != CKR_OK)
        return rv == CKR_BUFFER_TOO_SMALL ? CKR_OUR_BAD_ANSWER : rv;
    if (class == HSM_RSA) {
        rv = read_numbers(call, object, key);
        if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_OUR_BAD_ANSWER)
            rv = read_numbers_of_public(call, key);
    } else {
        CK_ULONG bytes = 0;
        rv = object_bytes(call, object, CKA_VALUE_LEN, &bytes, sizeof bytes, &len);
        info->bits = (unsigned)bytes * 8;
    }
    (void)pthread_mutex_lock(&call->hsm->lock);
    key->handle = object;
    key->generation = call->hsm->generation;
    (void)pthread_mutex_unlock(&call->hsm->lock);
    return rv;
}

struct find {
    enum hsm_class class;
    const char *label;
    struct hsm_key *key;
};

static CK_RV find_op(struct hsm_call *call, void *ctx)
{
    struct find *find = ctx;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    CK_RV rv = key_object(call, find->class, find->label, NULL, &object);
    if (rv != CKR_OK)
        return rv;
    key_clear(find->key);
    return key_read(call, find->class, object, find->key);
}

enum err hsm_key_find(struct hsm *hsm, enum hsm_class class, const char *label,
                      struct hsm_key **ret_key, struct err_detail *detail)
{
    if (strlen(label) > HSM_LABEL_MAX)
        return err_set(detail, ERR_ARGUMENT, "label has more than %d bytes", HSM_LABEL_MAX);
    AUTO(hsm_key_freep) struct hsm_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_NO_MEMORY;
    struct find find = {class, label, key};
    TRY(hsm_run(hsm, NULL, find_op, &find, label, detail));
    *ret_key = TAKE(key);
    return ERR_OK;
}

enum err hsm_rsa_public(struct hsm *hsm, struct hsm_key *key, struct rsa_public **ret_public,
                        struct err_detail *detail)
{
    (void)hsm;
    if (key->info.class != HSM_RSA)
        return err_set(detail, ERR_ARGUMENT, "%s: not an RSA key", key->info.label);
    return rsa_public_from_parts(key->modulus, key->exponent, ret_public, detail);
}

void hsm_key_info(const struct hsm_key *key, struct hsm_key_info *ret_info)
{
    *ret_info = key->info;
}

static CK_RV destroy_op(struct hsm_call *call, void *ctx)
{
    struct hsm_key *key = ctx;
    if (key->info.class == HSM_RSA) {
        struct template t = {.count = 0};
        template_ulong(&t, CKA_CLASS, &template_public_key);
        template_bytes(&t, CKA_ID, bytes_of(key->info.id, key->info.id_len));
        template_bool(&t, CKA_TOKEN, true);
        CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
        CK_ULONG count = 0;
        if (objects_find(call, &t, &handle, 1, &count) == CKR_OK && count == 1)
            object_destroy(call, handle);
    }
    return call->f->C_DestroyObject(call->session, call->key);
}

enum err hsm_key_destroy(struct hsm *hsm, struct hsm_key *key, struct err_detail *detail)
{
    TRY(hsm_run(hsm, key, destroy_op, key, key->info.label, detail));
    key_forget(hsm, key);
    key->destroyed = true;
    return ERR_OK;
}

void hsm_key_free(struct hsm_key *key)
{
    if (key != NULL)
        key_clear(key);
    free(key);
}

void hsm_key_freep(struct hsm_key **key)
{
    hsm_key_free(*key);
    *key = NULL;
}

#pragma once

#include "hsm/object.h"
#include "hsm/session.h"

/* The inside of struct hsm_key, and templates; for this folder only. */

struct hsm_key {
    struct hsm_key_info info;
    struct bytes modulus, exponent; /* RSA: views into `numbers` */
    uint8_t *numbers;
    /* guarded by hsm->lock */
    CK_OBJECT_HANDLE handle;
    uint64_t generation; /* of the handle; 0: to be found */
    bool destroyed;      /* by us: nobody looks for it */
};

#define TEMPLATE_MAX 32

/* A template that is put together step by step. Values are borrowed. */
struct template
{
    CK_ATTRIBUTE at[TEMPLATE_MAX];
    CK_ULONG count;
};
void template_bytes(struct template *t, CK_ATTRIBUTE_TYPE type, struct bytes value);
void template_ulong(struct template *t, CK_ATTRIBUTE_TYPE type, const CK_ULONG *value);
void template_bool(struct template *t, CK_ATTRIBUTE_TYPE type, bool value);
/* The token found fault with the template itself: try a shorter one. */
bool template_refused(CK_RV rv);

extern const CK_ULONG template_secret_key, template_private_key, template_public_key;
extern const CK_ULONG template_aes, template_rsa, template_generic;

/* What a root or probe key may do, the dispensable at the end. Drop `ret_optional` attributes one
 * by one where the token refuses the whole. */
void template_aes_root(struct template *t, CK_ULONG *ret_optional);
void template_rsa_private(struct template *t, CK_ULONG *ret_optional);
void template_rsa_public(struct template *t);

/* All handles that match, at most `cap`; *ret_count may not be more. */
MUST_CHECK CK_RV objects_find(struct hsm_call *call, struct template *t, CK_OBJECT_HANDLE *handles,
                              CK_ULONG cap, CK_ULONG *ret_count);
/* One attribute into `to`; CKR_BUFFER_TOO_SMALL where it is longer. */
MUST_CHECK CK_RV object_bytes(struct hsm_call *call, CK_OBJECT_HANDLE object,
                              CK_ATTRIBUTE_TYPE type, void *to, size_t cap, size_t *ret_len);
MUST_CHECK CK_RV object_bool(struct hsm_call *call, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                             bool *ret_value);
void object_destroy(struct hsm_call *call, CK_OBJECT_HANDLE object);

/* Fill `key` (zeroed) from the object; the handle too. */
MUST_CHECK CK_RV key_read(struct hsm_call *call, enum hsm_class class, CK_OBJECT_HANDLE object,
                          struct hsm_key *key);
void key_clear(struct hsm_key *key);
/* The object with this label and, where `id` is not NULL, this id: CKR_OUR_NOT_FOUND,
 * CKR_OUR_AMBIGUOUS. */
MUST_CHECK CK_RV key_object(struct hsm_call *call, enum hsm_class class, const char *label,
                            const struct bytes *id, CK_OBJECT_HANDLE *ret_object);

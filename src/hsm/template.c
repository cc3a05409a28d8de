#include <assert.h>

#include "hsm/key.h"

static const CK_BBOOL yes = CK_TRUE;
static const CK_BBOOL no = CK_FALSE;

const CK_ULONG template_secret_key = CKO_SECRET_KEY;
const CK_ULONG template_private_key = CKO_PRIVATE_KEY;
const CK_ULONG template_public_key = CKO_PUBLIC_KEY;
const CK_ULONG template_aes = CKK_AES;
const CK_ULONG template_rsa = CKK_RSA;
const CK_ULONG template_generic = CKK_GENERIC_SECRET;

void template_bytes(struct template *t, CK_ATTRIBUTE_TYPE type, struct bytes value)
{
    assert(t->count < TEMPLATE_MAX);
    /* The standard's pointers are not const though a token only reads them. */
    t->at[t->count++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value.data, value.len};
}

void template_ulong(struct template *t, CK_ATTRIBUTE_TYPE type, const CK_ULONG *value)
{
    template_bytes(t, type, bytes_of(value, sizeof *value));
}

void template_bool(struct template *t, CK_ATTRIBUTE_TYPE type, bool value)
{
    template_bytes(t, type, bytes_of(value ? &yes : &no, sizeof yes));
}

bool template_refused(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID ||
           rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_ATTRIBUTE_READ_ONLY ||
           rv == CKR_GENERAL_ERROR; /* NSS, of a token object with CKA_COPYABLE */
}

/* What keeps a key in; tokens that don't know the last two are common. */
static void confine(struct template *t, CK_ULONG *ret_optional)
{
    template_bool(t, CKA_DERIVE, false);
    template_bool(t, CKA_MODIFIABLE, false);
    template_bool(t, CKA_COPYABLE, false);
    *ret_optional = 3;
}

void template_aes_root(struct template *t, CK_ULONG *ret_optional)
{
    static const CK_ULONG length = 32;
    template_ulong(t, CKA_CLASS, &template_secret_key);
    template_ulong(t, CKA_KEY_TYPE, &template_aes);
    template_ulong(t, CKA_VALUE_LEN, &length);
    template_bool(t, CKA_PRIVATE, true);
    template_bool(t, CKA_SENSITIVE, true);
    template_bool(t, CKA_EXTRACTABLE, false);
    template_bool(t, CKA_WRAP, true);
    template_bool(t, CKA_UNWRAP, true);
    /* Some tokens in FIPS mode allow wrapping or encrypting, never both. */
    template_bool(t, CKA_ENCRYPT, true);
    template_bool(t, CKA_DECRYPT, true);
    confine(t, ret_optional);
    *ret_optional += 2;
}

void template_rsa_private(struct template *t, CK_ULONG *ret_optional)
{
    template_ulong(t, CKA_CLASS, &template_private_key);
    template_ulong(t, CKA_KEY_TYPE, &template_rsa);
    template_bool(t, CKA_PRIVATE, true);
    template_bool(t, CKA_SENSITIVE, true);
    template_bool(t, CKA_EXTRACTABLE, false);
    template_bool(t, CKA_SIGN, true);
    template_bool(t, CKA_DECRYPT, true);
    confine(t, ret_optional);
}

void template_rsa_public(struct template *t)
{
    template_ulong(t, CKA_CLASS, &template_public_key);
    template_ulong(t, CKA_KEY_TYPE, &template_rsa);
    template_bool(t, CKA_PRIVATE, false);
    template_bool(t, CKA_VERIFY, true);
    template_bool(t, CKA_ENCRYPT, true);
}

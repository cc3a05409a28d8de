#pragma once

#include "crypto/signature.h"
#include "hsm/key.h"
#include "hsm/managed.h"

/* p11-kit's header gives the standard's fields other names by macros; these two are crypto's. */
#undef iv_len
#undef hash_alg

/* Inside this folder only: managed objects within one operation. */

/* Handles of objects by id; a fixed table where a newcomer takes an older one's place. Guarded by
 * hsm->lock. */
#define MANAGED_CACHE 4096 /* a power of two */
struct managed_cache {
    struct {
        uint8_t id[HSM_MANAGED_ID];
        CK_OBJECT_HANDLE handle;
        uint64_t generation; /* 0: empty */
    } at[MANAGED_CACHE];
};

typedef CK_RV managed_fn(struct hsm_call *call, const struct hsm_managed *object, void *ctx);
/* Run `fn` with call->key being the object; once more where its handle was stale. */
MUST_CHECK enum err managed_run(struct hsm *hsm, const struct hsm_managed *object, managed_fn *fn,
                                void *ctx, const char *what, struct err_detail *detail);
void managed_forget(struct hsm *hsm, const struct hsm_managed *object);
/* CKO_SECRET_KEY or CKO_PRIVATE_KEY with this id; CKR_OUR_NOT_FOUND. */
MUST_CHECK CK_RV managed_find(struct hsm_call *call, const struct hsm_managed *object,
                              CK_OBJECT_HANDLE *ret_handle);

/* What kind of PKCS#11 key it is; false where there is none for it. */
bool managed_key_type(const struct hsm_managed *object, CK_KEY_TYPE *ret_type);
/* DER of the curve's OID; empty for one that is not served. */
struct bytes managed_curve(uint32_t curve, uint32_t bits);

/* A mechanism with room for what its parameter points to. */
struct managed_mechanism {
    CK_MECHANISM m;
    union {
        CK_GCM_PARAMS gcm;
        CK_AES_CTR_PARAMS ctr;
        CK_RSA_PKCS_OAEP_PARAMS oaep;
        CK_RSA_PKCS_PSS_PARAMS pss;
    } u;
    uint8_t iv[CRYPTO_IV_MAX];
    size_t iv_len;
    size_t tag_len;   /* AEAD: the tag is behind the text */
    uint32_t padding; /* put and taken off here: PKCS5 over ECB; 0: the token's business */
    size_t block;
    struct signature_scheme scheme;
};
/* Decides mechanism and IV; ERR_TOKEN_UNABLE where PKCS#11 has none that would do. */
MUST_CHECK enum err managed_mechanism(const struct hsm_managed *object,
                                      const struct crypto_input *input,
                                      struct managed_mechanism *ret_mechanism,
                                      struct err_detail *detail);

#pragma once

#include "base/buf.h"
#include "crypto/use.h"
#include "keeper/types.h"

struct keeper_client;

/* A part of keeper/client.h: managed objects of KMIP. Their keys are records of table KEEPER_OBJECT
 * of any length up to KEEPER_OBJECT_MAX, whose sealed plaintext begins with a header of the
 * keeper's own: class, algorithm, flags, and for an object in the token where it is there. So a
 * record is used as what it was made as, by nobody's word but the keeper's. All calls block a
 * thread or pause a fiber; many fibers of one thread may be in calls at the same time, and what one
 * loop iteration asks travels in one message. `actor`: the client's name. */

/* One object for a call. Borrowed. */
struct keeper_object {
    struct keeper_row row; /* table is KEEPER_OBJECT */
    struct bytes sealed;   /* what the store holds; empty for one that is to be made */
    struct bytes name;     /* unique identifier */
};

/* What it is to be. */
struct keeper_object_spec {
    enum crypto_class class;
    uint32_t alg;      /* enum crypto_alg; 0 for secret data without one */
    uint32_t bits;     /* length; for secret data too */
    uint32_t curve;    /* enum crypto_curve for EC; 0: by bits */
    uint64_t exponent; /* RSA public exponent; 0: 65537 */
    uint32_t flags;    /* enum keeper_object_flag */
};

/* What came of it. `sealed` and `spki` are the caller's buffers, appended to. */
struct keeper_object_made {
    struct buf *sealed;
    struct buf *spki;   /* pairs: DER SubjectPublicKeyInfo; may be NULL otherwise */
    uint8_t digest[32]; /* SHA-256 of the material (KMIP attribute Digest of format Raw, PKCS#8, or
                           for RSA PKCS#1) */
    uint32_t bits;      /* of what was registered, found out */
    uint32_t alg;
    uint32_t len; /* bytes of material */
};

/* For a key that is to be made in the token (spec->flags KEEPER_IN_TOKEN): what may be
 * object->sealed of the three calls below, with the same spec, and of keeper_object_destroy before
 * the key was made and after. Appends. */
MUST_CHECK enum err keeper_object_reserve(struct keeper_client *client, const char *actor,
                                          const struct keeper_object *object,
                                          const struct keeper_object_spec *spec, struct buf *sealed,
                                          struct err_detail *detail);
/* A new random symmetric key or secret (class SYMMETRIC, SECRET). */
MUST_CHECK enum err keeper_object_generate(struct keeper_client *client, const char *actor,
                                           const struct keeper_object *object,
                                           const struct keeper_object_spec *spec,
                                           struct keeper_object_made *made,
                                           struct err_detail *detail);
/* A new key pair: the private key sealed as `object` (spec->class PRIVATE), the public key in
 * clear. */
MUST_CHECK enum err keeper_object_generate_pair(struct keeper_client *client, const char *actor,
                                                const struct keeper_object *object,
                                                const struct keeper_object_spec *spec,
                                                struct keeper_object_made *made,
                                                struct err_detail *detail);
/* Register: material that came in clear (raw bytes, or PKCS#8). ERR_KEY_FORM where it is no such
 * key. */
MUST_CHECK enum err keeper_object_seal(struct keeper_client *client, const char *actor,
                                       const struct keeper_object *object,
                                       const struct keeper_object_spec *spec, struct bytes material,
                                       struct keeper_object_made *made, struct err_detail *detail);
/* Get in clear. Appends the material. ERR_DENIED where the record says NO_RELEASE or NO_EXTRACT;
 * for one in the token as docs of [kmip] kek say, ERR_TOKEN_UNABLE where the token does not give
 * it. */
MUST_CHECK enum err keeper_object_release(struct keeper_client *client, const char *actor,
                                          const struct keeper_object *object, struct buf *material,
                                          struct err_detail *detail);
/* Use it. As crypto_use; data of any length up to CRYPTO_DATA_MAX. */
MUST_CHECK enum err keeper_object_use(struct keeper_client *client, const char *actor,
                                      const struct keeper_object *object,
                                      const struct crypto_input *input,
                                      struct crypto_output *output, struct err_detail *detail);

/* Use in pieces. The stream belongs to this client connection and ends after
 * KEEPER_SESSION_IDLE_S without use; ERR_NOT_FOUND then. */
MUST_CHECK enum err keeper_stream_begin(struct keeper_client *client, const char *actor,
                                        const struct keeper_object *object,
                                        const struct crypto_input *input,
                                        struct crypto_output *output, uint32_t *ret_stream,
                                        struct err_detail *detail);
MUST_CHECK enum err keeper_stream_update(struct keeper_client *client, uint32_t stream,
                                         struct bytes data, struct buf *to,
                                         struct err_detail *detail);
/* Ends it whatever comes of it. */
MUST_CHECK enum err keeper_stream_end(struct keeper_client *client, uint32_t stream,
                                      struct bytes data, struct bytes tag,
                                      struct crypto_output *output, struct err_detail *detail);
void keeper_stream_drop(struct keeper_client *client, uint32_t stream);

/* Hash of the material (attribute Digest with another hash than SHA-256). Appends. */
MUST_CHECK enum err keeper_object_digest(struct keeper_client *client, const char *actor,
                                         const struct keeper_object *object, uint32_t hash,
                                         struct buf *digest, struct err_detail *detail);
/* New flags (one may only be added, never taken away: ERR_STATE), or a new row or epoch for the
 * same key. */
MUST_CHECK enum err keeper_object_reflag(struct keeper_client *client, const char *actor,
                                         const struct keeper_object *object, uint32_t flags,
                                         struct keeper_row row, struct buf *sealed,
                                         struct err_detail *detail);
/* Many records under the newest version of their domain's key; names are not looked at. Results
 * one by one. What is sealed anew is appended to `sealed`, one after the other. */
struct keeper_object_resealed {
    enum err err;
    size_t at, len; /* in `sealed` */
};
MUST_CHECK enum err keeper_object_reseal(struct keeper_client *client, const char *actor,
                                         const struct keeper_object *objects, size_t count,
                                         struct buf *sealed,
                                         struct keeper_object_resealed *ret_resealed,
                                         struct err_detail *detail);
/* Destroy what is outside the store (an object in the token). Harmless where there is nothing. */
MUST_CHECK enum err keeper_object_destroy(struct keeper_client *client, const char *actor,
                                          const struct keeper_object *object,
                                          struct err_detail *detail);

#include "keeper/client_derive.h"

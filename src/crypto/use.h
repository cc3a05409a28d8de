#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/algorithm.h"

/* Using a key: encrypt, decrypt, sign, verify, MAC, at once or in pieces. Everything that depends
 * on the algorithm, the mode and the padding is decided here, once, for the keeper (secret and
 * private keys) and for the engine (public keys). One thread per stream; the rest is stateless. */

enum crypto_class {
    CRYPTO_SYMMETRIC = 1, /* raw bytes */
    CRYPTO_PRIVATE,       /* DER PrivateKeyInfo (PKCS#8) */
    CRYPTO_PUBLIC,        /* DER SubjectPublicKeyInfo */
    CRYPTO_SECRET,        /* any bytes: secret data, a share of a split key */
};

/* Borrowed. */
struct crypto_key {
    enum crypto_class class;
    uint32_t alg; /* enum crypto_alg; 0 where none is known (secret data) */
    struct bytes material;
};

enum crypto_op {
    CRYPTO_ENCRYPT = 1,
    CRYPTO_DECRYPT,
    CRYPTO_SIGN,
    CRYPTO_VERIFY,
    CRYPTO_MAC,
    CRYPTO_MAC_VERIFY,
};

/* KMIP's Cryptographic Parameters (2.1, 4.16); 0 where the client gave none: then the usual for the
 * algorithm holds (AES: CBC without padding; RSA encryption: PKCS#1 v1.5; RSA signature: by
 * `signature`, else by padding and hash; HMAC: the hash of its algorithm, else `hash`). */
struct crypto_params {
    uint32_t mode, padding, hash, signature;
    uint32_t mask_hash;    /* of MGF1; 0: SHA-1, or `hash` for PSS */
    int32_t salt_len;      /* PSS; -1: the hash's length */
    int32_t tag_len;       /* bytes; 0: 16 */
    int32_t counter_len;   /* bits of CTR's counter; 0: 128 */
    int32_t iv_len;        /* bytes of a random IV; 0: the mode's usual */
    bool random_iv;        /* make an IV where `iv` is empty */
    struct bytes p_source; /* OAEP's label */
};

/* What goes in. Borrowed. */
struct crypto_input {
    enum crypto_op op;
    struct crypto_params params;
    struct bytes data; /* at most CRYPTO_DATA_MAX */
    bool digested;     /* sign, verify: `data` is the hash already */
    struct bytes iv;   /* or counter or nonce */
    struct bytes aad;  /* AEAD modes */
    struct bytes tag;  /* decrypt: the tag; verify: the signature; MAC verify: the MAC */
};

#define CRYPTO_DATA_MAX ((size_t)16 * 1024 * 1024)
#define CRYPTO_IV_MAX   64
#define CRYPTO_TAG_MAX  64

/* What comes out: appended data (encrypt, decrypt: text; sign: signature; MAC), the IV where one
 * was made, the tag of an AEAD, and whether a signature or MAC holds (that it doesn't is no error).
 */
struct crypto_output {
    struct buf *data;
    uint8_t iv[CRYPTO_IV_MAX];
    size_t iv_len;
    uint8_t tag[CRYPTO_TAG_MAX];
    size_t tag_len;
    bool valid;
};

/* Errors: ERR_UNSUPPORTED (algorithm, mode, padding or hash that is not served), ERR_ARGUMENT (they
 * don't go with the key or each other, wrong IV length, data not a multiple of the block without
 * padding), ERR_DECRYPT (tag or padding: one answer for all), ERR_KEY_FORM (material that is no
 * such key), ERR_LIMIT. `detail` says which; never anything of the data. */
MUST_CHECK enum err crypto_use(const struct crypto_key *key, const struct crypto_input *input,
                               struct crypto_output *output, struct err_detail *detail);
/* What crypto_use checks before it has data: can this key do this? */
MUST_CHECK enum err crypto_can(const struct crypto_key *key, enum crypto_op op,
                               const struct crypto_params *params, struct err_detail *detail);

/* In pieces (KMIP's Init Indicator, Final Indicator). The key's material is not needed after begin.
 * Decryption of an AEAD gives out pieces before the tag was checked; end fails where it does not
 * fit. For sign, verify and MAC the pieces are hashed; ERR_UNSUPPORTED where a scheme can't. */
struct crypto_stream;
/* `input` without data; iv, aad and params as above; `output` gets the IV that was made. */
MUST_CHECK enum err crypto_stream_begin(const struct crypto_key *key,
                                        const struct crypto_input *input,
                                        struct crypto_output *output,
                                        struct crypto_stream **ret_stream,
                                        struct err_detail *detail);
MUST_CHECK enum err crypto_stream_update(struct crypto_stream *stream, struct bytes data,
                                         struct buf *to, struct err_detail *detail);
/* `tag` as in crypto_input; may be given here only. The stream stays the caller's to free. */
MUST_CHECK enum err crypto_stream_end(struct crypto_stream *stream, struct bytes tag,
                                      struct crypto_output *output, struct err_detail *detail);
void crypto_stream_free(struct crypto_stream *stream); /* wipes; NULL is allowed */
void crypto_stream_freep(struct crypto_stream **stream);

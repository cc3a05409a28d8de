#pragma once

#include "crypto/evp_tables.h"
#include "crypto/use.h"

/* Inside this folder only: what a family of algorithms gives to use.c. */

struct use_family {
    /* Before there is data; `pieces`: for a stream. */
    enum err (*can)(const struct crypto_key *key, enum crypto_op op,
                    const struct crypto_params *params, bool pieces, struct err_detail *detail);
    enum err (*use)(const struct crypto_key *key, const struct crypto_input *input,
                    struct crypto_output *output, struct err_detail *detail);
    enum err (*begin)(const struct crypto_key *key, const struct crypto_input *input,
                      struct crypto_output *output, struct crypto_stream **ret_stream,
                      struct err_detail *detail);
    enum err (*update)(struct crypto_stream *stream, struct bytes data, struct buf *to,
                       struct err_detail *detail);
    enum err (*end)(struct crypto_stream *stream, struct bytes tag, struct crypto_output *output,
                    struct err_detail *detail);
    void (*free)(struct crypto_stream *stream);
};

/* The first member of a family's own stream. */
struct crypto_stream {
    const struct use_family *family;
    enum crypto_op op;
    bool ended; /* or failed: nothing more is taken */
};

extern const struct use_family use_cipher, use_mac, use_asym_crypt, use_asym_sign;

/* The key OpenSSL's cipher wants: `key` itself, or for DES and two-key 3DES the 24 bytes of EDE3 in
 * `room` (the caller wipes it). */
struct bytes cipher_key(const struct crypto_key *key, uint8_t room[24]);
/* The cipher a mode means for a key; ERR_UNSUPPORTED, ERR_KEY_FORM (a length the algorithm has
 * not). */
MUST_CHECK enum err cipher_pick(const struct crypto_key *key, uint32_t mode,
                                const EVP_CIPHER **ret_cipher, struct err_detail *detail);
static inline bool mode_is_aead(uint32_t mode)
{
    return mode == MODE_GCM || mode == MODE_CCM || mode == MODE_AEAD;
}

#pragma once

#include "base/secret.h"

#define AEAD_KEY_SIZE   32
#define AEAD_NONCE_SIZE 12
#define AEAD_TAG_SIZE   16
#define AEAD_TAG_MIN    12                           /* the shortest tag a stream verifies */
#define AEAD_MAX        ((size_t)1024 * 1024 * 1024) /* bytes in one seal or open */
#define AEAD_STREAM_MAX ((uint64_t)0xFFFFFFFE0)      /* SP 800-38D, 5.2.1.1: 2^39 - 256 bits */

/* AES-256-GCM (SP 800-38D) under one key for many calls: the key schedule is made once, only the
 * nonce changes. A nonce must never serve twice under one key. One thread at a time. */
struct aead;

/* ERR_ARGUMENT unless `key` has 32 bytes, which are copied into OpenSSL's context. */
MUST_CHECK enum err aead_new(struct bytes key, struct aead **ret_aead);
void aead_free(struct aead *aead); /* wipes the key schedule; NULL is allowed */
void aead_freep(struct aead **aead);
/* `to` takes plain.len bytes and may be plain.data itself. On failure `to` is wiped. */
MUST_CHECK enum err aead_seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE],
                              struct bytes aad, struct bytes plain, uint8_t *to,
                              uint8_t ret_tag[AEAD_TAG_SIZE]);
/* `to` takes sealed.len bytes and may be sealed.data itself. ERR_SEAL where the tag does not fit;
 * `to` is wiped then. */
MUST_CHECK enum err aead_open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE],
                              struct bytes aad, struct bytes sealed,
                              const uint8_t tag[AEAD_TAG_SIZE], uint8_t *to);

/* One message of any size up to AEAD_STREAM_MAX, in pieces. One thread at a time. After
 * a failure only free. */
struct aead_stream;

MUST_CHECK enum err aead_stream_encrypt(struct bytes key, const uint8_t nonce[AEAD_NONCE_SIZE],
                                        struct bytes aad, struct aead_stream **ret_stream);
MUST_CHECK enum err aead_stream_decrypt(struct bytes key, const uint8_t nonce[AEAD_NONCE_SIZE],
                                        struct bytes aad, struct aead_stream **ret_stream);
void aead_stream_free(struct aead_stream *stream);
void aead_stream_freep(struct aead_stream **stream);
/* Gives in.len bytes to `to`, which may be in.data itself. What a decrypting stream gives must
 * not be acted on before aead_stream_verify said yes. ERR_LIMIT past AEAD_STREAM_MAX. */
MUST_CHECK enum err aead_stream_update(struct aead_stream *stream, struct bytes in, uint8_t *to);
MUST_CHECK enum err aead_stream_tag(struct aead_stream *stream, uint8_t ret_tag[AEAD_TAG_SIZE]);
/* ERR_DECRYPT where the tag (AEAD_TAG_MIN to AEAD_TAG_SIZE bytes) does not fit. */
MUST_CHECK enum err aead_stream_verify(struct aead_stream *stream, struct bytes tag);

#pragma once

#include "base/bytes.h"
#include "crypto/algorithm.h"

/* Hashing by the number of the algorithm. Served: MD5, SHA-1, SHA-2, SHA-512/224 and /256, SHA-3,
 * and RIPEMD-160 where OpenSSL's default provider has it. hash.h is the quicker way for SHA-256. */

#define HASH_ALG_MAX 64 /* bytes of the longest digest */

/* Bytes of the digest; 0 where the algorithm is not served. */
size_t hash_alg_size(uint32_t alg);
/* The parts one after the other, at once; any thread. ERR_UNSUPPORTED. */
MUST_CHECK enum err hash_alg(uint32_t alg, const struct bytes *parts, size_t count,
                             uint8_t ret_digest[HASH_ALG_MAX], size_t *ret_len);

/* In pieces; one thread at a time. After end only free. */
struct hash_stream;
MUST_CHECK enum err hash_stream_new(uint32_t alg, struct hash_stream **ret_stream);
MUST_CHECK enum err hash_stream_update(struct hash_stream *stream, struct bytes part);
MUST_CHECK enum err hash_stream_end(struct hash_stream *stream, uint8_t ret_digest[HASH_ALG_MAX],
                                    size_t *ret_len);
void hash_stream_free(struct hash_stream *stream); /* wipes; NULL is allowed */
void hash_stream_freep(struct hash_stream **stream);

#pragma once

#include "base/bytes.h"

#define HASH_SHA256_SIZE 32
#define HASH_SHA1_SIZE   20

/* SHA-256 (FIPS 180-4) in a context that is made once and used for many digests. One thread at a
 * time. begin, update*, end; after end or a failure, begin again. */
struct hash;

MUST_CHECK enum err hash_new(struct hash **ret_hash);
void hash_free(struct hash *hash); /* NULL is allowed */
void hash_freep(struct hash **hash);
MUST_CHECK enum err hash_begin(struct hash *hash);
MUST_CHECK enum err hash_update(struct hash *hash, struct bytes part);
MUST_CHECK enum err hash_end(struct hash *hash, uint8_t ret_digest[HASH_SHA256_SIZE]);
/* begin, update with each part, end. */
MUST_CHECK enum err hash_parts(struct hash *hash, const struct bytes *parts, size_t count,
                               uint8_t ret_digest[HASH_SHA256_SIZE]);

/* One-shot, any thread; takes memory each time. */
MUST_CHECK enum err hash_sha256(const struct bytes *parts, size_t count,
                                uint8_t ret_digest[HASH_SHA256_SIZE]);
/* HMAC with SHA-256 (RFC 2104) of the parts one after the other. ERR_KEY_FORM for an empty key. */
MUST_CHECK enum err hash_hmac_sha256(struct bytes key, const struct bytes *parts, size_t count,
                                     uint8_t ret_mac[HASH_SHA256_SIZE]);
/* For the key identifiers of RFC 5280, 4.2.1.2 only: SHA-1 resists no collisions. */
MUST_CHECK enum err hash_sha1(const struct bytes *parts, size_t count,
                              uint8_t ret_digest[HASH_SHA1_SIZE]);

#pragma once

#include "base/secret.h"

#define CMAC_SIZE 16

/* AES-CMAC (SP 800-38B, RFC 4493) under one key of 16 or 32 bytes, for many messages. One
 * thread at a time. */
struct cmac;

/* ERR_ARGUMENT unless `key` has 16 or 32 bytes; it is copied. */
MUST_CHECK enum err cmac_new(struct bytes key, struct cmac **ret_cmac);
void cmac_free(struct cmac *cmac); /* wipes; NULL is allowed */
void cmac_freep(struct cmac **cmac);
/* begin, update*, end; begin drops a message that is under way. */
void cmac_begin(struct cmac *cmac);
MUST_CHECK enum err cmac_update(struct cmac *cmac, struct bytes part);
MUST_CHECK enum err cmac_end(struct cmac *cmac, uint8_t ret_mac[CMAC_SIZE]);
/* The MAC of the parts put one behind the other; quickest where they have 240 bytes or less. */
MUST_CHECK enum err cmac_parts(struct cmac *cmac, const struct bytes *parts, size_t count,
                               uint8_t ret_mac[CMAC_SIZE]);

#pragma once

#include "base/bytes.h"

/* A key, PIN or passphrase in clear. The bytes live in locked pages that are kept out of core dumps
 * and out of forked children, and are wiped when freed. A secret can't be printed. Any thread; one
 * owner at a time. */
struct secret;

#define SECRET_MAX ((size_t)64 * 1024)

/* `len` zero bytes, at most SECRET_MAX. ERR_NO_MEMORY where pages can't be locked. */
MUST_CHECK enum err secret_new(size_t len, struct secret **ret_secret);
/* A copy; the source stays the caller's to wipe. */
MUST_CHECK enum err secret_dup(struct bytes from, struct secret **ret_secret);
void secret_free(struct secret *secret); /* NULL is allowed */
void secret_freep(struct secret **secret);
uint8_t *secret_data(struct secret *secret);
size_t secret_len(const struct secret *secret);
struct bytes secret_view(const struct secret *secret);
/* Make it shorter and wipe the rest. */
void secret_shrink(struct secret *secret, size_t len);
/* Constant time in the contents; lengths are not secret. */
bool secret_equal(struct bytes a, struct bytes b);

/* 32 bytes on the stack, wiped at the end of the scope: `AUTO(secret_block32_wipe) struct
 * secret_block32 key;` */
struct secret_block32 {
    uint8_t data[32];
};
void secret_block32_wipe(struct secret_block32 *block);

#pragma once

#include "base/bytes.h"

/* Memory of one request: take without freeing, give back all at once. Everything is wiped by
 * arena_reset and arena_free. One thread at a time. */
struct arena;

/* `limit` bounds what one request may take in bytes. */
MUST_CHECK enum err arena_new(size_t limit, struct arena **ret_arena);
void arena_free(struct arena *arena);
void arena_freep(struct arena **arena);
/* Wipe and keep the first chunk for the next request. */
void arena_reset(struct arena *arena);
/* Aligned to 16 and zeroed; NULL past the limit or out of memory. */
void *arena_take(struct arena *arena, size_t len);
/* A copy with a NUL behind it; NULL as above. */
char *arena_strndup(struct arena *arena, const void *text, size_t len);
/* A copy of bytes, with a NUL behind it too; ERR_NO_MEMORY as above. `ret_copy` may be `value`'s
 * place. */
MUST_CHECK enum err arena_copy(struct arena *arena, struct bytes value, struct bytes *ret_copy);

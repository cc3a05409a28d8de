#include "base/arena.h"

#include <stdlib.h>

#define CHUNK_SIZE ((size_t)16 * 1024)

struct chunk {
    struct chunk *next;
    size_t cap;
    size_t used;
    _Alignas(16) uint8_t data[];
};

struct arena {
    struct chunk *chunks; /* newest first */
    size_t taken;
    size_t limit;
};

static struct chunk *chunk_new(size_t cap)
{
    struct chunk *chunk = calloc(1, sizeof *chunk + cap);
    if (chunk != NULL)
        chunk->cap = cap;
    return chunk;
}

static void chunk_free(struct chunk *chunk)
{
    explicit_bzero(chunk->data, chunk->used);
    free(chunk);
}

enum err arena_new(size_t limit, struct arena **ret_arena)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (arena == NULL)
        return ERR_NO_MEMORY;
    arena->limit = limit;
    *ret_arena = arena;
    return ERR_OK;
}

void arena_reset(struct arena *arena)
{
    struct chunk *chunk = arena->chunks;
    while (chunk != NULL && chunk->next != NULL) {
        struct chunk *next = chunk->next;
        chunk_free(chunk);
        chunk = next;
    }
    if (chunk != NULL) {
        explicit_bzero(chunk->data, chunk->used);
        chunk->used = 0;
    }
    arena->chunks = chunk;
    arena->taken = 0;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_reset(arena);
    if (arena->chunks != NULL)
        chunk_free(arena->chunks);
    free(arena);
}

void arena_freep(struct arena **arena)
{
    arena_free(*arena);
    *arena = NULL;
}

void *arena_take(struct arena *arena, size_t len)
{
    size_t rounded = (len + 15) & ~(size_t)15;
    if (rounded < len || arena->limit - arena->taken < rounded)
        return NULL;
    struct chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->cap - chunk->used < rounded) {
        chunk = chunk_new(rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE);
        if (chunk == NULL)
            return NULL;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *at = chunk->data + chunk->used;
    chunk->used += rounded;
    arena->taken += rounded;
    return at;
}

char *arena_strndup(struct arena *arena, const void *text, size_t len)
{
    char *copy = arena_take(arena, len + 1);
    if (copy != NULL && len != 0)
        memcpy(copy, text, len);
    return copy;
}

enum err arena_copy(struct arena *arena, struct bytes value, struct bytes *ret_copy)
{
    const char *copy = arena_strndup(arena, value.data, value.len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    *ret_copy = bytes_of(copy, value.len);
    return ERR_OK;
}

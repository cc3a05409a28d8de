#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/* A borrowed view of bytes; owns nothing. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

#define BYTES(array) ((struct bytes){(const uint8_t *)(array), sizeof(array)})

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){(const uint8_t *)data, len};
}

static inline struct bytes bytes_str(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Big-endian integers at an address without alignment. */
static inline uint16_t be16_load(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t be32_load(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t be64_load(const uint8_t *p)
{
    return (uint64_t)be32_load(p) << 32 | be32_load(p + 4);
}
static inline void be16_store(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void be32_store(uint8_t *p, uint32_t v)
{
    be16_store(p, (uint16_t)(v >> 16));
    be16_store(p + 2, (uint16_t)v);
}
static inline void be64_store(uint8_t *p, uint64_t v)
{
    be32_store(p, (uint32_t)(v >> 32));
    be32_store(p + 4, (uint32_t)v);
}

/* Reads big-endian fields from borrowed bytes. The first failure sticks: every later read gives
 * zero or an empty view, so read all fields and check reader_status once. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    enum err err;
};

struct reader reader_of(struct bytes input);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
struct bytes reader_bytes(struct reader *r, size_t len);
struct bytes reader_bytes16(struct reader *r);            /* u16 length, then the bytes */
struct bytes reader_bytes32(struct reader *r);            /* u32 length, then the bytes */
void reader_copy(struct reader *r, void *to, size_t len); /* zero-fills `to` on failure */
void reader_fail(struct reader *r, enum err err);
size_t reader_left(const struct reader *r);
/* ERR_OK only if nothing failed. */
MUST_CHECK enum err reader_status(const struct reader *r);
/* ERR_OK only if nothing failed and nothing is left. */
MUST_CHECK enum err reader_end(const struct reader *r);

/* Writes big-endian fields into a buffer of fixed size that the caller owns. The first overflow
 * sticks as ERR_LIMIT and nothing is written past it. */
struct writer {
    uint8_t *buf;
    size_t len;
    size_t cap;
    enum err err;
};

struct writer writer_of(void *buf, size_t cap);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_bytes(struct writer *w, struct bytes v);
void writer_bytes16(struct writer *w, struct bytes v);
void writer_bytes32(struct writer *w, struct bytes v);
/* Room for `len` bytes to be filled by the caller; NULL on overflow. */
uint8_t *writer_reserve(struct writer *w, size_t len);
MUST_CHECK enum err writer_status(const struct writer *w);
static inline struct bytes writer_view(const struct writer *w)
{
    return (struct bytes){w->buf, w->len};
}

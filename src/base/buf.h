#pragma once

#include "base/bytes.h"

/* A growing buffer on the heap; wiped before it is freed or moved, so it may hold what a request
 * received. For keys use struct secret. Embedded: zero-initialise, buf_done at the end. */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

void buf_done(struct buf *b);
/* Room for `extra` more bytes; ERR_LIMIT past 1 GiB. */
MUST_CHECK enum err buf_reserve(struct buf *b, size_t extra);
MUST_CHECK enum err buf_append(struct buf *b, struct bytes v);
__attribute__((format(printf, 2, 3))) MUST_CHECK enum err buf_printf(struct buf *b,
                                                                     const char *format, ...);
/* Drop `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);
static inline struct bytes buf_view(const struct buf *b)
{
    return (struct bytes){b->data, b->len};
}

#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_MAX ((size_t)1 << 30)

void buf_done(struct buf *b)
{
    if (b->data != NULL)
        explicit_bzero(b->data, b->cap);
    free(b->data);
    *b = (struct buf){0};
}

enum err buf_reserve(struct buf *b, size_t extra)
{
    if (extra > BUF_MAX || b->len + extra > BUF_MAX)
        return ERR_LIMIT;
    if (b->cap - b->len >= extra)
        return ERR_OK;
    size_t cap = b->cap < 256 ? 256 : b->cap;
    while (cap < b->len + extra)
        cap *= 2;
    uint8_t *grown = malloc(cap);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    if (b->len != 0)
        memcpy(grown, b->data, b->len);
    size_t len = b->len;
    buf_done(b);
    *b = (struct buf){.data = grown, .len = len, .cap = cap};
    return ERR_OK;
}

enum err buf_append(struct buf *b, struct bytes v)
{
    TRY(buf_reserve(b, v.len));
    if (v.len != 0)
        memcpy(b->data + b->len, v.data, v.len);
    b->len += v.len;
    return ERR_OK;
}

enum err buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return ERR_INTERNAL;
    TRY(buf_reserve(b, (size_t)len + 1));
    va_start(args, format);
    (void)vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, args);
    va_end(args);
    b->len += (size_t)len;
    return ERR_OK;
}

void buf_consume(struct buf *b, size_t len)
{
    assert(len <= b->len);
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
}

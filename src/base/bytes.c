#include "base/bytes.h"

struct reader reader_of(struct bytes input)
{
    return (struct reader){.at = input.data, .end = input.data + input.len, .err = ERR_OK};
}

void reader_fail(struct reader *r, enum err err)
{
    if (r->err == ERR_OK)
        r->err = err;
    r->at = r->end;
}

size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

struct bytes reader_bytes(struct reader *r, size_t len)
{
    if (r->err != ERR_OK || reader_left(r) < len) {
        reader_fail(r, ERR_TRUNCATED);
        return (struct bytes){0};
    }
    struct bytes view = {r->at, len};
    r->at += len;
    return view;
}

uint8_t reader_u8(struct reader *r)
{
    struct bytes b = reader_bytes(r, 1);
    return b.len != 0 ? b.data[0] : 0;
}

uint16_t reader_u16(struct reader *r)
{
    struct bytes b = reader_bytes(r, 2);
    return b.len != 0 ? be16_load(b.data) : 0;
}

uint32_t reader_u32(struct reader *r)
{
    struct bytes b = reader_bytes(r, 4);
    return b.len != 0 ? be32_load(b.data) : 0;
}

uint64_t reader_u64(struct reader *r)
{
    struct bytes b = reader_bytes(r, 8);
    return b.len != 0 ? be64_load(b.data) : 0;
}

struct bytes reader_bytes16(struct reader *r)
{
    return reader_bytes(r, reader_u16(r));
}

struct bytes reader_bytes32(struct reader *r)
{
    return reader_bytes(r, reader_u32(r));
}

void reader_copy(struct reader *r, void *to, size_t len)
{
    struct bytes b = reader_bytes(r, len);
    if (b.len == len && len != 0)
        memcpy(to, b.data, len);
    else
        memset(to, 0, len);
}

enum err reader_status(const struct reader *r)
{
    return r->err;
}

enum err reader_end(const struct reader *r)
{
    if (r->err != ERR_OK)
        return r->err;
    return reader_left(r) == 0 ? ERR_OK : ERR_SYNTAX;
}

struct writer writer_of(void *buf, size_t cap)
{
    return (struct writer){.buf = buf, .len = 0, .cap = cap, .err = ERR_OK};
}

uint8_t *writer_reserve(struct writer *w, size_t len)
{
    if (w->err != ERR_OK || w->cap - w->len < len) {
        w->err = ERR_LIMIT;
        return NULL;
    }
    uint8_t *at = w->buf + w->len;
    w->len += len;
    return at;
}

void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *at = writer_reserve(w, 1);
    if (at != NULL)
        *at = v;
}

void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *at = writer_reserve(w, 2);
    if (at != NULL)
        be16_store(at, v);
}

void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *at = writer_reserve(w, 4);
    if (at != NULL)
        be32_store(at, v);
}

void writer_u64(struct writer *w, uint64_t v)
{
    uint8_t *at = writer_reserve(w, 8);
    if (at != NULL)
        be64_store(at, v);
}

void writer_bytes(struct writer *w, struct bytes v)
{
    uint8_t *at = writer_reserve(w, v.len);
    if (at != NULL && v.len != 0)
        memcpy(at, v.data, v.len);
}

void writer_bytes16(struct writer *w, struct bytes v)
{
    if (v.len > UINT16_MAX) {
        w->err = ERR_LIMIT;
        return;
    }
    writer_u16(w, (uint16_t)v.len);
    writer_bytes(w, v);
}

void writer_bytes32(struct writer *w, struct bytes v)
{
    if (v.len > UINT32_MAX) {
        w->err = ERR_LIMIT;
        return;
    }
    writer_u32(w, (uint32_t)v.len);
    writer_bytes(w, v);
}

enum err writer_status(const struct writer *w)
{
    return w->err;
}

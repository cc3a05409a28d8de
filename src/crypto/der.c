#include "crypto/der.h"

#include <stdio.h>
#include <time.h>

static void fail(struct der_writer *w, enum err err)
{
    if (w->err == ERR_OK)
        w->err = err;
}

static void append(struct der_writer *w, struct bytes v)
{
    if (w->err == ERR_OK)
        w->err = buf_append(&w->out, v);
}

void der_done(struct der_writer *w)
{
    buf_done(&w->out);
    *w = (struct der_writer){0};
}

/* X.690, 10.1: the shortest definite form. */
static size_t length_octets(size_t len, uint8_t to[5])
{
    if (len < 0x80) {
        to[0] = (uint8_t)len;
        return 1;
    }
    uint8_t all[4];
    be32_store(all, (uint32_t)len);
    size_t skip = 0;
    while (all[skip] == 0)
        skip++;
    to[0] = (uint8_t)(0x80 | (4 - skip));
    memcpy(to + 1, all + skip, 4 - skip);
    return 5 - skip;
}

void der_begin(struct der_writer *w, uint8_t tag)
{
    if (w->depth == DER_DEPTH_MAX) {
        fail(w, ERR_LIMIT);
        return;
    }
    const uint8_t head[] = {tag, 0};
    append(w, BYTES(head));
    w->open[w->depth++] = w->out.len;
}

void der_end(struct der_writer *w)
{
    if (w->err != ERR_OK)
        return;
    if (w->depth == 0) {
        fail(w, ERR_INTERNAL);
        return;
    }
    size_t start = w->open[--w->depth];
    size_t len = w->out.len - start;
    if (len > DER_LEN_MAX) {
        fail(w, ERR_LIMIT);
        return;
    }
    uint8_t octets[5];
    size_t count = length_octets(len, octets);
    w->err = buf_reserve(&w->out, count - 1);
    if (w->err != ERR_OK)
        return;
    /* One octet was left for the length; a longer one moves the content. */
    memmove(w->out.data + start + count - 1, w->out.data + start, len);
    memcpy(w->out.data + start - 1, octets, count);
    w->out.len += count - 1;
}

void der_put(struct der_writer *w, uint8_t tag, struct bytes content)
{
    if (content.len > DER_LEN_MAX) {
        fail(w, ERR_LIMIT);
        return;
    }
    uint8_t head[6] = {tag};
    size_t count = length_octets(content.len, head + 1);
    append(w, bytes_of(head, count + 1));
    append(w, content);
}

void der_put_raw(struct der_writer *w, struct bytes der)
{
    append(w, der);
}

void der_put_uint(struct der_writer *w, struct bytes magnitude)
{
    while (magnitude.len > 1 && magnitude.data[0] == 0)
        magnitude = bytes_of(magnitude.data + 1, magnitude.len - 1);
    static const uint8_t zero[1];
    if (magnitude.len == 0)
        magnitude = BYTES(zero);
    if (magnitude.data[0] < 0x80) {
        der_put(w, DER_INTEGER, magnitude);
        return;
    }
    der_begin(w, DER_INTEGER);
    append(w, BYTES(zero));
    append(w, magnitude);
    der_end(w);
}

void der_put_small(struct der_writer *w, uint32_t value)
{
    uint8_t all[4];
    be32_store(all, value);
    der_put_uint(w, BYTES(all));
}

void der_put_null(struct der_writer *w)
{
    der_put(w, DER_NULL, (struct bytes){0});
}

void der_put_bool(struct der_writer *w, bool value)
{
    const uint8_t octet = value ? 0xff : 0x00; /* X.690, 11.1 */
    der_put(w, DER_BOOLEAN, bytes_of(&octet, 1));
}

void der_put_bits(struct der_writer *w, struct bytes content)
{
    static const uint8_t unused[1];
    der_begin(w, DER_BIT_STRING);
    append(w, BYTES(unused));
    append(w, content);
    der_end(w);
}

void der_put_time(struct der_writer *w, int64_t seconds)
{
    struct tm tm;
    time_t when = (time_t)seconds;
    if (gmtime_r(&when, &tm) == NULL || tm.tm_year < 50 || tm.tm_year > 9999 - 1900) {
        fail(w, ERR_ARGUMENT);
        return;
    }
    bool utc = tm.tm_year < 150;
    char text[64];
    int len =
        snprintf(text, sizeof text, utc ? "%02d%02d%02d%02d%02d%02dZ" : "%04d%02d%02d%02d%02d%02dZ",
                 utc ? tm.tm_year % 100 : tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
    der_put(w, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, bytes_of(text, (size_t)len));
}

enum err der_status(const struct der_writer *w)
{
    if (w->err != ERR_OK)
        return w->err;
    return w->depth == 0 ? ERR_OK : ERR_INTERNAL;
}

struct der der_of(struct bytes input)
{
    return (struct der){input.data, input.data + input.len, 0};
}

bool der_left(const struct der *r)
{
    return r->at < r->end;
}

bool der_is(const struct der *r, uint8_t tag)
{
    return r->at < r->end && *r->at == tag;
}

/* Inside an element its end is known, so running out is malformed and not truncated. */
static enum err short_input(const struct der *r)
{
    return r->depth == 0 ? ERR_TRUNCATED : ERR_SYNTAX;
}

enum err der_any(struct der *r, uint8_t *ret_tag, struct bytes *ret_content,
                 struct bytes *ret_whole)
{
    size_t left = (size_t)(r->end - r->at);
    if (left < 2)
        return short_input(r);
    const uint8_t *at = r->at;
    uint8_t tag = *at++;
    if ((tag & 0x1f) == 0x1f || tag == 0)
        return ERR_SYNTAX;
    size_t len = *at++;
    if (len >= 0x80) {
        size_t count = len & 0x7f;
        if (count == 0 || count > 4)
            return ERR_SYNTAX;
        if (left - 2 < count)
            return short_input(r);
        len = 0;
        for (size_t i = 0; i < count; i++)
            len = len << 8 | *at++;
        /* X.690, 10.1: not one octet more than needed. */
        if (len < 0x80 || (count > 1 && len >> (8 * (count - 1)) == 0))
            return ERR_SYNTAX;
        if (len > DER_LEN_MAX)
            return ERR_LIMIT;
    }
    if ((size_t)(r->end - at) < len)
        return short_input(r);
    if (ret_tag != NULL)
        *ret_tag = tag;
    if (ret_content != NULL)
        *ret_content = bytes_of(at, len);
    if (ret_whole != NULL)
        *ret_whole = bytes_of(r->at, (size_t)(at - r->at) + len);
    r->at = at + len;
    return ERR_OK;
}

enum err der_take(struct der *r, uint8_t tag, struct bytes *ret_content)
{
    if (der_left(r) && *r->at != tag)
        return ERR_SYNTAX;
    return der_any(r, NULL, ret_content, NULL);
}

enum err der_enter(struct der *r, uint8_t tag, struct der *ret_inner)
{
    if (r->depth + 1 >= DER_DEPTH_MAX)
        return ERR_LIMIT;
    struct bytes content;
    TRY(der_take(r, tag, &content));
    *ret_inner = (struct der){content.data, content.data + content.len, r->depth + 1};
    return ERR_OK;
}

enum err der_uint(struct der *r, struct bytes *ret_magnitude)
{
    struct bytes v;
    TRY(der_take(r, DER_INTEGER, &v));
    if (v.len == 0 || v.data[0] >= 0x80)
        return ERR_SYNTAX;
    if (v.len > 1 && v.data[0] == 0) {
        if (v.data[1] < 0x80) /* X.690, 8.3.2 */
            return ERR_SYNTAX;
        v = bytes_of(v.data + 1, v.len - 1);
    }
    *ret_magnitude = v;
    return ERR_OK;
}

enum err der_small(struct der *r, uint32_t *ret_value)
{
    struct bytes v;
    TRY(der_uint(r, &v));
    if (v.len > 4)
        return ERR_LIMIT;
    uint32_t value = 0;
    for (size_t i = 0; i < v.len; i++)
        value = value << 8 | v.data[i];
    *ret_value = value;
    return ERR_OK;
}

enum err der_bits(struct der *r, struct bytes *ret_content)
{
    struct bytes v;
    TRY(der_take(r, DER_BIT_STRING, &v));
    if (v.len == 0 || v.data[0] != 0)
        return ERR_SYNTAX;
    *ret_content = bytes_of(v.data + 1, v.len - 1);
    return ERR_OK;
}

enum err der_bool(struct der *r, bool *ret_value)
{
    struct bytes v;
    TRY(der_take(r, DER_BOOLEAN, &v));
    if (v.len != 1 || (v.data[0] != 0 && v.data[0] != 0xff))
        return ERR_SYNTAX;
    *ret_value = v.data[0] != 0;
    return ERR_OK;
}

static int two_digits(const uint8_t *p)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
        return -1;
    return (p[0] - '0') * 10 + (p[1] - '0');
}

enum err der_time(struct der *r, int64_t *ret_seconds)
{
    uint8_t tag;
    struct bytes v;
    TRY(der_any(r, &tag, &v, NULL));
    bool utc = tag == DER_UTC_TIME;
    if (!utc && tag != DER_GENERALIZED_TIME)
        return ERR_SYNTAX;
    if (v.len != (utc ? 13U : 15U) || v.data[v.len - 1] != 'Z')
        return ERR_SYNTAX;
    int field[7]; /* century, year, month, day, hour, minute, second */
    size_t first = utc ? 1 : 0;
    for (size_t i = first; i < ARRAY_LEN(field); i++) {
        field[i] = two_digits(v.data + 2 * (i - first));
        if (field[i] < 0)
            return ERR_SYNTAX;
    }
    if (utc)
        field[0] = field[1] < 50 ? 20 : 19; /* RFC 5280, 4.1.2.5.1 */
    struct tm tm = {.tm_year = field[0] * 100 + field[1] - 1900,
                    .tm_mon = field[2] - 1,
                    .tm_mday = field[3],
                    .tm_hour = field[4],
                    .tm_min = field[5],
                    .tm_sec = field[6]};
    struct tm normal = tm;
    time_t when = timegm(&normal);
    /* 31 February would come back as a day in March. */
    if (normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday ||
        normal.tm_hour != tm.tm_hour || normal.tm_min != tm.tm_min || normal.tm_sec != tm.tm_sec)
        return ERR_SYNTAX;
    *ret_seconds = when;
    return ERR_OK;
}

enum err der_expect_oid(struct der *r, struct bytes oid)
{
    struct bytes v;
    TRY(der_take(r, DER_OID, &v));
    return bytes_equal(v, oid) ? ERR_OK : ERR_UNSUPPORTED;
}

enum err der_finish(const struct der *r)
{
    return r->at == r->end ? ERR_OK : ERR_SYNTAX;
}

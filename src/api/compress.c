#include "api/compress.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>

#define LEVEL       4 /* most of the gain for half the time */
#define GZIP_WINDOW (15 + 16)
#define MEMORY      8

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* "gzip;q=0" says that it is not wanted. */
static bool is_refused(const char *weight)
{
    while (is_blank(*weight))
        weight++;
    if (*weight++ != ';')
        return false;
    while (is_blank(*weight))
        weight++;
    if (strncasecmp(weight, "q=0", 3) != 0)
        return false;
    weight += 3;
    if (*weight == '.')
        weight++;
    while (*weight == '0')
        weight++;
    return *weight == '\0' || *weight == ',' || is_blank(*weight);
}

bool api_takes_gzip(const char *accept)
{
    if (accept == NULL)
        return false;
    for (const char *at = accept; *at != '\0';) {
        while (is_blank(*at) || *at == ',')
            at++;
        size_t len = strcspn(at, " \t,;");
        if (len == strlen("gzip") && strncasecmp(at, "gzip", len) == 0)
            return !is_refused(at + len);
        at += strcspn(at, ",");
    }
    return false;
}

enum err api_compress(struct bytes plain, struct buf *to)
{
    z_stream z = {0};
    if (plain.len > API_COMPRESS_MAX)
        return ERR_LIMIT;
    if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NO_MEMORY;
    size_t most = deflateBound(&z, (uLong)plain.len);
    enum err err = buf_reserve(to, most);
    if (err == ERR_OK) {
        /* zlib reads only; its interface is older than const */
        z.next_in = (Bytef *)(uintptr_t)plain.data;
        z.avail_in = (uInt)plain.len;
        z.next_out = to->data + to->len;
        z.avail_out = (uInt)most;
        /* it has room for all there can be, so that once is enough */
        err = deflate(&z, Z_FINISH) == Z_STREAM_END ? ERR_OK : ERR_INTERNAL;
        to->len += most - z.avail_out;
    }
    (void)deflateEnd(&z);
    return err;
}

#include "factory/package_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "crypto/hash.h"
#include "factory/package_import.h"
#include "factory/package_tar.h"

#define PIECE ((size_t)64 * 1024)

struct package_stream {
    int fd;
    const char *name;
    struct hash *hash;
    z_stream z;
    bool opened; /* z */
    bool ended;  /* the gzip member */
    bool eof;    /* the file */
    uint64_t read, unpacked;
    uint8_t in[PIECE];
};

enum err package_stream_open(int fd, const char *name, struct package_stream **ret_stream)
{
    AUTO(package_stream_freep) struct package_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NO_MEMORY;
    s->fd = fd;
    s->name = name;
    TRY(hash_new(&s->hash));
    TRY(hash_begin(s->hash));
    if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK) /* gzip only */
        return ERR_NO_MEMORY;
    s->opened = true;
    *ret_stream = TAKE(s);
    return ERR_OK;
}

void package_stream_free(struct package_stream *s)
{
    if (s == NULL)
        return;
    if (s->opened)
        inflateEnd(&s->z);
    hash_free(s->hash);
    free(s);
}

void package_stream_freep(struct package_stream **s)
{
    package_stream_free(*s);
}

/* More of the file, where all before was used. */
static enum err fill(struct package_stream *s, struct err_detail *detail)
{
    if (s->z.avail_in > 0 || s->eof)
        return ERR_OK;
    ssize_t got;
    do
        got = read(s->fd, s->in, sizeof s->in);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(detail, "%s", s->name);
    s->eof = got == 0;
    s->read += (uint64_t)got;
    s->z.next_in = s->in;
    s->z.avail_in = (uInt)got;
    return hash_update(s->hash, bytes_of(s->in, (size_t)got));
}

static enum err check_ratio(const struct package_stream *s, struct err_detail *detail)
{
    if (s->unpacked > PACKAGE_RATIO_FREE && s->unpacked / PACKAGE_RATIO_MAX > s->read)
        return err_set(detail, ERR_LIMIT, "%s: unpacks to more than %d times its size", s->name,
                       PACKAGE_RATIO_MAX);
    return ERR_OK;
}

/* At most `len` bytes; 0 at the end of the member. */
static enum err step(struct package_stream *s, uint8_t *to, size_t len, size_t *ret_len,
                     struct err_detail *detail)
{
    size_t got = 0;
    while (got == 0 && !s->ended) {
        TRY(fill(s, detail));
        if (s->z.avail_in == 0 && s->eof)
            return err_set(detail, ERR_TRUNCATED, "%s: ends too early", s->name);
        s->z.next_out = to;
        s->z.avail_out = (uInt)(len < PIECE ? len : PIECE);
        uInt room = s->z.avail_out;
        int status = inflate(&s->z, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR)
            return ERR_NO_MEMORY;
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return err_set(detail, ERR_SYNTAX, "%s: %s", s->name,
                           s->unpacked == 0 ? "not a tar.gz"
                                            : "damaged, gzip's check does not hold");
        s->ended = status == Z_STREAM_END;
        got = room - s->z.avail_out;
        s->unpacked += got;
        TRY(check_ratio(s, detail));
    }
    *ret_len = got;
    return ERR_OK;
}

enum err package_stream_read(struct package_stream *s, void *to, size_t len,
                             struct err_detail *detail)
{
    for (size_t at = 0; at < len;) {
        size_t got = 0;
        TRY(step(s, (uint8_t *)to + at, len - at, &got, detail));
        if (got == 0)
            return err_set(detail, ERR_TRUNCATED, "%s: its archive ends too early", s->name);
        at += got;
    }
    return ERR_OK;
}

enum err package_stream_end(struct package_stream *s, uint8_t ret_sha256[32], uint64_t *ret_size,
                            struct err_detail *detail)
{
    uint8_t block[TAR_BLOCK];
    uint64_t before = s->unpacked;
    for (size_t got = 1; got > 0;) {
        TRY(step(s, block, sizeof block, &got, detail));
        memset(block + got, 0, sizeof block - got);
        if (!tar_block_is_zero(block) || s->unpacked - before > TAR_RECORD)
            return err_set(detail, ERR_SYNTAX, "%s: something stands behind the archive's end",
                           s->name);
    }
    TRY(fill(s, detail));
    if (s->z.avail_in > 0 || !s->eof)
        return err_set(detail, ERR_SYNTAX, "%s: something stands behind the gzip file's end",
                       s->name);
    TRY(hash_end(s->hash, ret_sha256));
    *ret_size = s->read;
    return ERR_OK;
}

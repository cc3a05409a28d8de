#include "factory/package_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "factory/package_tar.h"

#define PIECE ((size_t)64 * 1024)

struct package_writer {
    char *path, *beside;
    int fd;
    bool made; /* the file beside */
    bool opened;
    z_stream z;
    uint64_t wanted, written; /* of the file under way, and of the archive */
    uint64_t put;
    uint8_t out[PIECE];
};

enum err package_writer_open(const char *path, struct package_writer **ret_writer,
                             struct err_detail *detail)
{
    AUTO(package_writer_freep) struct package_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_NO_MEMORY;
    w->fd = -1;
    w->path = strdup(path);
    if (w->path == NULL || asprintf(&w->beside, "%s.XXXXXX", path) < 0)
        return ERR_NO_MEMORY;
    w->fd = mkostemp(w->beside, O_CLOEXEC);
    if (w->fd < 0)
        return err_errno(detail, "%s", path);
    w->made = true;
    /* No time and no name: the same files give the same bytes. */
    if (deflateInit2(&w->z, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 9,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NO_MEMORY;
    w->opened = true;
    *ret_writer = TAKE(w);
    return ERR_OK;
}

void package_writer_free(struct package_writer *w)
{
    if (w == NULL)
        return;
    if (w->opened)
        deflateEnd(&w->z);
    file_closep(&w->fd);
    if (w->made)
        (void)unlink(w->beside);
    free(w->beside);
    free(w->path);
    free(w);
}

void package_writer_freep(struct package_writer **w)
{
    package_writer_free(*w);
}

static enum err squeeze(struct package_writer *w, struct bytes bytes, int flush,
                        struct err_detail *detail)
{
    /* zlib reads only; its interface is older than const */
    w->z.next_in = (Bytef *)(uintptr_t)bytes.data;
    w->z.avail_in = (uInt)bytes.len;
    int status;
    do {
        w->z.next_out = w->out;
        w->z.avail_out = sizeof w->out;
        status = deflate(&w->z, flush);
        if (status == Z_STREAM_ERROR)
            return err_set(detail, ERR_INTERNAL, "%s: deflate", w->path);
        TRY(file_write_all(w->fd, bytes_of(w->out, sizeof w->out - w->z.avail_out), detail));
    } while (w->z.avail_out == 0 || (flush == Z_FINISH && status != Z_STREAM_END));
    w->put += bytes.len;
    return ERR_OK;
}

static enum err file_end(struct package_writer *w, struct err_detail *detail)
{
    static const uint8_t zeros[TAR_BLOCK];
    if (w->written != w->wanted)
        return err_set(detail, ERR_MISMATCH, "%s: a file changed while it was packed", w->path);
    return squeeze(w, bytes_of(zeros, tar_padding(w->wanted)), Z_NO_FLUSH, detail);
}

enum err package_writer_file(struct package_writer *w, const char *name, uint64_t size,
                             struct err_detail *detail)
{
    struct tar_header header = {.size = size};
    uint8_t block[TAR_BLOCK];
    TRY(file_end(w, detail));
    snprintf(header.name, sizeof header.name, "%s", name);
    tar_header_write(&header, block);
    w->wanted = size;
    w->written = 0;
    return squeeze(w, BYTES(block), Z_NO_FLUSH, detail);
}

enum err package_writer_put(struct package_writer *w, struct bytes bytes, struct err_detail *detail)
{
    while (bytes.len > 0) {
        struct bytes piece = {bytes.data, bytes.len < PIECE ? bytes.len : PIECE};
        TRY(squeeze(w, piece, Z_NO_FLUSH, detail));
        w->written += piece.len;
        bytes = bytes_of(bytes.data + piece.len, bytes.len - piece.len);
    }
    return ERR_OK;
}

enum err package_writer_end(struct package_writer *w, struct err_detail *detail)
{
    static const uint8_t zeros[TAR_RECORD];
    TRY(file_end(w, detail));
    size_t end = 2 * TAR_BLOCK;
    size_t fill = (size_t)((TAR_RECORD - (w->put + end) % TAR_RECORD) % TAR_RECORD);
    TRY(squeeze(w, bytes_of(zeros, end), Z_NO_FLUSH, detail));
    return squeeze(w, bytes_of(zeros, fill), Z_FINISH, detail);
}

int package_writer_fd(const struct package_writer *w)
{
    return w->fd;
}

enum err package_writer_commit(struct package_writer *w, struct err_detail *detail)
{
    if (fchmod(w->fd, 0644) != 0 || fsync(w->fd) != 0 || rename(w->beside, w->path) != 0)
        return err_errno(detail, "%s", w->path);
    w->made = false;
    return file_sync_dir_of(w->path, detail);
}

#include "factory/package_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/hash_alg.h"
#include "factory/package_keys.h"
#include "factory/package_manifest.h"
#include "factory/package_writer.h"
#include "factory/package_xml.h"
#include "factory/toml.h"

#define PIECE ((size_t)64 * 1024)

struct build {
    const struct package_build *request;
    struct arena *arena;
    struct err_detail *detail;
    struct package_manifest manifest;
    struct package_file *files;
    struct bytes contents[PACKAGE_FILES_MAX]; /* of keys and signatures */
    struct buf xml, signature;
};

static void build_done(struct build *b)
{
    buf_done(&b->xml);
    buf_done(&b->signature);
}

static enum err read_manifest(struct build *b)
{
    const char *path = b->request->manifest;
    AUTO(buf_done) struct buf text = {0};
    struct err_detail cause = {.code = ERR_OK};
    TRY(file_read(path, TOML_SIZE_MAX, &text, b->detail));
    enum err err = package_manifest_read(buf_view(&text), b->arena, &b->manifest, &cause);
    if (err != ERR_OK)
        return err_set(b->detail, err, "%s: %.200s", path, cause.text);
    struct package *p = &b->manifest.package;
    b->files = arena_take(b->arena, sizeof *b->files * PACKAGE_FILES_MAX);
    if (b->files == NULL)
        return ERR_NO_MEMORY;
    memcpy(b->files, p->files, sizeof *b->files * p->files_len);
    p->files = b->files;
    p->packager_key = package_signer_spki(b->request->signer);
    if (p->created == 0)
        p->created = b->request->now;
    return ERR_OK;
}

/* From the manifest's folder. */
static enum err open_file(const struct build *b, size_t index, int *ret_fd)
{
    char path[2 * PACKAGE_PATH_MAX];
    const char *name = b->manifest.paths[index];
    const char *slash = strrchr(b->request->manifest, '/');
    int folder = slash == NULL || name[0] == '/' ? 0 : (int)(slash + 1 - b->request->manifest);
    if (snprintf(path, sizeof path, "%.*s%s", folder, b->request->manifest, name) >=
        (int)sizeof path)
        return err_set(b->detail, ERR_LIMIT, "%s: path too long", name);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_errno(b->detail, "%s, which %s names", path, b->request->manifest);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return err_set(b->detail, ERR_IO, "%s: not a regular file", path);
    }
    *ret_fd = fd;
    return ERR_OK;
}

typedef enum err piece_fn(void *ctx, struct bytes piece, struct err_detail *detail);

static enum err each_piece(const struct build *b, int fd, const char *name, piece_fn *fn, void *ctx)
{
    uint8_t piece[PIECE];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(b->detail, "%s", name);
        if (got == 0)
            return ERR_OK;
        TRY(fn(ctx, bytes_of(piece, (size_t)got), b->detail));
    }
}

struct measure {
    struct package_file *file;
    struct hash *sha256;
    struct hash_stream *md5;
    struct buf *keep; /* NULL: only measured */
};

static void measure_done(struct measure *m)
{
    hash_free(m->sha256);
    hash_stream_free(m->md5);
}

static enum err measure_piece(void *ctx, struct bytes piece, struct err_detail *detail)
{
    struct measure *m = ctx;
    /* a slip that can't be undone once the package is out */
    if (m->file->size == 0 && memmem(piece.data, piece.len, "PRIVATE KEY-----", 16) != NULL)
        return err_set(detail, ERR_SYNTAX, "%s: holds a private key", m->file->name);
    m->file->size += piece.len;
    uint64_t max = m->keep != NULL ? PACKAGE_KEY_SIZE_MAX : PACKAGE_FILE_SIZE_MAX;
    if (m->file->size > max)
        return err_set(detail, ERR_LIMIT, "%s: more than %llu bytes", m->file->name,
                       (unsigned long long)max);
    if (m->keep != NULL)
        TRY(buf_append(m->keep, piece));
    TRY(hash_update(m->sha256, piece));
    return hash_stream_update(m->md5, piece);
}

static enum err measure_file(struct build *b, size_t index)
{
    AUTO(file_closep) int fd = -1;
    AUTO(buf_done) struct buf keep = {0};
    AUTO(measure_done) struct measure m = {.file = &b->files[index]};
    uint8_t md5[HASH_ALG_MAX];
    size_t len = 0;
    bool wanted = package_keys_wants(m.file->role);
    TRY(open_file(b, index, &fd));
    TRY(hash_new(&m.sha256));
    TRY(hash_begin(m.sha256));
    TRY(hash_stream_new(HASH_MD5, &m.md5));
    if (wanted)
        m.keep = &keep;
    TRY(each_piece(b, fd, m.file->name, measure_piece, &m));
    TRY(hash_end(m.sha256, m.file->sha256));
    TRY(hash_stream_end(m.md5, md5, &len));
    memcpy(m.file->md5, md5, sizeof m.file->md5);
    if (!wanted)
        return ERR_OK;
    const void *kept =
        arena_strndup(b->arena, keep.len > 0 ? (const char *)keep.data : "", keep.len);
    if (kept == NULL)
        return err_set(b->detail, ERR_NO_MEMORY, "%s: takes too much memory", m.file->name);
    b->contents[index] = bytes_of(kept, keep.len);
    return ERR_OK;
}

static enum err put_piece(void *ctx, struct bytes piece, struct err_detail *detail)
{
    return package_writer_put(ctx, piece, detail);
}

static enum err write_own(struct package_writer *writer, const char *name, struct bytes content,
                          struct err_detail *detail)
{
    TRY(package_writer_file(writer, name, content.len, detail));
    return package_writer_put(writer, content, detail);
}

static enum err write_archive(struct build *b, struct package_writer *writer)
{
    TRY(write_own(writer, PACKAGE_XML_NAME, buf_view(&b->xml), b->detail));
    TRY(write_own(writer, PACKAGE_SIG_NAME, buf_view(&b->signature), b->detail));
    for (size_t i = 0; i < b->manifest.package.files_len; i++) {
        AUTO(file_closep) int fd = -1;
        TRY(open_file(b, i, &fd));
        TRY(package_writer_file(writer, b->files[i].name, b->files[i].size, b->detail));
        TRY(each_piece(b, fd, b->files[i].name, put_piece, writer));
    }
    return package_writer_end(writer, b->detail);
}

/* What a factory would say to it. */
static enum err check_archive(struct build *b, const struct package_writer *writer,
                              struct package_imported *ret_built)
{
    struct package_packager self = {.name = b->manifest.package.packager,
                                    .public_key = package_signer_spki(b->request->signer)};
    struct package_import import = {.fd = package_writer_fd(writer),
                                    .name = b->request->output,
                                    .size_max = UINT64_MAX,
                                    .packagers = &self,
                                    .packagers_len = 1};
    if (lseek(import.fd, 0, SEEK_SET) != 0)
        return err_errno(b->detail, "%s", b->request->output);
    return package_import(&import, b->arena, ret_built, b->detail);
}

enum err package_build(const struct package_build *request, struct arena *arena,
                       struct package_imported *ret_built, struct err_detail *detail)
{
    AUTO(build_done) struct build b = {.request = request, .arena = arena, .detail = detail};
    AUTO(package_writer_freep) struct package_writer *writer = NULL;
    struct package_imported built;
    struct package_keys keys;
    TRY(read_manifest(&b));
    for (size_t i = 0; i < b.manifest.package.files_len; i++)
        TRY(measure_file(&b, i));
    TRY(package_xml_write(&b.manifest.package, &b.xml, detail));
    TRY(package_keys_check(&b.manifest.package, b.contents, arena, &keys, detail));
    TRY(package_sign(request->signer, buf_view(&b.xml), &b.signature, detail));
    TRY(package_writer_open(request->output, &writer, detail));
    TRY(write_archive(&b, writer));
    TRY(check_archive(&b, writer, &built));
    TRY(package_writer_commit(writer, detail));
    *ret_built = built;
    return ERR_OK;
}

#include "factory/package_import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/hash_alg.h"
#include "factory/package_keys.h"
#include "factory/package_sign.h"
#include "factory/package_stream.h"
#include "factory/package_tar.h"
#include "factory/package_xml.h"

#define PIECE   ((size_t)64 * 1024)
#define OWN     2 /* package.xml and its signature */
#define ENTRIES (PACKAGE_FILES_MAX + OWN)

struct import {
    const struct package_import *request;
    struct arena *arena;
    struct err_detail *detail;
    struct package_stream *stream;
    int folder; /* -1: nothing is written */
    bool folder_made;
    const char *made[ENTRIES]; /* in the folder */
    size_t made_len;
    bool seen[PACKAGE_FILES_MAX];
    struct bytes kept[PACKAGE_FILES_MAX]; /* of the small ones: keys and signatures */
    uint64_t done, total;
    struct package_imported result;
    uint8_t piece[PIECE];
};

static void import_freep(struct import **im)
{
    if (*im == NULL)
        return;
    package_stream_free((*im)->stream);
    file_closep(&(*im)->folder);
    free(*im);
}

static enum err make_folder(struct import *im)
{
    const char *path = im->request->folder;
    if (path == NULL)
        return ERR_OK;
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? err_set(im->detail, ERR_EXISTS, "%s is there already", path)
                               : err_errno(im->detail, "%s", path);
    im->folder_made = true;
    im->folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (im->folder < 0)
        return err_errno(im->detail, "%s", path);
    return ERR_OK;
}

static void drop_folder(struct import *im)
{
    for (size_t i = 0; i < im->made_len; i++)
        (void)unlinkat(im->folder, im->made[i], 0);
    if (im->folder_made)
        (void)rmdir(im->request->folder);
}

/* A new file in the folder; -1 where nothing is written. */
static enum err make_file(struct import *im, const char *name, int *ret_fd)
{
    if (im->folder < 0)
        return ERR_OK;
    int fd = openat(im->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(im->detail, "%s", name);
    im->made[im->made_len++] = name;
    *ret_fd = fd;
    return ERR_OK;
}

/* All errors of a file begin with its name. */
static enum err write_piece(struct import *im, int fd, const char *name, struct bytes piece)
{
    if (fd < 0)
        return ERR_OK;
    struct err_detail cause = {.code = ERR_OK};
    enum err err = file_write_all(fd, piece, &cause);
    return err == ERR_OK ? ERR_OK : err_set(im->detail, err, "%s: %.200s", name, cause.text);
}

static enum err sync_file(struct import *im, int fd, const char *name)
{
    if (fd >= 0 && fdatasync(fd) != 0)
        return err_errno(im->detail, "%s", name);
    return ERR_OK;
}

/* The header of the next file; `ret_end` at the archive's end. */
static enum err next_header(struct import *im, struct tar_header *ret_header, bool *ret_end)
{
    uint8_t block[TAR_BLOCK];
    TRY(package_stream_read(im->stream, block, sizeof block, im->detail));
    *ret_end = tar_block_is_zero(block);
    if (!*ret_end) {
        TRY(tar_header_read(block, ret_header, im->detail));
        return ERR_OK;
    }
    TRY(package_stream_read(im->stream, block, sizeof block, im->detail));
    if (!tar_block_is_zero(block))
        return err_set(im->detail, ERR_SYNTAX, "%s: half an end within the archive",
                       im->request->name);
    return ERR_OK;
}

static enum err skip_padding(struct import *im, uint64_t size, const char *name)
{
    uint8_t block[TAR_BLOCK] = {0};
    TRY(package_stream_read(im->stream, block, tar_padding(size), im->detail));
    if (!tar_block_is_zero(block))
        return err_set(im->detail, ERR_SYNTAX, "%s: something stands behind it in its block", name);
    return ERR_OK;
}

/* package.xml or its signature: into the arena, and the folder. */
static enum err take_own(struct import *im, const char *name, uint64_t max, struct bytes *ret_bytes)
{
    struct tar_header header;
    bool end = false;
    AUTO(file_closep) int fd = -1;
    TRY(next_header(im, &header, &end));
    if (end || strcmp(header.name, name) != 0)
        return err_set(im->detail, ERR_SYNTAX, "%s: '%s' is wanted, and not %s", im->request->name,
                       name, end ? "the archive's end" : header.name);
    if (header.size > max)
        return err_set(im->detail, ERR_LIMIT,
                       "%s: %" PRIu64 " bytes; at most %" PRIu64 " are taken", name, header.size,
                       max);
    uint8_t *bytes = arena_take(im->arena, (size_t)header.size + 1);
    if (bytes == NULL)
        return err_set(im->detail, ERR_NO_MEMORY, "%s: takes too much memory", name);
    TRY(package_stream_read(im->stream, bytes, (size_t)header.size, im->detail));
    TRY(skip_padding(im, header.size, name));
    *ret_bytes = bytes_of(bytes, (size_t)header.size);
    TRY(make_file(im, name, &fd));
    TRY(write_piece(im, fd, name, *ret_bytes));
    return sync_file(im, fd, name);
}

/* Before a byte of the description is read, its signature has to hold. */
static enum err check_signature(struct import *im, struct bytes signature)
{
    const struct package_import *r = im->request;
    struct bytes text = im->result.description;
    im->result.packager = SIZE_MAX;
    if (r->unproven)
        return ERR_OK;
    for (size_t i = 0; i < r->packagers_len && i < PACKAGE_PACKAGERS_MAX; i++) {
        if (package_signature_check(r->packagers[i].public_key, text, signature, NULL) != ERR_OK)
            continue;
        im->result.packager = i;
        return ERR_OK;
    }
    struct package claimed;
    if (package_xml_read(text, im->arena, &claimed, NULL) != ERR_OK)
        return err_set(im->detail, ERR_SIGNATURE,
                       "%s: signed by none of the %zu packagers that are trusted", r->name,
                       r->packagers_len);
    bool altered = package_signature_check(claimed.packager_key, text, signature, NULL) != ERR_OK;
    return err_set(
        im->detail, ERR_SIGNATURE, "%s: %s '%s', who is none of the %zu that are trusted", r->name,
        altered ? PACKAGE_XML_NAME ": the signature does not hold; it says it is of" : "signed by",
        claimed.packager, r->packagers_len);
}

static enum err read_description(struct import *im, struct bytes signature)
{
    struct package *package = &im->result.package;
    TRY(package_xml_read(im->result.description, im->arena, package, im->detail));
    if (im->request->unproven &&
        package_signature_check(package->packager_key, im->result.description, signature, NULL) !=
            ERR_OK)
        return err_set(im->detail, ERR_SIGNATURE,
                       PACKAGE_SIG_NAME ": does not hold with the key that the package names");
    im->total = package_size(package);
    if (im->total > im->request->size_max)
        return err_set(im->detail, ERR_LIMIT,
                       "%s: its files have %" PRIu64 " bytes; at most %" PRIu64 " are taken",
                       im->request->name, im->total, im->request->size_max);
    return ERR_OK;
}

static enum err find_listed(struct import *im, const struct tar_header *header, size_t *ret_index)
{
    const struct package *package = &im->result.package;
    const struct package_file *file = package_file_find(package, header->name);
    if (file == NULL && (strcmp(header->name, PACKAGE_XML_NAME) == 0 ||
                         strcmp(header->name, PACKAGE_SIG_NAME) == 0))
        return err_set(im->detail, ERR_SYNTAX, "%s: twice in the archive", header->name);
    if (file == NULL)
        return err_set(im->detail, ERR_SYNTAX, "%s: not listed in " PACKAGE_XML_NAME, header->name);
    size_t index = (size_t)(file - package->files);
    if (im->seen[index])
        return err_set(im->detail, ERR_SYNTAX, "%s: twice in the archive", header->name);
    if (header->size != file->size)
        return err_set(im->detail, ERR_MISMATCH, "%s: has %" PRIu64 " bytes, listed are %" PRIu64,
                       header->name, header->size, file->size);
    im->seen[index] = true;
    *ret_index = index;
    return ERR_OK;
}

struct digests {
    struct hash *sha256;
    struct hash_stream *md5;
};

static void digests_done(struct digests *d)
{
    hash_free(d->sha256);
    hash_stream_free(d->md5);
}

static enum err check_digests(struct import *im, struct digests *d, const struct package_file *file)
{
    uint8_t sha256[HASH_SHA256_SIZE], md5[HASH_ALG_MAX];
    size_t len = 0;
    TRY(hash_end(d->sha256, sha256));
    TRY(hash_stream_end(d->md5, md5, &len));
    if (memcmp(sha256, file->sha256, sizeof sha256) != 0)
        return err_set(im->detail, ERR_MISMATCH, "%s: its SHA-256 is not the one listed",
                       file->name);
    if (len != sizeof file->md5 || memcmp(md5, file->md5, sizeof file->md5) != 0)
        return err_set(im->detail, ERR_MISMATCH, "%s: its MD5 is not the one listed", file->name);
    return ERR_OK;
}

static enum err take_file(struct import *im, const struct package_file *file, uint8_t *keep)
{
    AUTO(file_closep) int fd = -1;
    AUTO(digests_done) struct digests d = {0};
    TRY(hash_new(&d.sha256));
    TRY(hash_begin(d.sha256));
    TRY(hash_stream_new(HASH_MD5, &d.md5));
    TRY(make_file(im, file->name, &fd));
    for (uint64_t at = 0; at < file->size;) {
        size_t len = file->size - at < PIECE ? (size_t)(file->size - at) : PIECE;
        struct bytes piece = bytes_of(im->piece, len);
        if (im->request->progress != NULL)
            TRY(im->request->progress(im->request->ctx, file->name, im->done, im->total));
        TRY(package_stream_read(im->stream, im->piece, len, im->detail));
        TRY(hash_update(d.sha256, piece));
        TRY(hash_stream_update(d.md5, piece));
        TRY(write_piece(im, fd, file->name, piece));
        if (keep != NULL)
            memcpy(keep + at, im->piece, len);
        at += len;
        im->done += len;
    }
    TRY(check_digests(im, &d, file));
    return sync_file(im, fd, file->name);
}

static enum err take_listed(struct import *im, const struct tar_header *header)
{
    size_t index = 0;
    uint8_t *keep = NULL;
    TRY(find_listed(im, header, &index));
    const struct package_file *file = &im->result.package.files[index];
    if (package_keys_wants(file->role)) {
        keep = arena_take(im->arena, (size_t)file->size + 1);
        if (keep == NULL)
            return err_set(im->detail, ERR_NO_MEMORY, "%s: takes too much memory", file->name);
        im->kept[index] = bytes_of(keep, (size_t)file->size);
    }
    TRY(take_file(im, file, keep));
    return skip_padding(im, file->size, file->name);
}

static enum err check_complete(struct import *im)
{
    const struct package *package = &im->result.package;
    for (size_t i = 0; i < package->files_len; i++) {
        if (!im->seen[i])
            return err_set(im->detail, ERR_MISMATCH, "%s: listed, and not in the archive",
                           package->files[i].name);
    }
    struct package_keys keys;
    TRY(package_keys_check(package, im->kept, im->arena, &keys, im->detail));
    memcpy(im->result.kms_fingerprint, keys.kms_fingerprint, sizeof keys.kms_fingerprint);
    im->result.kms_bits = keys.kms_bits;
    im->result.network = keys.network;
    im->result.realm = keys.realm;
    im->result.gateway_version = keys.gateway_version;
    im->result.cdld_version = keys.cdld_version;
    return ERR_OK;
}

static enum err run(struct import *im)
{
    struct bytes signature;
    TRY(make_folder(im));
    TRY(package_stream_open(im->request->fd, im->request->name, &im->stream));
    TRY(take_own(im, PACKAGE_XML_NAME, PACKAGE_XML_MAX, &im->result.description));
    TRY(take_own(im, PACKAGE_SIG_NAME, PACKAGE_SIGNATURE_MAX, &signature));
    TRY(check_signature(im, signature));
    TRY(read_description(im, signature));
    for (;;) {
        struct tar_header header;
        bool end = false;
        TRY(next_header(im, &header, &end));
        if (end)
            break;
        TRY(take_listed(im, &header));
    }
    TRY(check_complete(im));
    TRY(package_stream_end(im->stream, im->result.sha256, &im->result.size, im->detail));
    if (im->folder >= 0 && fsync(im->folder) != 0)
        return err_errno(im->detail, "%s", im->request->folder);
    return ERR_OK;
}

enum err package_import(const struct package_import *request, struct arena *arena,
                        struct package_imported *ret_imported, struct err_detail *detail)
{
    AUTO(import_freep) struct import *im = calloc(1, sizeof *im);
    if (im == NULL)
        return ERR_NO_MEMORY;
    im->request = request;
    im->arena = arena;
    im->detail = detail;
    im->folder = -1;
    enum err err = run(im);
    if (err == ERR_OK)
        *ret_imported = im->result;
    else
        drop_folder(im);
    return err;
}

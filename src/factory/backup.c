#include "factory/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "factory/internal.h"
#include "factory/package_tar.h"

#define PIECE ((size_t)256 * 1024)

struct revision {
    uint64_t config_id;
    uint32_t number;
};

struct backup {
    struct factory *factory;
    const struct fleet_call *call;
    struct buf revisions; /* of struct revision */
    struct buf piece;
    int fd;
    struct factory_backup done;
};

static void backup_done(struct backup *backup)
{
    buf_done(&backup->revisions);
    buf_done(&backup->piece);
    file_closep(&backup->fd);
}

static enum err list_revisions(struct backup *backup, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(read_begin(backup->factory, &read, detail));
    TRY(store_prepare(read.conn,
                      "SELECT config_id, revision FROM package ORDER BY config_id, revision", &stmt,
                      detail));
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        const struct revision revision = {column_id(stmt, 0), (uint32_t)store_column_i64(stmt, 1)};
        TRY(buf_append(&backup->revisions, bytes_of(&revision, sizeof revision)));
    }
}

static enum err put(struct backup *backup, struct bytes bytes, struct err_detail *detail)
{
    TRY(file_write_all(backup->fd, bytes, detail));
    backup->done.bytes += bytes.len;
    return ERR_OK;
}

static enum err put_zeros(struct backup *backup, size_t len, struct err_detail *detail)
{
    static const uint8_t zeros[TAR_RECORD];
    return put(backup, bytes_of(zeros, len), detail);
}

static enum err tell(const struct backup *backup)
{
    const struct fleet_call *call = backup->call;
    if (call->progress == NULL ||
        call->progress(call->progress_ctx, "packages", backup->done.revisions,
                       backup->revisions.len / sizeof(struct revision)))
        return ERR_OK;
    return ERR_CANCELLED;
}

/* Exactly `size` bytes: files of revisions never change. */
static enum err copy_content(struct backup *backup, int fd, uint64_t size, const char *name,
                             struct err_detail *detail)
{
    for (uint64_t left = size; left > 0;) {
        TRY(tell(backup));
        ssize_t len = read(fd, backup->piece.data, left < PIECE ? (size_t)left : PIECE);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return err_errno(detail, "%s", name);
        if (len == 0)
            return err_set(detail, ERR_TRUNCATED, "%s", name);
        TRY(put(backup, bytes_of(backup->piece.data, (size_t)len), detail));
        left -= (uint64_t)len;
    }
    return put_zeros(backup, tar_padding(size), detail);
}

static enum err add_file(struct backup *backup, int folder, const char *prefix, const char *name,
                         struct err_detail *detail)
{
    struct tar_header header = {.size = 0};
    uint8_t block[TAR_BLOCK];
    struct stat st;
    AUTO(file_closep) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_errno(detail, "%s/%s", prefix, name);
    if (!S_ISREG(st.st_mode) || strlen(name) >= sizeof header.name)
        return ERR_OK; /* nothing of ours */
    header.size = (uint64_t)st.st_size;
    (void)snprintf(header.name, sizeof header.name, "%s", name);
    (void)snprintf(header.prefix, sizeof header.prefix, "%s", prefix);
    tar_header_write(&header, block);
    TRY(put(backup, BYTES(block), detail));
    TRY(copy_content(backup, fd, header.size, name, detail));
    backup->done.files++;
    return ERR_OK;
}

static void names_free(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static enum err add_revision(struct backup *backup, const struct revision *revision,
                             struct err_detail *detail)
{
    char path[FACTORY_PATH_MAX], prefix[64];
    struct dirent **names = NULL;
    TRY(revision_folder(backup->factory, revision->config_id, revision->number, path));
    (void)snprintf(prefix, sizeof prefix, "0x%016" PRIx64 "/%" PRIu32, revision->config_id,
                   revision->number);
    AUTO(file_closep) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    backup->done.revisions++;
    if (folder < 0 && errno == ENOENT) {
        backup->done.missing++;
        return ERR_OK;
    }
    int count = folder < 0 ? -1 : scandir(path, &names, NULL, alphasort);
    if (count < 0)
        return err_errno(detail, "%s", path);
    enum err err = ERR_OK;
    for (int i = 0; i < count && err == ERR_OK; i++) {
        if (names[i]->d_name[0] != '.')
            err = add_file(backup, folder, prefix, names[i]->d_name, detail);
    }
    names_free(names, count);
    return err;
}

static enum err write_all(struct backup *backup, struct err_detail *detail)
{
    const size_t count = backup->revisions.len / sizeof(struct revision);
    for (size_t i = 0; i < count; i++) {
        struct revision revision;
        memcpy(&revision, backup->revisions.data + i * sizeof revision, sizeof revision);
        TRY(add_revision(backup, &revision, detail));
    }
    const size_t end = 2 * TAR_BLOCK;
    TRY(put_zeros(backup, end, detail));
    TRY(put_zeros(backup, (size_t)((TAR_RECORD - backup->done.bytes % TAR_RECORD) % TAR_RECORD),
                  detail));
    return fsync(backup->fd) == 0 ? ERR_OK : err_errno(detail, "packages");
}

enum err factory_backup(struct factory *factory, const struct fleet_call *call, const char *path,
                        struct factory_backup *ret_backup, struct err_detail *detail)
{
    AUTO(backup_done) struct backup backup = {.factory = factory, .call = call, .fd = -1};
    TRY(list_revisions(&backup, detail));
    if (backup.revisions.len == 0) {
        *ret_backup = (struct factory_backup){.files = 0};
        return ERR_OK;
    }
    TRY(buf_reserve(&backup.piece, PIECE));
    backup.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (backup.fd < 0)
        return err_errno(detail, "%s", path);
    enum err err = write_all(&backup, detail);
    if (err != ERR_OK) {
        (void)unlink(path);
        return err;
    }
    *ret_backup = backup.done;
    return ERR_OK;
}

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void file_closep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

enum err file_read_open(int fd, const char *path, size_t limit, struct buf *to,
                        struct err_detail *detail)
{
    size_t start = to->len;
    for (;;) {
        TRY(buf_reserve(to, 4096));
        ssize_t got = read(fd, to->data + to->len, to->cap - to->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(detail, "%s: can't read", path);
        if (got == 0)
            return ERR_OK;
        to->len += (size_t)got;
        if (to->len - start > limit)
            return err_set(detail, ERR_LIMIT, "%s: larger than %zu bytes", path, limit);
    }
}

enum err file_read(const char *path, size_t limit, struct buf *to, struct err_detail *detail)
{
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(detail, "%s: can't open", path);
    return file_read_open(fd, path, limit, to, detail);
}

enum err file_read_key(const char *path, size_t limit, struct secret **ret_secret,
                       struct err_detail *detail)
{
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(detail, "%s: can't open", path);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(detail, "%s: can't stat", path);
    if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(detail, ERR_DENIED, "%s: others than its owner can read it; chmod 600 it",
                       path);
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(secret_new(limit + 1, &secret));
    size_t used = 0;
    while (used <= limit) {
        ssize_t got = read(fd, secret_data(secret) + used, limit + 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(detail, "%s: can't read", path);
        if (got == 0)
            break;
        used += (size_t)got;
    }
    if (used > limit)
        return err_set(detail, ERR_LIMIT, "%s: longer than %zu bytes", path, limit);
    secret_shrink(secret, used);
    *ret_secret = TAKE(secret);
    return ERR_OK;
}

enum err file_read_secret(const char *path, size_t limit, struct secret **ret_secret,
                          struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(file_read_key(path, limit, &secret, detail));
    size_t len = secret_len(secret);
    while (len > 0 &&
           (secret_data(secret)[len - 1] == '\n' || secret_data(secret)[len - 1] == '\r'))
        len--;
    secret_shrink(secret, len);
    *ret_secret = TAKE(secret);
    return ERR_OK;
}

enum err file_write_all(int fd, struct bytes content, struct err_detail *detail)
{
    while (content.len != 0) {
        ssize_t put = write(fd, content.data, content.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_errno(detail, "can't write");
        content.data += put;
        content.len -= (size_t)put;
    }
    return ERR_OK;
}

enum err file_sync_dir_of(const char *path, struct err_detail *detail)
{
    char dir[PATH_MAX];
    int len = snprintf(dir, sizeof dir, "%s", path);
    if (len < 0 || (size_t)len >= sizeof dir)
        return err_set(detail, ERR_LIMIT, "path too long");
    char *slash = strrchr(dir, '/');
    if (slash == NULL)
        (void)snprintf(dir, sizeof dir, ".");
    else
        slash[slash == dir ? 1 : 0] = '\0';
    AUTO(file_closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return err_errno(detail, "%s: can't sync the directory", dir);
    return ERR_OK;
}

static enum err write_beside(const char *path, const char *beside, struct bytes content,
                             mode_t mode, struct err_detail *detail)
{
    AUTO(file_closep)
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_errno(detail, "%s: can't create", path);
    TRY(file_write_all(fd, content, detail));
    if (fchmod(fd, mode) != 0 || fsync(fd) != 0)
        return err_errno(detail, "%s: can't sync", beside);
    return ERR_OK;
}

enum err file_write(const char *path, struct bytes content, mode_t mode, struct err_detail *detail)
{
    char beside[PATH_MAX];
    int len = snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof beside)
        return err_set(detail, ERR_LIMIT, "path too long");
    (void)unlink(beside);
    enum err err = write_beside(path, beside, content, mode, detail);
    if (err == ERR_OK && rename(beside, path) != 0)
        err = err_errno(detail, "%s: can't rename into place", path);
    if (err != ERR_OK) {
        (void)unlink(beside);
        return err;
    }
    return file_sync_dir_of(path, detail);
}

enum err file_mkdirs(const char *path, mode_t mode, struct err_detail *detail)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return err_set(detail, ERR_ARGUMENT, "path empty or too long");
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return err_errno(detail, "%s: can't make the directory", part);
    }
    return ERR_OK;
}

enum err file_mkdirs_of(const char *path, mode_t mode, struct err_detail *detail)
{
    char dir[PATH_MAX];
    int len = snprintf(dir, sizeof dir, "%s", path);
    if (len < 0 || (size_t)len >= sizeof dir)
        return err_set(detail, ERR_LIMIT, "path too long");
    char *slash = strrchr(dir, '/');
    if (slash == NULL || slash == dir)
        return ERR_OK;
    *slash = '\0';
    return file_mkdirs(dir, mode, detail);
}

#include "line/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/hash_alg.h"

enum err line_file_check(const struct line_file *file, struct bytes content,
                         struct line_fault *fault)
{
    uint8_t digest[HASH_ALG_MAX];
    size_t len = 0;
    if (content.len != file->size)
        return line_fail(fault, LINE_SERVER_ANSWER, "%s: %zu bytes, %llu are wanted", file->name,
                         content.len, (unsigned long long)file->size);
    if (file->has_sha256) {
        TRY(line_fail_err(fault, LINE_UNKNOWN, file->name, hash_sha256(&content, 1, digest), NULL));
        if (memcmp(digest, file->sha256, sizeof file->sha256) != 0)
            return line_fail(fault, LINE_SERVER_ANSWER, "%s: SHA-256 is not the package's",
                             file->name);
    }
    if (file->has_md5) {
        TRY(line_fail_err(fault, LINE_UNKNOWN, file->name,
                          hash_alg(HASH_MD5, &content, 1, digest, &len), NULL));
        if (memcmp(digest, file->md5, sizeof file->md5) != 0)
            return line_fail(fault, LINE_SERVER_ANSWER, "%s: MD5 is not the package's", file->name);
    }
    return ERR_OK;
}

enum err line_cache_open(const char *dir, int *ret_fd, struct line_fault *fault)
{
    struct err_detail detail = {0};
    struct stat st;
    enum err err = file_mkdirs(dir, 0700, &detail);
    if (err != ERR_OK)
        return line_fail_err(fault, LINE_SERVER_FILE, "folder for files", err, &detail);
    AUTO(file_closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err = err_errno(&detail, "%s", dir);
        return line_fail_err(fault, LINE_SERVER_FILE, "folder for files", err, &detail);
    }
    if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022) != 0)
        return line_fail(fault, LINE_SERVER_FILE, "%s: others may write to this folder", dir);
    *ret_fd = file_take(&fd);
    return ERR_OK;
}

void line_cache_name(const struct line_file *file, char *to)
{
    char hex[2 * sizeof file->sha256 + 1];
    if (file->has_sha256)
        hex_encode(BYTES(file->sha256), hex);
    else
        hex_encode(BYTES(file->md5), hex);
    (void)snprintf(to, LINE_CACHE_NAME, "%s%s", file->has_sha256 ? "" : "md5-", hex);
}

bool line_cache_get(int dir, const struct line_file *file, struct buf *to)
{
    char name[LINE_CACHE_NAME];
    struct line_fault fault = {0};
    size_t before = to->len;
    line_cache_name(file, name);
    AUTO(file_closep) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != file->size)
        return false;
    struct buf content = {0};
    bool good = file_read_open(fd, name, (size_t)file->size, &content, NULL) == ERR_OK &&
                line_file_check(file, buf_view(&content), &fault) == ERR_OK &&
                buf_append(to, buf_view(&content)) == ERR_OK;
    buf_done(&content);
    if (!good)
        to->len = before;
    return good;
}

enum err line_cache_put(int dir, const struct line_file *file, struct bytes content,
                        struct line_fault *fault)
{
    char name[LINE_CACHE_NAME], beside[LINE_CACHE_NAME + 32];
    static _Atomic unsigned count;
    struct err_detail detail = {0};
    line_cache_name(file, name);
    (void)snprintf(beside, sizeof beside, ".%s.%d.%u", name, (int)getpid(), count++);
    AUTO(file_closep)
    int fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    enum err err =
        fd < 0 ? err_errno(&detail, "%s", file->name) : file_write_all(fd, content, &detail);
    if (err == ERR_OK && (fsync(fd) != 0 || renameat(dir, beside, dir, name) != 0))
        err = err_errno(&detail, "%s", file->name);
    if (err != ERR_OK && fd >= 0)
        (void)unlinkat(dir, beside, 0);
    return line_fail_err(fault, LINE_SERVER_FILE, "can't keep a file of the server", err, &detail);
}

#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define HEADER_LEN 100

static long holder_of(int fd)
{
    char text[24] = "";
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    return len > 0 ? strtol(text, NULL, 10) : 0;
}

static enum err take_lock(int fd, const char *path, struct err_detail *detail)
{
    /* of the open file, not of the process: a second open in one process is refused as well */
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        if (errno != EAGAIN && errno != EACCES)
            return err_errno(detail, "%s: locking", path);
        long pid = holder_of(fd);
        if (pid > 0)
            return err_set(detail, ERR_LOCKED, "%s: in use by process %ld", path, pid);
        return err_set(detail, ERR_LOCKED, "%s: in use by another process", path);
    }
    char text[24];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return err_errno(detail, "%s: locking", path);
    return ERR_OK;
}

/* A file beside the store, because SQLite itself opens and closes the store's and so would drop the
 * lock. It stays when the store is closed: removing it would let two processes lock two files of
 * one name. */
enum err sqlite_lock(const char *path, bool create, int *ret_fd, struct err_detail *detail)
{
    char name[4096];
    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return err_set(detail, ERR_CONFIG, "%.60s...: the path is too long", path);
    if (!create && access(path, F_OK) != 0 && errno == ENOENT)
        return err_set(detail, ERR_NOT_FOUND, "%s: there is no store; clavigerd init makes one",
                       path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(detail, "%s", name);
    enum err err = take_lock(fd, path, detail);
    if (err == ERR_OK)
        *ret_fd = fd;
    else
        file_closep(&fd);
    return err;
}

static off_t size_beside(const char *path, const char *suffix)
{
    char name[4096];
    struct stat st;
    if (snprintf(name, sizeof name, "%s%s", path, suffix) >= (int)sizeof name ||
        stat(name, &st) != 0)
        return 0;
    return st.st_size;
}

/* SQLite database file format, 1.3 */
static enum err inspect_header(const char *path, const uint8_t *header, uint64_t size,
                               struct err_detail *detail)
{
    if (memcmp(header, "SQLite format 3", 16) != 0)
        return err_set(detail, ERR_CORRUPT, "%s: the header is not that of a store", path);
    if (be32_load(header + 68) != SQLITE_STORE_ID)
        return err_set(detail, ERR_MISMATCH, "%s: the database of another program", path);
    uint64_t page = be16_load(header + 16) == 1 ? 65536 : be16_load(header + 16);
    if (page < 512 || (page & (page - 1)) != 0)
        return err_set(detail, ERR_CORRUPT, "%s: the header is damaged", path);
    /* the length in the header is sure only where no log is left to replay (1.3.7) */
    uint64_t want = be32_load(header + 28) * page;
    if (be32_load(header + 92) == be32_load(header + 24) && size_beside(path, "-wal") == 0 &&
        size < want)
        return err_set(detail, ERR_CORRUPT, "%s: %" PRIu64 " bytes, but %" PRIu64 " are wanted",
                       path, size, want);
    return ERR_OK;
}

static enum err make_empty(const char *path, struct err_detail *detail)
{
    AUTO(file_closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(detail, "%s", path);
    return file_sync_dir_of(path, detail);
}

enum err sqlite_inspect(const char *path, bool create, bool *ret_fresh, struct err_detail *detail)
{
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && create) {
        /* a log without its database would be replayed into the new one */
        if (size_beside(path, "-wal") > 0 || size_beside(path, "-journal") > 0)
            return err_set(detail, ERR_CORRUPT, "%s is gone, but its log is there", path);
        TRY(make_empty(path, detail));
        *ret_fresh = true;
        return ERR_OK;
    }
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_errno(detail, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(detail, ERR_CONFIG, "%s: not a regular file", path);
    /* an interrupted first transaction: SQLite rolls it back, then the file is empty */
    bool unfinished = size_beside(path, "-journal") > 0;
    if (st.st_size == 0 && create && size_beside(path, "-wal") == 0) {
        *ret_fresh = true;
        return ERR_OK;
    }
    uint8_t header[HEADER_LEN];
    ssize_t len = pread(fd, header, sizeof header, 0);
    if (len < 0)
        return err_errno(detail, "%s", path);
    if (!unfinished) {
        if (len < HEADER_LEN)
            return err_set(detail, ERR_CORRUPT, "%s: the header is cut off", path);
        TRY(inspect_header(path, header, (uint64_t)st.st_size, detail));
    }
    *ret_fresh = unfinished && create;
    return ERR_OK;
}

void sqlite_sizes(void *db, struct store_stats *stats)
{
    const struct sqlite_store *store = db;
    stats->file_bytes = (uint64_t)size_beside(store->path, "");
    stats->log_bytes = (uint64_t)size_beside(store->path, "-wal");
}

#include "programs/clavigerd/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "keeper/segment.h"

#define CHUNK ((size_t)1024 * 1024)

static enum err lock_folder(struct segments *segments, const char *path, struct err_detail *detail)
{
    segments->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (segments->dir < 0)
        return err_errno(detail, "%s: can't open", path);
    /* the engine reads the chain for its index; only the keeper, by its descriptors, writes it */
    if (segments->group != (gid_t)-1 && fchown(segments->dir, (uid_t)-1, segments->group) != 0)
        return err_errno(detail, "%s: can't give it to the service's group", path);
    segments->lock = openat(segments->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (segments->lock < 0)
        return err_errno(detail, "%s/lock: can't open", path);
    if (flock(segments->lock, LOCK_EX | LOCK_NB) != 0)
        return err_set(detail, ERR_LOCKED, "%s: another daemon writes this audit chain", path);
    return ERR_OK;
}

enum err segments_open(const char *path, uint64_t size, gid_t group, struct segments *ret_segments,
                       struct err_detail *detail)
{
    size = (size + 4095) / 4096 * 4096;
    if (size < SEGMENT_SIZE_MIN || size > SEGMENT_SIZE_MAX)
        return err_set(detail, ERR_CONFIG, "audit segments of %llu bytes",
                       (unsigned long long)size);
    TRY(file_mkdirs(path, 0750, detail));
    struct segments segments = {.dir = -1, .lock = -1, .size = size, .group = group};
    enum err err = lock_folder(&segments, path, detail);
    if (err != ERR_OK) {
        segments_done(&segments);
        return err;
    }
    *ret_segments = segments;
    return ERR_OK;
}

void segments_done(struct segments *segments)
{
    file_closep(&segments->lock);
    file_closep(&segments->dir);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static enum err list_numbers(int dir_fd, struct buf *numbers, struct err_detail *detail)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        file_closep(&fd);
        return err_errno(detail, "can't read the audit folder");
    }
    enum err err = ERR_OK;
    for (struct dirent *entry; err == ERR_OK && (entry = readdir(dir)) != NULL;) {
        uint64_t number;
        if (segment_name_parse(entry->d_name, &number))
            err = buf_append(numbers, bytes_of(&number, sizeof number));
    }
    (void)closedir(dir);
    if (numbers->len != 0)
        qsort(numbers->data, numbers->len / sizeof(uint64_t), sizeof(uint64_t), by_number);
    return err;
}

static enum err open_number(const struct segments *segments, uint64_t number, int *ret_fd,
                            bool *ret_blank, struct err_detail *detail)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    AUTO(file_closep) int fd = openat(segments->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(detail, "%s: can't open", name);
    uint8_t start[SEGMENT_HEADER_SIZE] = {0};
    if (pread(fd, start, sizeof start, 0) < 0)
        return err_errno(detail, "%s: can't read", name);
    *ret_blank = segment_header_blank(start);
    *ret_fd = file_take(&fd);
    return ERR_OK;
}

/* Whether a file without a header can be written into: of the right size, nothing but zeros. */
static enum err is_clean(const struct segments *segments, int fd, bool *ret_clean,
                         struct err_detail *detail)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(detail, "can't stat a spare audit segment");
    bool clean = (uint64_t)st.st_size == segments->size;
    uint8_t *chunk = malloc(CHUNK);
    if (chunk == NULL)
        return ERR_NO_MEMORY;
    for (off_t at = 0; clean && at < st.st_size;) {
        ssize_t got = pread(fd, chunk, CHUNK, at);
        if (got <= 0)
            break;
        clean = chunk[0] == 0 && memcmp(chunk, chunk + 1, (size_t)got - 1) == 0;
        at += got;
    }
    free(chunk);
    *ret_clean = clean;
    return ERR_OK;
}

/* Nothing that may have been a record is ever thrown away. */
static enum err set_aside(const struct segments *segments, uint64_t number,
                          struct err_detail *detail)
{
    char name[SEGMENT_NAME_SIZE], aside[SEGMENT_NAME_SIZE + 48];
    segment_name(number, name);
    (void)snprintf(aside, sizeof aside, "%s.%llu.set-aside", name,
                   (unsigned long long)clock_now_us());
    if (renameat(segments->dir, name, segments->dir, aside) != 0)
        return err_errno(detail, "%s: can't set it aside", name);
    log_warn("audit file %s has no header but is no clean spare: kept as %s", name, aside);
    return ERR_OK;
}

/* What stands behind the last segment: at most one spare. */
static enum err find_spare(struct segments *segments, const uint64_t *numbers, size_t count,
                           int *ret_spare, struct err_detail *detail)
{
    AUTO(file_closep) int spare = -1;
    for (size_t i = 0; i < count; i++) {
        AUTO(file_closep) int fd = -1;
        bool blank = false, clean = false;
        TRY(open_number(segments, numbers[i], &fd, &blank, detail));
        TRY(is_clean(segments, fd, &clean, detail));
        if (clean && spare < 0 && numbers[i] == segments->last + 1) {
            segments->made = numbers[i];
            spare = file_take(&fd);
        } else {
            TRY(set_aside(segments, numbers[i], detail));
        }
    }
    *ret_spare = file_take(&spare);
    return ERR_OK;
}

static enum err check_unbroken(const uint64_t *numbers, size_t count, struct err_detail *detail)
{
    for (size_t i = 1; i < count; i++) {
        if (numbers[i] != numbers[i - 1] + 1)
            return err_set(detail, ERR_AUDIT, "audit segment %llu is missing",
                           (unsigned long long)numbers[i - 1] + 1);
    }
    return ERR_OK;
}

enum err segments_find(struct segments *segments, int *ret_last, int *ret_spare,
                       struct err_detail *detail)
{
    AUTO(buf_done) struct buf list = {0};
    TRY(list_numbers(segments->dir, &list, detail));
    const uint64_t *numbers = (const uint64_t *)(const void *)list.data;
    size_t count = list.len / sizeof *numbers, with_header = count;
    AUTO(file_closep) int last = -1;
    for (; with_header != 0; with_header--) {
        bool blank = false;
        TRY(open_number(segments, numbers[with_header - 1], &last, &blank, detail));
        if (!blank)
            break;
        file_closep(&last);
    }
    TRY(check_unbroken(numbers, with_header, detail));
    segments->last = segments->made = with_header != 0 ? numbers[with_header - 1] : 0;
    if (count != with_header)
        TRY(find_spare(segments, numbers + with_header, count - with_header, ret_spare, detail));
    else
        *ret_spare = -1;
    *ret_last = file_take(&last);
    return ERR_OK;
}

static enum err fill(int fd, uint64_t size, struct err_detail *detail)
{
    uint8_t *zeros = calloc(1, CHUNK);
    if (zeros == NULL)
        return ERR_NO_MEMORY;
    enum err err = ERR_OK;
    for (uint64_t done = 0; err == ERR_OK && done < size;) {
        size_t part = size - done < CHUNK ? (size_t)(size - done) : CHUNK;
        err = file_write_all(fd, bytes_of(zeros, part), detail);
        done += part;
    }
    free(zeros);
    return err;
}

static enum err make_named(struct segments *segments, const char *beside, const char *name,
                           int *ret_fd, struct err_detail *detail)
{
    AUTO(file_closep)
    int fd =
        openat(segments->dir, beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return err_errno(detail, "%s: can't create", beside);
    if (fchmod(fd, 0640) != 0 ||
        (segments->group != (gid_t)-1 && fchown(fd, (uid_t)-1, segments->group) != 0))
        return err_errno(detail, "%s: can't give it to the service's group", beside);
    TRY(fill(fd, segments->size, detail));
    if (fsync(fd) != 0 || renameat(segments->dir, beside, segments->dir, name) != 0 ||
        fsync(segments->dir) != 0)
        return err_errno(detail, "%s: can't sync", name);
    *ret_fd = file_take(&fd);
    return ERR_OK;
}

enum err segments_make(struct segments *segments, int *ret_spare, struct err_detail *detail)
{
    char name[SEGMENT_NAME_SIZE], beside[SEGMENT_NAME_SIZE + 8];
    segment_name(segments->made + 1, name);
    (void)snprintf(beside, sizeof beside, "%s.new", name);
    (void)unlinkat(segments->dir, beside, 0);
    enum err err = make_named(segments, beside, name, ret_spare, detail);
    if (err != ERR_OK) {
        (void)unlinkat(segments->dir, beside, 0);
        return err;
    }
    segments->made++;
    return ERR_OK;
}

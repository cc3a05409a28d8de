#include "api/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

struct entry {
    uint64_t id; /* 0: free */
    uint64_t used_ns;
};

struct spool {
    pthread_mutex_t lock;
    char *dir;
    uint64_t last_id;
    struct entry entries[SPOOL_FILES_MAX];
};

static enum err path_of(const struct spool *spool, uint64_t id, char to[SPOOL_PATH_MAX])
{
    int len = snprintf(to, SPOOL_PATH_MAX, "%s/file-%" PRIu64, spool->dir, id);
    return len > 0 && len < SPOOL_PATH_MAX ? ERR_OK : ERR_LIMIT;
}

static enum err sweep(const char *dir, struct err_detail *detail)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return err_errno(detail, "%s: can't read the folder", dir);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strncmp(e->d_name, "file-", 5) == 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    (void)closedir(d);
    return ERR_OK;
}

enum err spool_new(const char *dir, struct spool **ret_spool, struct err_detail *detail)
{
    TRY(sweep(dir, detail));
    struct spool *spool = calloc(1, sizeof *spool);
    char *copy = strdup(dir);
    if (spool == NULL || copy == NULL) {
        free(spool);
        free(copy);
        return ERR_NO_MEMORY;
    }
    (void)pthread_mutex_init(&spool->lock, NULL);
    spool->dir = copy;
    *ret_spool = spool;
    return ERR_OK;
}

void spool_free(struct spool *spool)
{
    if (spool == NULL)
        return;
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++) {
        if (spool->entries[i].id != 0)
            spool_remove(spool, spool->entries[i].id);
    }
    (void)pthread_mutex_destroy(&spool->lock);
    free(spool->dir);
    free(spool);
}

/* Locked. */
static struct entry *find(struct spool *spool, uint64_t id)
{
    for (size_t i = 0; i < SPOOL_FILES_MAX && id != 0; i++) {
        if (spool->entries[i].id == id) {
            spool->entries[i].used_ns = clock_mono_ns();
            return &spool->entries[i];
        }
    }
    return NULL;
}

/* Locked. A free entry, or one that nobody used for an hour. */
static struct entry *find_room(struct spool *spool)
{
    uint64_t now = clock_mono_ns();
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++) {
        struct entry *e = &spool->entries[i];
        if (e->id != 0 && now - e->used_ns > SPOOL_KEEP_S * UINT64_C(1000000000)) {
            char path[SPOOL_PATH_MAX];
            if (path_of(spool, e->id, path) == ERR_OK)
                (void)unlink(path);
            e->id = 0;
        }
        if (e->id == 0)
            return e;
    }
    return NULL;
}

enum err spool_reserve(struct spool *spool, uint64_t *ret_id, struct err_detail *detail)
{
    (void)pthread_mutex_lock(&spool->lock);
    struct entry *e = find_room(spool);
    if (e != NULL)
        *e = (struct entry){.id = ++spool->last_id, .used_ns = clock_mono_ns()};
    uint64_t id = spool->last_id;
    (void)pthread_mutex_unlock(&spool->lock);
    if (e == NULL)
        return err_set(detail, ERR_BUSY, "%d files are on their way already", SPOOL_FILES_MAX);
    *ret_id = id;
    return ERR_OK;
}

enum err spool_add(struct spool *spool, uint64_t *ret_id, struct err_detail *detail)
{
    char path[SPOOL_PATH_MAX];
    uint64_t id = 0;
    TRY(spool_reserve(spool, &id, detail));
    TRY(path_of(spool, id, path));
    AUTO(file_closep)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        enum err err = err_errno(detail, "%s: can't create", path);
        spool_remove(spool, id);
        return err;
    }
    *ret_id = id;
    return ERR_OK;
}

enum err spool_path(struct spool *spool, uint64_t id, char to[SPOOL_PATH_MAX])
{
    (void)pthread_mutex_lock(&spool->lock);
    bool known = find(spool, id) != NULL;
    (void)pthread_mutex_unlock(&spool->lock);
    return known ? path_of(spool, id, to) : ERR_NOT_FOUND;
}

enum err spool_write(struct spool *spool, uint64_t id, uint64_t offset, struct bytes piece,
                     struct err_detail *detail)
{
    char path[SPOOL_PATH_MAX];
    TRY(spool_path(spool, id, path));
    if (offset > SPOOL_BYTES_MAX || piece.len > SPOOL_BYTES_MAX - offset)
        return err_set(detail, ERR_LIMIT, "the file is larger than %" PRIu64 " bytes",
                       SPOOL_BYTES_MAX);
    AUTO(file_closep) int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_errno(detail, "%s: can't open", path);
    if ((uint64_t)st.st_size != offset)
        return err_set(detail, ERR_MISMATCH, "offset %" PRIu64 ", but %" PRIu64 " bytes are here",
                       offset, (uint64_t)st.st_size);
    enum err err = file_write_all(fd, piece, detail);
    if (err != ERR_OK && ftruncate(fd, st.st_size) != 0)
        spool_remove(spool, id); /* neither whole nor as before: better gone */
    return err;
}

/* What a job makes beside a file. */
static const char *const parts[] = {"", ".sig", ".manifest"};

enum err spool_open(struct spool *spool, uint64_t id, const char *part, int *ret_fd,
                    struct err_detail *detail)
{
    char path[SPOOL_PATH_MAX], beside[SPOOL_PATH_MAX + 16];
    size_t known = 0;
    while (known < ARRAY_LEN(parts) && strcmp(parts[known], part) != 0)
        known++;
    if (known == ARRAY_LEN(parts))
        return err_set(detail, ERR_NOT_FOUND, "part '%s': none, .sig or .manifest wanted", part);
    enum err err = spool_path(spool, id, path);
    if (err != ERR_OK)
        return err_set(detail, err, "no file %" PRIu64 "; files are kept for an hour", id);
    (void)snprintf(beside, sizeof beside, "%s%s", path, part);
    int fd = open(beside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(detail, "%s: can't open", beside);
    *ret_fd = fd;
    return ERR_OK;
}

void spool_remove(struct spool *spool, uint64_t id)
{
    char path[SPOOL_PATH_MAX], beside[SPOOL_PATH_MAX + 16];
    if (path_of(spool, id, path) == ERR_OK) {
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            (void)snprintf(beside, sizeof beside, "%s%s", path, parts[i]);
            (void)unlink(beside);
        }
    }
    (void)pthread_mutex_lock(&spool->lock);
    struct entry *e = find(spool, id);
    if (e != NULL)
        e->id = 0;
    (void)pthread_mutex_unlock(&spool->lock);
}

#include "api/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/random.h"

#define ID_MASK ((UINT64_C(1) << 53) - 1) /* what JSON numbers hold */
#define KEEP_NS (SPOOL_KEEP_S * UINT64_C(1000000000))
#define NO_FILE "no file %" PRIu64 "; files are kept for an hour"

enum kind { UPLOAD, DOWNLOAD };

struct entry {
    uint64_t id; /* 0: free */
    enum kind kind;
    uint64_t used_ns;
    uint64_t bytes; /* of an upload */
    unsigned holds;
    bool published; /* a download that is whole */
    bool doomed;    /* goes when nobody holds it */
};

struct spool {
    pthread_mutex_t lock;
    char *dir;
    struct entry entries[SPOOL_FILES_MAX];
};

/* What a job makes beside a file. */
static const char *const parts[] = {"", ".sig", ".manifest", ".packages"};

/* Fits: spool_new has looked. */
static void path_of(const struct spool *spool, uint64_t id, char to[SPOOL_PATH_MAX])
{
    (void)snprintf(to, SPOOL_PATH_MAX, "%s/file-%" PRIu64, spool->dir, id);
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
    if (strlen(dir) > SPOOL_PATH_MAX - 32)
        return err_set(detail, ERR_LIMIT, "%s: path too long", dir);
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

/* Locked. */
static void drop(const struct spool *spool, struct entry *e)
{
    char path[SPOOL_PATH_MAX], beside[SPOOL_PATH_MAX + 16];
    path_of(spool, e->id, path);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        (void)snprintf(beside, sizeof beside, "%s%s", path, parts[i]);
        (void)unlink(beside);
    }
    *e = (struct entry){0};
}

void spool_free(struct spool *spool)
{
    if (spool == NULL)
        return;
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++) {
        if (spool->entries[i].id != 0)
            drop(spool, &spool->entries[i]);
    }
    (void)pthread_mutex_destroy(&spool->lock);
    free(spool->dir);
    free(spool);
}

/* Locked; one that is to go is not found any more. */
static struct entry *find(struct spool *spool, uint64_t id)
{
    for (size_t i = 0; i < SPOOL_FILES_MAX && id != 0; i++) {
        struct entry *e = &spool->entries[i];
        if (e->id == id && !e->doomed) {
            e->used_ns = clock_mono_ns();
            return e;
        }
    }
    return NULL;
}

/* Locked. */
static void tidy(struct spool *spool, uint64_t now_ns)
{
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++) {
        struct entry *e = &spool->entries[i];
        if (e->id != 0 && e->holds == 0 && now_ns > e->used_ns && now_ns - e->used_ns > KEEP_NS)
            drop(spool, e);
    }
}

void spool_load(struct spool *spool, unsigned *ret_files, unsigned *ret_held)
{
    unsigned files = 0, held = 0;
    (void)pthread_mutex_lock(&spool->lock);
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++) {
        files += spool->entries[i].id != 0;
        held += spool->entries[i].holds != 0;
    }
    (void)pthread_mutex_unlock(&spool->lock);
    *ret_files = files;
    *ret_held = held;
}

void spool_tidy(struct spool *spool, uint64_t now_ns)
{
    (void)pthread_mutex_lock(&spool->lock);
    tidy(spool, now_ns);
    (void)pthread_mutex_unlock(&spool->lock);
}

/* Locked. */
static struct entry *find_room(struct spool *spool)
{
    tidy(spool, clock_mono_ns());
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++) {
        if (spool->entries[i].id == 0)
            return &spool->entries[i];
    }
    return NULL;
}

/* A new entry, held. */
static enum err reserve(struct spool *spool, enum kind kind, uint64_t *ret_id,
                        char to[SPOOL_PATH_MAX], struct err_detail *detail)
{
    uint64_t id = 0;
    TRY(random_bytes(&id, sizeof id));
    id = (id & ID_MASK) | 1; /* nobody finds another's file by counting */
    (void)pthread_mutex_lock(&spool->lock);
    struct entry *e = find_room(spool);
    if (e != NULL)
        *e = (struct entry){.id = id, .kind = kind, .used_ns = clock_mono_ns(), .holds = 1};
    (void)pthread_mutex_unlock(&spool->lock);
    if (e == NULL)
        return err_set(detail, ERR_BUSY, "%d files are on their way already", SPOOL_FILES_MAX);
    path_of(spool, id, to);
    *ret_id = id;
    return ERR_OK;
}

enum err spool_reserve(struct spool *spool, uint64_t *ret_id, char to[SPOOL_PATH_MAX],
                       struct err_detail *detail)
{
    return reserve(spool, DOWNLOAD, ret_id, to, detail);
}

enum err spool_add(struct spool *spool, uint64_t *ret_id, struct err_detail *detail)
{
    char path[SPOOL_PATH_MAX];
    uint64_t id = 0;
    TRY(reserve(spool, UPLOAD, &id, path, detail));
    AUTO(file_closep)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum err err = fd < 0 ? err_errno(detail, "%s: can't create", path) : ERR_OK;
    if (err == ERR_OK)
        *ret_id = id;
    else
        (void)spool_remove(spool, id);
    spool_release(spool, id);
    return err;
}

/* Locked. Room for a piece is taken before it is written. */
static enum err begin_write(struct spool *spool, uint64_t id, uint64_t offset, size_t len,
                            struct err_detail *detail)
{
    struct entry *e = find(spool, id);
    if (e == NULL || e->kind != UPLOAD)
        return err_set(detail, ERR_NOT_FOUND, NO_FILE, id);
    if (e->holds != 0)
        return err_set(detail, ERR_BUSY, "upload %" PRIu64 " is in use", id);
    if (offset != e->bytes)
        return err_set(detail, ERR_MISMATCH, "offset %" PRIu64 ", but %" PRIu64 " bytes are here",
                       offset, e->bytes);
    if (len > SPOOL_BYTES_MAX - e->bytes)
        return err_set(detail, ERR_LIMIT, "the file is larger than %" PRIu64 " bytes",
                       SPOOL_BYTES_MAX);
    uint64_t total = 0;
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++)
        total += spool->entries[i].bytes;
    if (len > SPOOL_TOTAL_MAX - total)
        return err_set(detail, ERR_BUSY, "%" PRIu64 " bytes are on their way already", total);
    e->bytes += len;
    e->holds = 1;
    return ERR_OK;
}

static enum err write_at(const char *path, uint64_t offset, struct bytes piece,
                         struct err_detail *detail)
{
    AUTO(file_closep) int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(detail, "%s: can't open", path);
    enum err err = file_write_all(fd, piece, detail);
    if (err != ERR_OK && ftruncate(fd, (off_t)offset) != 0)
        err = err_set(detail, err, "%s: can't take back half a piece", path);
    return err;
}

enum err spool_write(struct spool *spool, uint64_t id, uint64_t offset, struct bytes piece,
                     struct err_detail *detail)
{
    char path[SPOOL_PATH_MAX];
    (void)pthread_mutex_lock(&spool->lock);
    enum err err = begin_write(spool, id, offset, piece.len, detail);
    (void)pthread_mutex_unlock(&spool->lock);
    TRY(err);
    path_of(spool, id, path);
    err = write_at(path, offset, piece, detail);
    if (err != ERR_OK) {
        (void)pthread_mutex_lock(&spool->lock);
        struct entry *e = find(spool, id);
        if (e != NULL)
            e->bytes = offset;
        (void)pthread_mutex_unlock(&spool->lock);
    }
    spool_release(spool, id);
    return err;
}

enum err spool_hold(struct spool *spool, uint64_t id, char to[SPOOL_PATH_MAX])
{
    (void)pthread_mutex_lock(&spool->lock);
    struct entry *e = find(spool, id);
    bool known = e != NULL && e->kind == UPLOAD;
    if (known)
        e->holds++;
    (void)pthread_mutex_unlock(&spool->lock);
    if (!known)
        return ERR_NOT_FOUND;
    path_of(spool, id, to);
    return ERR_OK;
}

/* Locked. */
static void let_go(struct spool *spool, uint64_t id)
{
    for (size_t i = 0; i < SPOOL_FILES_MAX; i++) {
        struct entry *e = &spool->entries[i];
        if (e->id != id || e->holds == 0)
            continue;
        e->used_ns = clock_mono_ns();
        if (--e->holds == 0 && e->doomed)
            drop(spool, e);
    }
}

void spool_release(struct spool *spool, uint64_t id)
{
    (void)pthread_mutex_lock(&spool->lock);
    let_go(spool, id);
    (void)pthread_mutex_unlock(&spool->lock);
}

void spool_publish(struct spool *spool, uint64_t id)
{
    (void)pthread_mutex_lock(&spool->lock);
    struct entry *e = find(spool, id);
    if (e != NULL)
        e->published = true;
    let_go(spool, id);
    (void)pthread_mutex_unlock(&spool->lock);
}

enum err spool_open(struct spool *spool, uint64_t id, const char *part, int *ret_fd,
                    struct err_detail *detail)
{
    char path[SPOOL_PATH_MAX], beside[SPOOL_PATH_MAX + 16];
    size_t known = 0;
    while (known < ARRAY_LEN(parts) && strcmp(parts[known], part) != 0)
        known++;
    if (known == ARRAY_LEN(parts))
        return err_set(detail, ERR_NOT_FOUND,
                       "part '%s': none, .sig, .manifest or .packages wanted", part);
    path_of(spool, id, path);
    (void)snprintf(beside, sizeof beside, "%s%s", path, part);
    (void)pthread_mutex_lock(&spool->lock);
    const struct entry *e = find(spool, id);
    bool readable = e != NULL && e->kind == DOWNLOAD && e->published;
    int fd = readable ? open(beside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    enum err err = ERR_OK;
    if (!readable)
        err = err_set(detail, ERR_NOT_FOUND, NO_FILE, id);
    else if (fd < 0)
        err = err_errno(detail, "%s: can't open", beside);
    (void)pthread_mutex_unlock(&spool->lock);
    if (err == ERR_OK)
        *ret_fd = fd;
    return err;
}

enum err spool_remove(struct spool *spool, uint64_t id)
{
    (void)pthread_mutex_lock(&spool->lock);
    struct entry *e = find(spool, id);
    bool known = e != NULL;
    if (known && e->holds != 0)
        e->doomed = true;
    else if (known)
        drop(spool, e);
    (void)pthread_mutex_unlock(&spool->lock);
    return known ? ERR_OK : ERR_NOT_FOUND;
}

#include "kmip/server/log_files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define PREFIX      "kmip-"
#define SUBDIR      "server"
#define ADDRESS_MAX 64

/* Goes through DIR/ADDRESS/server/kmip-*. */
struct found {
    char *path;
    struct timespec changed;
    uint64_t size;
};

struct list {
    struct found *items;
    size_t len, cap;
    uint64_t total;
};

static void list_done(struct list *list)
{
    for (size_t i = 0; i < list->len; i++)
        free(list->items[i].path);
    free(list->items);
}

static enum err add(struct list *list, const char *path, const struct stat *st)
{
    if (list->len == list->cap) {
        size_t cap = list->cap != 0 ? 2 * list->cap : 256;
        struct found *items = realloc(list->items, cap * sizeof *items);
        if (items == NULL)
            return ERR_NO_MEMORY;
        list->items = items;
        list->cap = cap;
    }
    char *copy = strdup(path);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    list->items[list->len++] = (struct found){copy, st->st_mtim, (uint64_t)st->st_size};
    list->total += (uint64_t)st->st_size;
    return ERR_OK;
}

static enum err find_in(struct list *list, const char *dir)
{
    DIR *d = opendir(dir);
    enum err err = ERR_OK;
    const struct dirent *entry;
    while (d != NULL && err == ERR_OK && (entry = readdir(d)) != NULL) {
        char path[PATH_MAX];
        struct stat st;
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        int len = snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (len > 0 && (size_t)len < sizeof path && lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            err = add(list, path, &st);
    }
    if (d != NULL)
        (void)closedir(d);
    return err;
}

static enum err find_all(struct list *list, const char *dir)
{
    DIR *d = opendir(dir);
    enum err err = ERR_OK;
    const struct dirent *entry;
    while (d != NULL && err == ERR_OK && (entry = readdir(d)) != NULL) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(path, sizeof path, "%s/%s/" SUBDIR, dir, entry->d_name);
        if (len > 0 && (size_t)len < sizeof path)
            err = find_in(list, path);
    }
    if (d != NULL)
        (void)closedir(d);
    return err;
}

static int older_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->changed.tv_sec != y->changed.tv_sec)
        return x->changed.tv_sec < y->changed.tv_sec ? -1 : 1;
    return (x->changed.tv_nsec > y->changed.tv_nsec) - (x->changed.tv_nsec < y->changed.tv_nsec);
}

/* Down to nine tenths, so that it is not looked through for each message. */
static enum err prune(struct log_files *files)
{
    struct list list = {0};
    enum err err = find_all(&list, files->dir);
    if (err == ERR_OK && list.len != 0)
        qsort(list.items, list.len, sizeof list.items[0], older_first);
    for (size_t i = 0; err == ERR_OK && i < list.len && list.total > files->max / 10 * 9; i++) {
        if (unlink(list.items[i].path) == 0)
            list.total -= list.items[i].size;
    }
    files->used = list.total;
    list_done(&list);
    return err;
}

enum err log_files_open(struct log_files *files, const char *dir, uint64_t max,
                        struct err_detail *detail)
{
    struct list list = {0};
    int len = snprintf(files->dir, sizeof files->dir, "%s", dir);
    if (len < 0 || (size_t)len >= sizeof files->dir)
        return err_set(detail, ERR_LIMIT, "%s: too long", dir);
    TRY(file_mkdirs(dir, 0700, detail));
    enum err err = find_all(&list, dir);
    files->max = max;
    files->used = list.total;
    list_done(&list);
    return err;
}

/* "192.0.2.1" of "192.0.2.1:40112", "2001:db8::1" of "[2001:db8::1]:40112"; nothing that means
 * something in a path. */
static void address_of(const char *peer, char to[ADDRESS_MAX])
{
    size_t len = strlen(peer), out = 0;
    const char *colon = strrchr(peer, ':');
    if (colon != NULL)
        len = (size_t)(colon - peer);
    for (size_t i = 0; i < len && out < ADDRESS_MAX - 1; i++) {
        char c = peer[i];
        if (c == '[' || c == ']')
            continue;
        bool plain = isxdigit((unsigned char)c) || c == ':' || (c == '.' && out > 0);
        to[out++] = plain ? c : '_';
    }
    if (out == 0)
        to[out++] = '_';
    to[out] = '\0';
}

enum err log_files_append(struct log_files *files, const char *peer, uint64_t since_us,
                          uint64_t connection, const char *extension, struct bytes text,
                          struct err_detail *detail)
{
    char address[ADDRESS_MAX], path[PATH_MAX];
    address_of(peer, address);
    int len =
        snprintf(path, sizeof path, "%s/%s/" SUBDIR "/" PREFIX "%llu-%llu.%s", files->dir, address,
                 (unsigned long long)since_us, (unsigned long long)connection, extension);
    if (len < 0 || (size_t)len >= sizeof path)
        return err_set(detail, ERR_LIMIT, "%s: too long", files->dir);
    TRY(file_mkdirs_of(path, 0700, detail));
    AUTO(file_closep)
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(detail, "%s: can't open", path);
    TRY(file_write_all(fd, text, detail));
    files->used += text.len;
    return files->used > files->max ? prune(files) : ERR_OK;
}

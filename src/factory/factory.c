#include "factory/factory.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "factory/internal.h"

#define FOLDER_DEPTH 3

enum err factory_open(struct store *store, struct vault *vault, const struct factory_config *config,
                      struct err_detail *detail, struct factory **ret_factory)
{
    AUTO(factory_closep) struct factory *factory = calloc(1, sizeof *factory);
    if (factory == NULL)
        return ERR_NO_MEMORY;
    factory->store = store;
    factory->vault = vault;
    factory->package_max = config->package_max;
    (void)pthread_mutex_init(&factory->lock, NULL);
    (void)pthread_mutex_init(&factory->commit, NULL);
    (void)pthread_mutex_init(&factory->export, NULL);
    factory->directory = strdup(config->directory);
    if (factory->directory == NULL)
        return ERR_NO_MEMORY;
    /* the longest path below it */
    if (strlen(factory->directory) + 64 + FACTORY_FILE_MAX > FACTORY_PATH_MAX)
        return err_set(detail, ERR_LIMIT, "%s: path too long", factory->directory);
    TRY(file_mkdirs(factory->directory, 0700, detail));
    TRY(staging_clean(factory, detail));
    TRY(exports_recover(factory, detail));
    if (vault != NULL)
        vault_add_source(vault, staged_reseal_source(factory));
    *ret_factory = TAKE(factory);
    return ERR_OK;
}

void factory_close(struct factory *factory)
{
    if (factory == NULL)
        return;
    if (factory->vault != NULL)
        vault_drop_source(factory->vault, factory);
    staging_free(factory);
    for (size_t i = 0; i < factory->readers_len; i++)
        store_reader_close(factory->readers[i]);
    (void)pthread_mutex_destroy(&factory->lock);
    (void)pthread_mutex_destroy(&factory->commit);
    (void)pthread_mutex_destroy(&factory->export);
    free(factory->summary);
    free(factory->directory);
    free(factory);
}

void factory_closep(struct factory **factory)
{
    factory_close(*factory);
}

enum err read_begin(struct factory *factory, struct factory_read *ret_read,
                    struct err_detail *detail)
{
    struct store_reader *reader = NULL;
    (void)pthread_mutex_lock(&factory->lock);
    if (factory->readers_len > 0)
        reader = factory->readers[--factory->readers_len];
    (void)pthread_mutex_unlock(&factory->lock);
    if (reader == NULL)
        TRY(store_reader_open(factory->store, STORE_READER_SCAN, &reader, detail));
    enum err err = store_reader_begin(reader, detail);
    if (err != ERR_OK) {
        store_reader_close(reader);
        return err;
    }
    *ret_read = (struct factory_read){factory, reader, store_reader_conn(reader)};
    return ERR_OK;
}

void read_end(struct factory_read *read)
{
    if (read->reader == NULL)
        return;
    struct factory *factory = read->factory;
    store_reader_end(read->reader);
    (void)pthread_mutex_lock(&factory->lock);
    if (factory->readers_len < FACTORY_READERS) {
        factory->readers[factory->readers_len++] = read->reader;
        read->reader = NULL;
    }
    (void)pthread_mutex_unlock(&factory->lock);
    store_reader_close(read->reader);
    read->reader = NULL;
}

const char *column_text(struct store_stmt *stmt, unsigned column)
{
    const char *text = store_column_text(stmt, column);
    return text != NULL ? text : "";
}

enum err column_dup(struct store_stmt *stmt, unsigned column, struct arena *arena,
                    const char **ret_text)
{
    const char *text = column_text(stmt, column);
    const char *copy = arena_strndup(arena, text, strlen(text));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    *ret_text = copy;
    return ERR_OK;
}

/* Zeros where the column has another length. */
void column_copy(struct store_stmt *stmt, unsigned column, void *to, size_t len)
{
    struct bytes value = store_column_bytes(stmt, column);
    memset(to, 0, len);
    if (value.len == len)
        memcpy(to, value.data, len);
}

enum err check_text(const char *what, const char *text, size_t max, bool empty,
                    struct err_detail *detail)
{
    size_t len = strnlen(text, max + 1);
    if (len > max)
        return err_set(detail, ERR_ARGUMENT, "%s: at most %zu bytes", what, max);
    if (len == 0 && !empty)
        return err_set(detail, ERR_ARGUMENT, "%s: must not be empty", what);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            return err_set(detail, ERR_ARGUMENT, "%s: control characters are not wanted", what);
    }
    return ERR_OK;
}

enum err check_name(const char *what, const char *name, size_t max, struct err_detail *detail)
{
    size_t len = strnlen(name, max + 1);
    bool good = len > 0 && len <= max && name[0] != '.';
    for (size_t i = 0; good && i < len; i++) {
        char c = name[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    }
    return good ? ERR_OK
                : err_set(detail, ERR_ARGUMENT,
                          "%s: letters, digits, '.', '_' and '-' are wanted, at most %zu", what,
                          max);
}

enum err revision_folder(const struct factory *factory, uint64_t config_id, uint32_t revision,
                         char to[FACTORY_PATH_MAX])
{
    int len = snprintf(to, FACTORY_PATH_MAX, "%s/0x%016" PRIx64 "/%" PRIu32, factory->directory,
                       config_id, revision);
    return len > 0 && len < FACTORY_PATH_MAX ? ERR_OK : ERR_LIMIT;
}

static enum err remove_below(int dir_fd, const char *name, unsigned depth)
{
    if (unlinkat(dir_fd, name, 0) == 0)
        return ERR_OK;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return ERR_IO;
    }
    const struct dirent *entry;
    while (depth > 0 && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)remove_below(fd, entry->d_name, depth - 1);
    }
    (void)closedir(dir);
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 ? ERR_OK : ERR_IO;
}

enum err folder_remove(const char *path)
{
    return remove_below(AT_FDCWD, path, FOLDER_DEPTH);
}

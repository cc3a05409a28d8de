#include "kmc/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/random.h"

#define KEY_SIZE 32
#define FORMAT   1

static const char magic[8] = {'C', 'K', 'M', 'C', 'A', 'C', 'H', 'E'};

static enum err make_key_file(const char *path, struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *key = NULL;
    AUTO(secret_freep) struct secret *text = NULL;
    TRY(random_secret(KEY_SIZE, &key));
    TRY(secret_new(2 * KEY_SIZE + 1, &text));
    hex_encode(secret_view(key), (char *)secret_data(text));
    secret_data(text)[2 * KEY_SIZE] = '\n';
    AUTO(file_closep)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(detail, "%s: can't create", path);
    enum err err = file_write_all(fd, secret_view(text), detail);
    if (err == ERR_OK && fsync(fd) != 0)
        err = err_errno(detail, "%s: can't sync", path);
    if (err == ERR_OK)
        err = file_sync_dir_of(path, detail);
    if (err != ERR_OK)
        (void)unlink(path);
    return err;
}

enum err kmc_key_file_read(const char *path, struct secret **ret_key, struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *text = NULL;
    AUTO(secret_freep) struct secret *key = NULL;
    size_t len = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        TRY(make_key_file(path, detail));
    TRY(file_read_secret(path, 2 * KEY_SIZE + 2, &text, detail));
    TRY(secret_new(KEY_SIZE, &key));
    if (secret_len(text) != 2 * KEY_SIZE ||
        hex_decode(secret_view(text), secret_data(key), KEY_SIZE, &len) != ERR_OK)
        return err_set(detail, ERR_SYNTAX, "%s: not a key of %d hexadecimal digits", path,
                       2 * KEY_SIZE);
    *ret_key = TAKE(key);
    return ERR_OK;
}

static enum err take_record(struct reader *r, const struct kmc_cache_keys *keys,
                            struct kmc_table *table, unsigned *bad)
{
    AUTO(secret_block32_wipe) struct secret_block32 key;
    struct kmc_record *record = NULL;
    TRY(kmc_record_decode(r, &record));
    enum err err = kmc_record_open(record, keys->aead, key.data);
    if (err == ERR_OK)
        err = kmc_table_put(table, record, clock_now_s());
    else
        ++*bad;
    if (err != ERR_OK)
        free(record);
    return err == ERR_SEAL ? ERR_OK : err;
}

enum err kmc_cache_parse(struct bytes file, const struct kmc_cache_keys *keys,
                         struct kmc_table *table, char why[256])
{
    struct reader r = reader_of(file);
    uint8_t head[sizeof magic], id[KMC_ID_SIZE];
    reader_copy(&r, head, sizeof head);
    uint16_t format = reader_u16(&r), zero = reader_u16(&r);
    uint32_t count = reader_u32(&r);
    reader_copy(&r, id, sizeof id);
    if (reader_status(&r) != ERR_OK || memcmp(head, magic, sizeof head) != 0 || format != FORMAT ||
        zero != 0) {
        (void)snprintf(why, 256, "not a cache of this format; ignored");
        return ERR_OK;
    }
    if (memcmp(id, keys->id, sizeof id) != 0) {
        (void)snprintf(why, 256, "sealed under another key; ignored");
        return ERR_OK;
    }
    unsigned bad = 0;
    for (uint32_t n = 0; n < count; n++) {
        enum err err = take_record(&r, keys, table, &bad);
        if (err == ERR_NO_MEMORY || err == ERR_CRYPTO)
            return err;
        if (err != ERR_OK) {
            (void)snprintf(why, 256, "damaged from entry %u of %u on; the rest is ignored", n + 1,
                           count);
            return ERR_OK;
        }
    }
    if (bad != 0)
        (void)snprintf(why, 256, "%u of %u entries are damaged; ignored", bad, count);
    else if (reader_left(&r) != 0)
        (void)snprintf(why, 256, "%zu bytes too long; ignored", reader_left(&r));
    return ERR_OK;
}

enum err kmc_cache_file_read(const char *path, const struct kmc_cache_keys *keys,
                             struct kmc_table *ret_table, struct stat *ret_stat, char ret_why[256],
                             struct err_detail *detail)
{
    AUTO(buf_done) struct buf content = {0};
    struct kmc_table table = {0};
    struct stat st = {0};
    char why[256] = "";
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return err_errno(detail, "%s: can't open", path);
    if (fd >= 0) {
        if (fstat(fd, &st) != 0)
            return err_errno(detail, "%s: can't stat", path);
        if (!S_ISREG(st.st_mode))
            return err_set(detail, ERR_IO, "%s: no regular file", path);
        if (st.st_size > (off_t)KMC_FILE_MAX) {
            (void)snprintf(why, sizeof why, "larger than a cache can be; ignored");
        } else {
            TRY(buf_reserve(&content, (size_t)st.st_size + 1));
            ssize_t got = 0;
            while (content.len < (size_t)st.st_size &&
                   (got = read(fd, content.data + content.len, (size_t)st.st_size - content.len)) !=
                       0) {
                if (got < 0 && errno == EINTR)
                    continue;
                if (got < 0)
                    return err_errno(detail, "%s: can't read", path);
                content.len += (size_t)got;
            }
            enum err err = kmc_cache_parse(buf_view(&content), keys, &table, why);
            if (err != ERR_OK) {
                kmc_table_done(&table);
                return err;
            }
        }
    }
    *ret_table = table;
    *ret_stat = st;
    memcpy(ret_why, why, sizeof why);
    return ERR_OK;
}

enum err kmc_cache_file_write(const char *path, const struct kmc_cache_keys *keys,
                              const struct kmc_table *table, struct err_detail *detail)
{
    AUTO(buf_done) struct buf content = {0};
    uint8_t room[KMC_RECORD_MAX];
    struct writer w = writer_of(room, sizeof room);
    writer_bytes(&w, BYTES(magic));
    writer_u16(&w, FORMAT);
    writer_u16(&w, 0);
    writer_u32(&w, (uint32_t)table->len);
    writer_bytes(&w, BYTES(keys->id));
    TRY(buf_append(&content, writer_view(&w)));
    for (size_t i = 0; i < table->len; i++) {
        w = writer_of(room, sizeof room);
        kmc_record_encode(table->at[i], &w);
        TRY(writer_status(&w));
        TRY(buf_append(&content, writer_view(&w)));
    }
    return file_write(path, buf_view(&content), 0600, detail);
}

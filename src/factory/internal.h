#pragma once

#include <pthread.h>

#include "factory/export.h"
#include "factory/line_summary.h"
#include "factory/packager.h"
#include "factory/staging.h"

/* Inside of factory, for its own files. */

#define FACTORY_READERS 16 /* kept open */
#define FACTORY_MEMORY  ((size_t)4 * 1024 * 1024)

struct factory_staged;

struct factory {
    struct store *store;
    struct vault *vault; /* for gateway_keys.h */
    char *directory;
    uint64_t package_max;
    pthread_mutex_t lock; /* readers, staged, summary */
    struct store_reader *readers[FACTORY_READERS];
    size_t readers_len;
    struct factory_staged *staged;
    uint64_t last_import;
    pthread_mutex_t commit; /* one package becomes a revision at a time */
    pthread_mutex_t export; /* one export at a time */
    struct factory_line *summary;
    unsigned summary_minutes;
    int64_t summary_time;
};

/* A reader with its snapshot begun, from those kept open; AUTO(read_end). */
struct factory_read {
    struct factory *factory;
    struct store_reader *reader;
    struct store_conn *conn;
};
MUST_CHECK enum err read_begin(struct factory *factory, struct factory_read *ret_read,
                               struct err_detail *detail);
void read_end(struct factory_read *read);

/* Ids of 64 bits as the store has them: 0008-factory.sql. */
static inline uint64_t row_id(uint64_t id)
{
    return id ^ ((uint64_t)1 << 63);
}
static inline void bind_id(struct store_stmt *stmt, unsigned index, uint64_t id)
{
    store_bind_u64(stmt, index, row_id(id));
}
static inline uint64_t column_id(struct store_stmt *stmt, unsigned column)
{
    return row_id(store_column_u64(stmt, column));
}
/* "" for NULL; borrowed until the next step. */
const char *column_text(struct store_stmt *stmt, unsigned column);
/* The same in the arena. */
MUST_CHECK enum err column_dup(struct store_stmt *stmt, unsigned column, struct arena *arena,
                               const char **ret_text);
void column_copy(struct store_stmt *stmt, unsigned column, void *to, size_t len);

/* A text of 1 (or 0 where `empty`) to `max` bytes without control characters; ERR_ARGUMENT names
 * `what`. */
MUST_CHECK enum err check_text(const char *what, const char *text, size_t max, bool empty,
                               struct err_detail *detail);
/* [A-Za-z0-9._-], not beginning with a dot. */
MUST_CHECK enum err check_name(const char *what, const char *name, size_t max,
                               struct err_detail *detail);

#define FACTORY_FOLDER_MAX (FACTORY_PATH_MAX - FACTORY_FILE_MAX - 2)
/* `<directory>/0x.../N` */
MUST_CHECK enum err revision_folder(const struct factory *factory, uint64_t config_id,
                                    uint32_t revision, char to[FACTORY_PATH_MAX]);
/* A folder of files, and below it folders, with all that is in it. */
enum err folder_remove(const char *path);

/* At start-up. */
MUST_CHECK enum err staging_clean(struct factory *factory, struct err_detail *detail);
MUST_CHECK enum err exports_recover(struct factory *factory, struct err_detail *detail);
void staging_free(struct factory *factory);
/* Walks the keys of packages that wait for their commit, for the vault's reseal. */
struct vault_source staged_reseal_source(struct factory *factory);

/* Counts of table device_count, in the transaction of the change. */
MUST_CHECK enum err device_counted(struct store_conn *conn, enum factory_device_state state,
                                   bool exported, int64_t devices, struct err_detail *detail);
/* What a run that ended leaves in its device's row; `kcv` as in factory_run_end. */
MUST_CHECK enum err device_ran(struct store_conn *conn, const struct factory_run *run,
                               const uint8_t *kcv, struct err_detail *detail);
/* A run that ended, in table line_minute. */
MUST_CHECK enum err line_counted(struct store_conn *conn, const struct factory_run *run,
                                 struct err_detail *detail);
/* Aliases of a package: in its transaction. ERR_EXISTS where one is another's. */
MUST_CHECK enum err alias_check(struct store_conn *conn, const char *alias, uint64_t config_id,
                                struct err_detail *detail);
/* The newest revision, 0 where there is none. */
MUST_CHECK enum err package_last(struct store_conn *conn, uint64_t config_id,
                                 uint32_t *ret_revision, struct err_detail *detail);
MUST_CHECK enum err alias_put(struct store_conn *conn, const char *actor, const char *alias,
                              uint64_t config_id, int64_t now, struct err_detail *detail);

/* Applications of a keying, as device_keying has them; views are borrowed from the blob. */
struct application_view {
    struct bytes name, id, key, extra;
};
MUST_CHECK enum err applications_encode(const struct factory_keying *keying, struct buf *to,
                                        struct err_detail *detail);
/* `ret_views` has room for FACTORY_DEVICE_APPLICATIONS_MAX. ERR_CORRUPT. */
MUST_CHECK enum err applications_decode(struct bytes blob, struct application_view *ret_views,
                                        size_t *ret_len);
/* The same as copies in the arena, in `keying`. */
MUST_CHECK enum err applications_read(struct bytes blob, struct arena *arena,
                                      struct factory_keying *keying);
/* Those of `keying`, and of `before` whose names are not among them. */
MUST_CHECK enum err applications_merge(const struct factory_keying *before, struct arena *arena,
                                       struct factory_keying *keying, struct err_detail *detail);

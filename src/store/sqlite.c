#include "store/sqlite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

#define PAGE_SIZE 4096
#define BUSY_MS   5000
#define LOG_PAGES 4000 /* a longer log is copied into the file */
#define LOG_KEEP_BYTES                                                                             \
    (16 * 1024 * 1024) /* a log that a long transaction blew up shrinks to this */
#define VALUE_MAX (64 * 1024 * 1024)

static void configure_library(void)
{
    /* every connection has one thread; the statistics of its allocator would be a global lock.
     * Refused where SQLite already runs, and then only slower. */
    (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_initialize();
}

static void close_store(void *db)
{
    struct sqlite_store *store = db;
    if (store == NULL)
        return;
    file_closep(&store->lock_fd);
    free(store->path);
    free(store);
}

static void close_dbp(sqlite3 **db)
{
    (void)sqlite3_close(*db);
}

static enum err open_db(const char *path, sqlite3 **ret_db, struct err_detail *detail)
{
    AUTO(close_dbp) sqlite3 *db = NULL;
    int code = sqlite3_open_v2(
        path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (code != SQLITE_OK)
        return sqlite_fail(db, code, path, detail);
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    /* a damaged or forged file must not make its reader run what its schema says */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    *ret_db = TAKE(db);
    return ERR_OK;
}

/* Marks a fresh file as ours in one transaction, while it still has a rollback journal: the mark
 * must be in the file itself, not only in a log. */
static enum err mark_or_verify(const char *path, bool fresh, struct err_detail *detail)
{
    AUTO(close_dbp) sqlite3 *db = NULL;
    TRY(open_db(path, &db, detail));
    int64_t id = 0;
    int64_t pages = 0;
    TRY(sqlite_ask_i64(db, "SELECT count(*) FROM sqlite_schema", &pages, detail));
    TRY(sqlite_ask_i64(db, "PRAGMA page_count", &pages, detail));
    TRY(sqlite_ask_i64(db, "PRAGMA application_id", &id, detail));
    if (fresh && pages == 0) {
        char sql[96];
        (void)snprintf(sql, sizeof sql, "PRAGMA page_size = %d; PRAGMA application_id = %d",
                       PAGE_SIZE, SQLITE_STORE_ID);
        TRY(sqlite_run(db, sql, detail));
    } else if (id != SQLITE_STORE_ID) {
        return err_set(detail, ERR_MISMATCH, "%s: the database of another program", path);
    }
    TRY(sqlite_run(db, "PRAGMA journal_mode = WAL", detail));
    return ERR_OK;
}

static enum err open_file(struct sqlite_store *store, bool create, struct err_detail *detail)
{
    if (store->path == NULL)
        return err_set(detail, ERR_NO_MEMORY, "store");
    TRY(sqlite_lock(store->path, create, &store->lock_fd, detail));
    bool fresh = false;
    TRY(sqlite_inspect(store->path, create, &fresh, detail));
    return mark_or_verify(store->path, fresh, detail);
}

static enum err open_store(const char *place, const struct store_config *config, void **ret_db,
                           struct err_detail *detail)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure_library);
    if (place[0] == '\0' || place[0] == ':')
        return err_set(detail, ERR_CONFIG, "sqlite: wants the path of a file");
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return err_set(detail, ERR_NO_MEMORY, "store");
    store->lock_fd = -1;
    store->cache_kib = config->cache_kib;
    store->mmap_bytes = config->mmap_bytes;
    store->max_bytes = config->max_bytes;
    store->path = strdup(place);
    enum err err = open_file(store, config->create, detail);
    if (err == ERR_OK)
        *ret_db = store;
    else
        close_store(store);
    return err;
}

static enum err apply_settings(const struct sqlite_store *store, enum engine_link_kind kind,
                               sqlite3 *db, struct err_detail *detail)
{
    char sql[512];
    /* the writer is not mapped: it reads little, and what an import reads would count as memory */
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = %d;"
                   "PRAGMA journal_size_limit = %d; PRAGMA cache_size = -%u;"
                   "PRAGMA foreign_keys = ON; PRAGMA mmap_size = %" PRIu64 ";"
                   "PRAGMA query_only = %d",
                   LOG_PAGES, LOG_KEEP_BYTES, store->cache_kib,
                   kind == ENGINE_LOOKUP ? store->mmap_bytes : 0, kind != ENGINE_WRITER);
    TRY(sqlite_run(db, sql, detail));
    if (kind != ENGINE_WRITER || store->max_bytes == 0)
        return ERR_OK;
    uint64_t pages = store->max_bytes / PAGE_SIZE;
    (void)snprintf(sql, sizeof sql, "PRAGMA max_page_count = %" PRIu64, pages > 0 ? pages : 1);
    return sqlite_run(db, sql, detail);
}

static enum err prepare_own(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt,
                            struct err_detail *detail)
{
    int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);
    return code == SQLITE_OK ? ERR_OK : sqlite_fail(db, code, sql, detail);
}

static enum err step_own(sqlite3 *db, sqlite3_stmt *stmt, struct err_detail *detail)
{
    int code = sqlite3_step(stmt);
    enum err err = ERR_OK;
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        err = sqlite_fail(db, code, sqlite3_sql(stmt), detail);
    (void)sqlite3_reset(stmt);
    return err;
}

void sqlite_disconnect(void *link)
{
    struct sqlite_link *l = link;
    if (l == NULL)
        return;
    (void)sqlite3_finalize(l->begin);
    (void)sqlite3_finalize(l->commit);
    (void)sqlite3_finalize(l->snapshot);
    (void)sqlite3_close(l->db);
    free(l);
}

static enum err fill_link(const struct sqlite_store *store, enum engine_link_kind kind,
                          struct sqlite_link *link, struct err_detail *detail)
{
    TRY(open_db(store->path, &link->db, detail));
    TRY(apply_settings(store, kind, link->db, detail));
    if (kind == ENGINE_WRITER) {
        TRY(prepare_own(link->db, "BEGIN IMMEDIATE", &link->begin, detail));
    } else {
        TRY(prepare_own(link->db, "BEGIN", &link->begin, detail));
        TRY(prepare_own(link->db, "SELECT rowid FROM sqlite_schema LIMIT 1", &link->snapshot,
                        detail));
    }
    return prepare_own(link->db, "COMMIT", &link->commit, detail);
}

enum err sqlite_connect(void *db, enum engine_link_kind kind, void **ret_link,
                        struct err_detail *detail)
{
    struct sqlite_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return err_set(detail, ERR_NO_MEMORY, "connection to the store");
    enum err err = fill_link(db, kind, link, detail);
    if (err == ERR_OK)
        *ret_link = link;
    else
        sqlite_disconnect(link);
    return err;
}

static enum err get_version(void *link, unsigned *ret_version, struct err_detail *detail)
{
    int64_t version = 0;
    TRY(sqlite_ask_i64(((struct sqlite_link *)link)->db, "PRAGMA user_version", &version, detail));
    *ret_version = (unsigned)version;
    return ERR_OK;
}

static enum err set_version(void *link, unsigned version, struct err_detail *detail)
{
    char sql[64];
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %u", version);
    return sqlite_run(((struct sqlite_link *)link)->db, sql, detail);
}

static void rollback(void *link)
{
    sqlite3 *db = ((struct sqlite_link *)link)->db;
    if (sqlite3_get_autocommit(db) == 0)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

static enum err begin(void *link, struct err_detail *detail)
{
    struct sqlite_link *l = link;
    TRY(step_own(l->db, l->begin, detail));
    if (l->snapshot == NULL)
        return ERR_OK;
    enum err err = step_own(l->db, l->snapshot, detail);
    if (err != ERR_OK)
        rollback(l);
    return err;
}

static enum err commit(void *link, struct err_detail *detail)
{
    struct sqlite_link *l = link;
    return step_own(l->db, l->commit, detail);
}

static bool in_transaction(void *link)
{
    return sqlite3_get_autocommit(((struct sqlite_link *)link)->db) == 0;
}

static enum err exec(void *link, const char *sql, struct err_detail *detail)
{
    return sqlite_run(((struct sqlite_link *)link)->db, sql, detail);
}

static int64_t changes(void *link)
{
    return sqlite3_changes64(((struct sqlite_link *)link)->db);
}

static int64_t last_id(void *link)
{
    return sqlite3_last_insert_rowid(((struct sqlite_link *)link)->db);
}

static int64_t writes(void *link)
{
    return sqlite3_total_changes64(((struct sqlite_link *)link)->db);
}

const struct engine engine_sqlite = {
    .name = "sqlite",
    .scheme = "sqlite:",
    .open = open_store,
    .close = close_store,
    .sizes = sqlite_sizes,
    .backup = sqlite_backup,
    .check = sqlite_check,
    .connect = sqlite_connect,
    .disconnect = sqlite_disconnect,
    .version = get_version,
    .set_version = set_version,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .in_transaction = in_transaction,
    .exec = exec,
    .changes = changes,
    .last_id = last_id,
    .writes = writes,
    .prepare = sqlite_prepare,
    .finalize = sqlite_finalize,
    .reset = sqlite_reset,
    .bind_i64 = sqlite_bind_i64,
    .bind_bytes = sqlite_bind_bytes,
    .bind_text = sqlite_bind_text,
    .bind_null = sqlite_bind_null,
    .step = sqlite_step,
    .column_i64 = sqlite_column_i64,
    .column_bytes = sqlite_column_bytes,
    .column_text = sqlite_column_text,
    .column_null = sqlite_column_null,
};

#pragma once

#include <sqlite3.h>

#include "store/engine.h"

/* The SQLite engine, for this folder. */

#define SQLITE_STORE_ID 0x434c5652 /* "CLVR", the application_id of our files */

struct sqlite_store {
    char *path;
    int lock_fd;
    unsigned cache_kib;
    uint64_t mmap_bytes;
    uint64_t max_bytes;
};

struct sqlite_link {
    sqlite3 *db;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *snapshot; /* readers: touches the file, so that the snapshot is taken */
};

/* Our error for SQLite's; the detail gets `what` and SQLite's text. `db` may be NULL. */
enum err sqlite_fail(sqlite3 *db, int code, const char *what, struct err_detail *detail);
MUST_CHECK enum err sqlite_run(sqlite3 *db, const char *sql, struct err_detail *detail);
/* First column of the first row. */
MUST_CHECK enum err sqlite_ask_i64(sqlite3 *db, const char *sql, int64_t *ret_value,
                                   struct err_detail *detail);

/* sqlite_file.c: what concerns the file as a file */
MUST_CHECK enum err sqlite_lock(const char *path, bool create, int *ret_fd,
                                struct err_detail *detail);
/* Whether the file is there, ours and whole, before SQLite touches it. Makes an empty one where it
 * is absent and `create`; then *ret_fresh. Only while no connection of this process has it open:
 * closing a descriptor drops the process's locks on the file. */
MUST_CHECK enum err sqlite_inspect(const char *path, bool create, bool *ret_fresh,
                                   struct err_detail *detail);
void sqlite_sizes(void *db, struct store_stats *stats);

/* sqlite_care.c */
enum err sqlite_backup(void *db, const char *path, struct err_detail *detail);
enum err sqlite_check(void *db, struct err_detail *detail);

/* sqlite.c */
enum err sqlite_connect(void *db, enum engine_link_kind kind, void **ret_link,
                        struct err_detail *detail);
void sqlite_disconnect(void *link);

/* sqlite_stmt.c */
enum err sqlite_prepare(void *link, const char *sql, void **ret_cmd, struct err_detail *detail);
void sqlite_finalize(void *cmd);
void sqlite_reset(void *cmd);
enum err sqlite_bind_i64(void *cmd, unsigned index, int64_t value);
enum err sqlite_bind_bytes(void *cmd, unsigned index, struct bytes value);
enum err sqlite_bind_text(void *cmd, unsigned index, const char *value);
enum err sqlite_bind_null(void *cmd, unsigned index);
enum err sqlite_step(void *link, void *cmd, bool *ret_has_row, struct err_detail *detail);
int64_t sqlite_column_i64(void *cmd, unsigned column);
struct bytes sqlite_column_bytes(void *cmd, unsigned column);
const char *sqlite_column_text(void *cmd, unsigned column);
bool sqlite_column_null(void *cmd, unsigned column);

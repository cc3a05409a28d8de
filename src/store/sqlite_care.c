#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

#define BACKUP_PAGES 2048 /* copied between two looks at the locks */
#define BACKUP_TRIES 1000
#define BUSY_WAIT_MS 5

static void disconnectp(void **link)
{
    sqlite_disconnect(*link);
}

static void close_dbp(sqlite3 **db)
{
    (void)sqlite3_close(*db);
}

static enum err copy_pages(sqlite3 *from, sqlite3 *to, struct err_detail *detail)
{
    /* one snapshot for all steps; without it every commit would begin the copy anew */
    TRY(sqlite_run(from, "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1", detail));
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL)
        return sqlite_fail(to, sqlite3_errcode(to), "backup", detail);
    int code = SQLITE_OK;
    for (unsigned waits = 0; waits < BACKUP_TRIES;) {
        code = sqlite3_backup_step(backup, BACKUP_PAGES);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
            waits++;
            (void)sqlite3_sleep(BUSY_WAIT_MS);
        } else if (code != SQLITE_OK) {
            break;
        }
    }
    int end = sqlite3_backup_finish(backup);
    if (code == SQLITE_DONE && end == SQLITE_OK)
        return ERR_OK;
    return sqlite_fail(to, end != SQLITE_OK ? end : code, "backup", detail);
}

static enum err copy_store(void *store, const char *part, struct err_detail *detail)
{
    AUTO(disconnectp) void *link = NULL;
    TRY(sqlite_connect(store, ENGINE_SCAN, &link, detail));
    AUTO(close_dbp) sqlite3 *to = NULL;
    int code = sqlite3_open_v2(part, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return sqlite_fail(to, code, part, detail);
    /* synced once, at the end; then no log is left beside the copy */
    TRY(sqlite_run(to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", detail));
    TRY(copy_pages(((struct sqlite_link *)link)->db, to, detail));
    return sqlite_run(to, "PRAGMA journal_mode = DELETE", detail);
}

static void unlink_with(const char *path, const char *suffix)
{
    char name[4200];
    if (snprintf(name, sizeof name, "%s%s", path, suffix) < (int)sizeof name)
        (void)unlink(name);
}

static enum err publish(const char *part, const char *path, struct err_detail *detail)
{
    AUTO(file_closep) int fd = open(part, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return err_errno(detail, "%s", part);
    if (renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
        if (errno == EEXIST)
            return err_set(detail, ERR_EXISTS, "%s", path);
        return err_errno(detail, "%s", path);
    }
    return file_sync_dir_of(path, detail);
}

enum err sqlite_backup(void *db, const char *path, struct err_detail *detail)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return err_set(detail, ERR_LIMIT, "%.60s...: the path is too long", path);
    if (access(path, F_OK) == 0)
        return err_set(detail, ERR_EXISTS, "%s", path);
    (void)unlink(part);
    int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(detail, "%s", part);
    (void)close(fd);
    enum err err = copy_store(db, part, detail);
    if (err == ERR_OK)
        err = publish(part, path, detail);
    if (err != ERR_OK) {
        unlink_with(part, "");
        unlink_with(part, "-wal");
        unlink_with(part, "-shm");
        unlink_with(part, "-journal");
    }
    return err;
}

enum err sqlite_check(void *db, struct err_detail *detail)
{
    AUTO(disconnectp) void *opaque = NULL;
    TRY(sqlite_connect(db, ENGINE_SCAN, &opaque, detail));
    struct sqlite_link *link = opaque;
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(link->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    enum err err = ERR_OK;
    const char *finding = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (finding == NULL)
        err = sqlite_fail(link->db, code, "quick_check", detail);
    else if (strcmp(finding, "ok") != 0)
        err = err_set(detail, ERR_CORRUPT, "%.200s", finding);
    (void)sqlite3_finalize(stmt);
    return err;
}

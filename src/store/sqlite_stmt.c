#include "store/sqlite.h"

#include <errno.h>
#include <limits.h>

static enum err code_of(sqlite3 *db, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK: return ERR_OK;
    case SQLITE_FULL: return ERR_DISK_FULL;
    case SQLITE_IOERR: {
        int system = db != NULL ? sqlite3_system_errno(db) : 0;
        if (code == SQLITE_IOERR_NOMEM)
            return ERR_NO_MEMORY;
        return system == ENOSPC || system == EDQUOT ? ERR_DISK_FULL : ERR_IO;
    }
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ERR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ERR_CONFLICT;
    case SQLITE_NOMEM: return ERR_NO_MEMORY;
    case SQLITE_TOOBIG: return ERR_LIMIT;
    case SQLITE_CANTOPEN: return ERR_IO;
    case SQLITE_PERM:
    case SQLITE_AUTH: return ERR_DENIED;
    case SQLITE_MISUSE:
    case SQLITE_RANGE: return ERR_INTERNAL;
    case SQLITE_CONSTRAINT:
        return code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE ||
                       code == SQLITE_CONSTRAINT_ROWID
                   ? ERR_EXISTS
                   : ERR_STORE;
    default: return ERR_STORE;
    }
}

enum err sqlite_fail(sqlite3 *db, int code, const char *what, struct err_detail *detail)
{
    if (db != NULL && (sqlite3_extended_errcode(db) & 0xff) == (code & 0xff))
        code = sqlite3_extended_errcode(db);
    bool own_text = db != NULL && sqlite3_extended_errcode(db) == code;
    return err_set(detail, code_of(db, code), "%.120s: %s (%d)", what,
                   own_text ? sqlite3_errmsg(db) : sqlite3_errstr(code), code);
}

enum err sqlite_run(sqlite3 *db, const char *sql, struct err_detail *detail)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? ERR_OK : sqlite_fail(db, code, sql, detail);
}

enum err sqlite_ask_i64(sqlite3 *db, const char *sql, int64_t *ret_value, struct err_detail *detail)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    enum err err = ERR_OK;
    if (code == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(stmt, 0);
    else
        err = sqlite_fail(db, code, sql, detail);
    (void)sqlite3_finalize(stmt);
    return err;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == '\0';
}

enum err sqlite_prepare(void *link, const char *sql, void **ret_cmd, struct err_detail *detail)
{
    sqlite3 *db = ((struct sqlite_link *)link)->db;
    sqlite3_stmt *stmt = NULL;
    const char *tail = "";
    int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, &tail);
    if (code != SQLITE_OK)
        return sqlite_fail(db, code, sql, detail);
    if (stmt == NULL || !is_blank(tail)) {
        (void)sqlite3_finalize(stmt);
        return err_set(detail, ERR_ARGUMENT, "\"%.120s\" is not one statement", sql);
    }
    *ret_cmd = stmt;
    return ERR_OK;
}

void sqlite_finalize(void *cmd)
{
    (void)sqlite3_finalize(cmd);
}

void sqlite_reset(void *cmd)
{
    (void)sqlite3_reset(cmd);
    (void)sqlite3_clear_bindings(cmd);
}

enum err sqlite_bind_i64(void *cmd, unsigned index, int64_t value)
{
    return code_of(NULL, sqlite3_bind_int64(cmd, (int)index, value));
}

enum err sqlite_bind_bytes(void *cmd, unsigned index, struct bytes value)
{
    if (value.len > INT_MAX)
        return ERR_LIMIT;
    /* a NULL pointer would make it NULL instead of empty */
    const void *data = value.len > 0 ? (const void *)value.data : "";
    return code_of(NULL, sqlite3_bind_blob(cmd, (int)index, data, (int)value.len, SQLITE_STATIC));
}

enum err sqlite_bind_text(void *cmd, unsigned index, const char *value)
{
    return code_of(NULL, sqlite3_bind_text(cmd, (int)index, value, -1, SQLITE_STATIC));
}

enum err sqlite_bind_null(void *cmd, unsigned index)
{
    return code_of(NULL, sqlite3_bind_null(cmd, (int)index));
}

enum err sqlite_step(void *link, void *cmd, bool *ret_has_row, struct err_detail *detail)
{
    int code = sqlite3_step(cmd);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        *ret_has_row = code == SQLITE_ROW;
        return ERR_OK;
    }
    return sqlite_fail(((struct sqlite_link *)link)->db, code, sqlite3_sql(cmd), detail);
}

int64_t sqlite_column_i64(void *cmd, unsigned column)
{
    return sqlite3_column_int64(cmd, (int)column);
}

struct bytes sqlite_column_bytes(void *cmd, unsigned column)
{
    const void *data = sqlite3_column_blob(cmd, (int)column);
    return bytes_of(data, (size_t)sqlite3_column_bytes(cmd, (int)column));
}

const char *sqlite_column_text(void *cmd, unsigned column)
{
    return (const char *)sqlite3_column_text(cmd, (int)column);
}

bool sqlite_column_null(void *cmd, unsigned column)
{
    return sqlite3_column_type(cmd, (int)column) == SQLITE_NULL;
}

#pragma once

#include "store/store.h"

/* What one kind of database does. The rest of the folder (statement cache, transactions, writer,
 * migrations) is the same for all. `db` is the engine's state of one store, `link` of one
 * connection, `cmd` of one statement. */

enum engine_link_kind { ENGINE_WRITER, ENGINE_LOOKUP, ENGINE_SCAN };

struct engine {
    const char *name;   /* names the variants of migrations: "mysql" */
    const char *scheme; /* of the URL, with the colon: "sqlite:" */

    /* `place` is the URL without its scheme. Locks the store and looks at it before anything
     * touches it. `config` is borrowed for the call. */
    enum err (*open)(const char *place, const struct store_config *config, void **ret_db,
                     struct err_detail *detail);
    void (*close)(void *db); /* after its last link; gives the lock back */
    /* fills file_bytes and log_bytes; any thread */
    void (*sizes)(void *db, struct store_stats *stats);
    enum err (*backup)(void *db, const char *path, struct err_detail *detail);
    enum err (*check)(void *db, struct err_detail *detail);

    enum err (*connect)(void *db, enum engine_link_kind kind, void **ret_link,
                        struct err_detail *detail);
    void (*disconnect)(void *link);
    enum err (*version)(void *link, unsigned *ret_version, struct err_detail *detail);
    enum err (*set_version)(void *link, unsigned version, struct err_detail *detail);

    /* For a reader begin takes the snapshot at once, not with the first statement. */
    enum err (*begin)(void *link, struct err_detail *detail);
    enum err (*commit)(void *link, struct err_detail *detail); /* durable when it returns */
    void (*rollback)(void *link);                              /* harmless without a transaction */
    /* false once the engine has undone the whole transaction by itself */
    bool (*in_transaction)(void *link);
    enum err (*exec)(void *link, const char *sql, struct err_detail *detail);
    int64_t (*changes)(void *link);
    int64_t (*last_id)(void *link);
    /* rows written by all statements of the link so far, those that were undone too */
    int64_t (*writes)(void *link);

    enum err (*prepare)(void *link, const char *sql, void **ret_cmd, struct err_detail *detail);
    void (*finalize)(void *cmd);
    void (*reset)(void *cmd); /* drops bindings too */
    enum err (*bind_i64)(void *cmd, unsigned index, int64_t value);
    enum err (*bind_bytes)(void *cmd, unsigned index, struct bytes value);
    enum err (*bind_text)(void *cmd, unsigned index, const char *value);
    enum err (*bind_null)(void *cmd, unsigned index);
    enum err (*step)(void *link, void *cmd, bool *ret_has_row, struct err_detail *detail);
    int64_t (*column_i64)(void *cmd, unsigned column);
    struct bytes (*column_bytes)(void *cmd, unsigned column);
    const char *(*column_text)(void *cmd, unsigned column);
    bool (*column_null)(void *cmd, unsigned column);
};

extern const struct engine engine_sqlite;

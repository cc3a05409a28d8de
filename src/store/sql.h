#pragma once

#include "base/bytes.h"

/* SQL on one connection. Whoever writes statements writes the portable subset that
 * src/store/README.md names and never learns which engine runs them. A connection and its
 * statements belong to one thread at a time. */
struct store_conn;
struct store_stmt;

/* A statement ready to bind. Statements are cached by their text, so preparing one again costs a
 * lookup, and freeing one gives it back to the cache. On a reader keep hot statements for the
 * reader's life; free all before the reader is closed, and those of a transaction before its fn
 * returns (AUTO does both). `sql` is one statement with ? parameters. ERR_STORE with the engine's
 * text where it is wrong. */
MUST_CHECK enum err store_prepare(struct store_conn *conn, const char *sql,
                                  struct store_stmt **ret_stmt, struct err_detail *detail);
void store_stmt_free(struct store_stmt *stmt); /* NULL is allowed */
void store_stmt_freep(struct store_stmt **stmt);

/* Parameters count from 1; what is not bound is NULL. The first failure sticks and store_step
 * returns it. Bytes and text are borrowed until the statement is reset or freed. */
void store_bind_i64(struct store_stmt *stmt, unsigned index, int64_t value);
/* The same bits as a signed integer: above 2^63 the order of the database is not that of the
 * numbers. */
void store_bind_u64(struct store_stmt *stmt, unsigned index, uint64_t value);
void store_bind_bytes(struct store_stmt *stmt, unsigned index, struct bytes value);
void store_bind_text(struct store_stmt *stmt, unsigned index, const char *value); /* NULL is NULL */
void store_bind_null(struct store_stmt *stmt, unsigned index);

/* Run to the next row or the end; bind before the first step only. Errors: ERR_EXISTS (a unique or
 * primary key is taken), ERR_CONFLICT (hand it up: the transaction is rerun), ERR_DISK_FULL,
 * ERR_IO, ERR_CORRUPT, ERR_LIMIT (value too long), ERR_STORE (other constraints and the rest).
 * After ERR_EXISTS or ERR_STORE the transaction goes on without the statement; after any other give
 * up and return. */
MUST_CHECK enum err store_step(struct store_stmt *stmt, bool *ret_has_row,
                               struct err_detail *detail);
/* Make it ready to bind and step anew; bindings are forgotten. */
void store_reset(struct store_stmt *stmt);
/* For a statement without rows, or whose rows don't matter: step to the end and reset. */
MUST_CHECK enum err store_exec_stmt(struct store_stmt *stmt, struct err_detail *detail);
/* For one that has at most one row: step once; the row stays readable until store_reset.
 * ERR_NOT_FOUND (without touching `detail`) where there is none. */
MUST_CHECK enum err store_get_row(struct store_stmt *stmt, struct err_detail *detail);

/* Columns count from 0, of the row that store_step found. Borrowed until the next step, reset or
 * free. NULL reads as 0, as no bytes, as a NULL text. */
int64_t store_column_i64(struct store_stmt *stmt, unsigned column);
uint64_t store_column_u64(struct store_stmt *stmt, unsigned column); /* as store_bind_u64 */
struct bytes store_column_bytes(struct store_stmt *stmt, unsigned column);
const char *store_column_text(struct store_stmt *stmt, unsigned column);
bool store_column_null(struct store_stmt *stmt, unsigned column);

/* One or several statements without parameters, rows dropped. Never transaction control. */
MUST_CHECK enum err store_exec(struct store_conn *conn, const char *sql, struct err_detail *detail);
/* Rows that the last INSERT, UPDATE or DELETE changed. */
int64_t store_changes(struct store_conn *conn);
/* Key that the last INSERT into a table with an automatic integer key got. */
int64_t store_last_id(struct store_conn *conn);

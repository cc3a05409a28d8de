#include "store/conn.h"

#include <assert.h>
#include <stdlib.h>

enum err store_conn_new(const struct engine *engine, void *db, enum engine_link_kind kind,
                        struct store_conn **ret_conn, struct err_detail *detail)
{
    AUTO(store_conn_freep) struct store_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return err_set(detail, ERR_NO_MEMORY, "connection to the store");
    conn->engine = engine;
    TRY(engine->connect(db, kind, &conn->link, detail));
    *ret_conn = TAKE(conn);
    return ERR_OK;
}

static void stmt_drop(struct store_stmt *stmt)
{
    stmt->conn->engine->finalize(stmt->cmd);
    free(stmt->sql);
    free(stmt);
}

void store_conn_free(struct store_conn *conn)
{
    if (conn == NULL)
        return;
    if (conn->in_tx)
        store_conn_rollback(conn);
    while (conn->stmts != NULL) {
        struct store_stmt *stmt = conn->stmts;
        assert(!stmt->busy);
        conn->stmts = stmt->next;
        stmt_drop(stmt);
    }
    if (conn->link != NULL)
        conn->engine->disconnect(conn->link);
    free(conn);
}

void store_conn_freep(struct store_conn **conn)
{
    store_conn_free(*conn);
}

void store_conn_settle(struct store_conn *conn)
{
    for (struct store_stmt *stmt = conn->stmts; stmt != NULL; stmt = stmt->next)
        if (stmt->stepped)
            store_reset(stmt);
}

enum err store_conn_begin(struct store_conn *conn, struct err_detail *detail)
{
    assert(!conn->in_tx);
    TRY(conn->engine->begin(conn->link, detail));
    conn->in_tx = true;
    conn->lost = ERR_OK;
    return ERR_OK;
}

enum err store_conn_commit(struct store_conn *conn, struct err_detail *detail)
{
    store_conn_settle(conn);
    enum err err = conn->engine->commit(conn->link, detail);
    if (err != ERR_OK)
        conn->engine->rollback(conn->link);
    conn->in_tx = false;
    conn->lost = ERR_OK;
    return err;
}

void store_conn_rollback(struct store_conn *conn)
{
    store_conn_settle(conn);
    conn->engine->rollback(conn->link);
    conn->in_tx = false;
    conn->lost = ERR_OK;
}

/* A statement that runs after the engine gave up the transaction would commit by itself. */
static enum err note_loss(struct store_conn *conn, enum err err)
{
    if (err != ERR_OK && conn->in_tx && conn->lost == ERR_OK &&
        !conn->engine->in_transaction(conn->link))
        conn->lost = err;
    return err;
}

static enum err refuse_lost(const struct store_conn *conn, struct err_detail *detail)
{
    if (conn->lost == ERR_OK)
        return ERR_OK;
    return err_set(detail, conn->lost, "the transaction was undone by an earlier failure");
}

static struct store_stmt **slot_of(struct store_conn *conn, const char *sql)
{
    uintptr_t address = (uintptr_t)sql;
    return &conn->slots[(address ^ address >> 6 ^ address >> 12) & (CONN_SLOTS - 1)];
}

static struct store_stmt *find_idle(struct store_conn *conn, const char *sql)
{
    struct store_stmt *stmt = *slot_of(conn, sql);
    if (stmt != NULL && !stmt->busy && strcmp(stmt->sql, sql) == 0)
        return stmt;
    for (stmt = conn->stmts; stmt != NULL; stmt = stmt->next)
        if (!stmt->busy && strcmp(stmt->sql, sql) == 0)
            return stmt;
    return NULL;
}

static void drop_oldest_idle(struct store_conn *conn)
{
    struct store_stmt **oldest = NULL;
    for (struct store_stmt **at = &conn->stmts; *at != NULL; at = &(*at)->next)
        if (!(*at)->busy && (oldest == NULL || (*at)->used < (*oldest)->used))
            oldest = at;
    if (oldest == NULL)
        return;
    struct store_stmt *stmt = *oldest;
    *oldest = stmt->next;
    for (unsigned i = 0; i < CONN_SLOTS; i++)
        if (conn->slots[i] == stmt)
            conn->slots[i] = NULL;
    conn->stmts_len--;
    stmt_drop(stmt);
}

static enum err add_stmt(struct store_conn *conn, const char *sql, struct store_stmt **ret_stmt,
                         struct err_detail *detail)
{
    if (conn->stmts_len >= CONN_IDLE_MAX)
        drop_oldest_idle(conn);
    void *cmd = NULL;
    TRY(note_loss(conn, conn->engine->prepare(conn->link, sql, &cmd, detail)));
    struct store_stmt *stmt = calloc(1, sizeof *stmt);
    char *copy = strdup(sql);
    if (stmt == NULL || copy == NULL) {
        conn->engine->finalize(cmd);
        free(stmt);
        free(copy);
        (void)err_set(detail, ERR_NO_MEMORY, "statement");
        return ERR_NO_MEMORY;
    }
    stmt->conn = conn;
    stmt->cmd = cmd;
    stmt->sql = copy;
    stmt->next = conn->stmts;
    conn->stmts = stmt;
    conn->stmts_len++;
    *ret_stmt = stmt;
    return ERR_OK;
}

enum err store_prepare(struct store_conn *conn, const char *sql, struct store_stmt **ret_stmt,
                       struct err_detail *detail)
{
    TRY(refuse_lost(conn, detail));
    struct store_stmt *stmt = find_idle(conn, sql);
    if (stmt == NULL) {
        TRY(add_stmt(conn, sql, &stmt, detail));
    }
    *slot_of(conn, sql) = stmt;
    stmt->busy = true;
    stmt->used = ++conn->tick;
    *ret_stmt = stmt;
    return ERR_OK;
}

void store_stmt_free(struct store_stmt *stmt)
{
    if (stmt == NULL)
        return;
    store_reset(stmt);
    stmt->busy = false;
}

void store_stmt_freep(struct store_stmt **stmt)
{
    store_stmt_free(*stmt);
}

static void note_bind(struct store_stmt *stmt, enum err err)
{
    if (stmt->bind_err == ERR_OK)
        stmt->bind_err = err;
}

void store_bind_i64(struct store_stmt *stmt, unsigned index, int64_t value)
{
    note_bind(stmt, stmt->conn->engine->bind_i64(stmt->cmd, index, value));
}

void store_bind_u64(struct store_stmt *stmt, unsigned index, uint64_t value)
{
    store_bind_i64(stmt, index, (int64_t)value);
}

void store_bind_bytes(struct store_stmt *stmt, unsigned index, struct bytes value)
{
    note_bind(stmt, stmt->conn->engine->bind_bytes(stmt->cmd, index, value));
}

void store_bind_text(struct store_stmt *stmt, unsigned index, const char *value)
{
    note_bind(stmt, value == NULL ? stmt->conn->engine->bind_null(stmt->cmd, index)
                                  : stmt->conn->engine->bind_text(stmt->cmd, index, value));
}

void store_bind_null(struct store_stmt *stmt, unsigned index)
{
    note_bind(stmt, stmt->conn->engine->bind_null(stmt->cmd, index));
}

enum err store_step(struct store_stmt *stmt, bool *ret_has_row, struct err_detail *detail)
{
    struct store_conn *conn = stmt->conn;
    TRY(refuse_lost(conn, detail));
    if (stmt->bind_err != ERR_OK)
        return err_set(detail, stmt->bind_err, "parameter of \"%.100s\"", stmt->sql);
    stmt->stepped = true;
    return note_loss(conn, conn->engine->step(conn->link, stmt->cmd, ret_has_row, detail));
}

void store_reset(struct store_stmt *stmt)
{
    stmt->conn->engine->reset(stmt->cmd);
    stmt->bind_err = ERR_OK;
    stmt->stepped = false;
}

enum err store_exec_stmt(struct store_stmt *stmt, struct err_detail *detail)
{
    bool has_row = true;
    enum err err = ERR_OK;
    while (err == ERR_OK && has_row)
        err = store_step(stmt, &has_row, detail);
    store_reset(stmt);
    return err;
}

enum err store_get_row(struct store_stmt *stmt, struct err_detail *detail)
{
    bool has_row = false;
    TRY(store_step(stmt, &has_row, detail));
    return has_row ? ERR_OK : ERR_NOT_FOUND;
}

int64_t store_column_i64(struct store_stmt *stmt, unsigned column)
{
    return stmt->conn->engine->column_i64(stmt->cmd, column);
}

uint64_t store_column_u64(struct store_stmt *stmt, unsigned column)
{
    return (uint64_t)store_column_i64(stmt, column);
}

struct bytes store_column_bytes(struct store_stmt *stmt, unsigned column)
{
    return stmt->conn->engine->column_bytes(stmt->cmd, column);
}

const char *store_column_text(struct store_stmt *stmt, unsigned column)
{
    return stmt->conn->engine->column_text(stmt->cmd, column);
}

bool store_column_null(struct store_stmt *stmt, unsigned column)
{
    return stmt->conn->engine->column_null(stmt->cmd, column);
}

enum err store_exec(struct store_conn *conn, const char *sql, struct err_detail *detail)
{
    TRY(refuse_lost(conn, detail));
    conn->execs++;
    return note_loss(conn, conn->engine->exec(conn->link, sql, detail));
}

int64_t store_conn_writes(struct store_conn *conn)
{
    return conn->engine->writes(conn->link) + conn->execs;
}

int64_t store_changes(struct store_conn *conn)
{
    return conn->engine->changes(conn->link);
}

int64_t store_last_id(struct store_conn *conn)
{
    return conn->engine->last_id(conn->link);
}

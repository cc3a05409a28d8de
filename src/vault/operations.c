#include "vault/operations.h"

#include "vault/objects.h"

static bool fits(const struct vault_operation *operation)
{
    return operation->correlation.len > 0 && operation->correlation.len <= VAULT_CORRELATION_MAX &&
           operation->request.len <= VAULT_OPERATION_MAX &&
           operation->result.len <= VAULT_OPERATION_MAX;
}

static enum err put_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct vault_operation *operation = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO pending (correlation, client, grp, operation, status, began, "
                      "request, result) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_bytes(stmt, 1, operation->correlation);
    store_bind_u64(stmt, 2, operation->client);
    store_bind_i64(stmt, 3, operation->group);
    store_bind_i64(stmt, 4, operation->operation);
    store_bind_i64(stmt, 5, VAULT_OPERATION_PENDING);
    store_bind_i64(stmt, 6, operation->began);
    store_bind_bytes(stmt, 7, operation->request);
    store_bind_bytes(stmt, 8, (struct bytes){NULL, 0});
    return store_exec_stmt(stmt, detail);
}

enum err vault_operation_put(struct store *store, const struct vault_operation *operation,
                             struct err_detail *detail)
{
    struct vault_operation copy = *operation;
    if (!fits(operation))
        return err_set(detail, ERR_LIMIT, "asynchronous operation of %zu bytes",
                       operation->request.len);
    return store_run(store, put_fn, &copy, detail);
}

/* One that is pending becomes something else; of any client where `any`. */
struct end {
    struct bytes correlation;
    bool any;
    uint64_t client;
    enum vault_operation_status status;
    struct bytes result;
    int64_t now;
};

static enum err check_pending(struct store_conn *conn, const struct end *end,
                              struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT client, status FROM pending WHERE correlation = ?", &stmt,
                      detail));
    store_bind_bytes(stmt, 1, end->correlation);
    TRY(store_get_row(stmt, detail));
    if (!end->any && store_column_u64(stmt, 0) != end->client)
        return ERR_NOT_FOUND;
    return store_column_i64(stmt, 1) == VAULT_OPERATION_PENDING ? ERR_OK : ERR_STATE;
}

static enum err end_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct end *end = ctx;
    TRY(check_pending(conn, end, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE pending SET status = ?, result = ?, ended = ? WHERE correlation = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, end->status);
    store_bind_bytes(stmt, 2, end->result);
    store_bind_i64(stmt, 3, end->now);
    store_bind_bytes(stmt, 4, end->correlation);
    return store_exec_stmt(stmt, detail);
}

enum err vault_operation_finish(struct store *store, struct bytes correlation,
                                enum vault_operation_status status, struct bytes result,
                                int64_t now, struct err_detail *detail)
{
    struct end end = {
        .correlation = correlation, .any = true, .status = status, .result = result, .now = now};
    if (status != VAULT_OPERATION_DONE && status != VAULT_OPERATION_FAILED)
        return ERR_ARGUMENT;
    if (result.len > VAULT_OPERATION_MAX)
        return err_set(detail, ERR_LIMIT, "result of %zu bytes", result.len);
    return store_run(store, end_fn, &end, detail);
}

enum err vault_operation_cancel(struct store *store, uint64_t client, struct bytes correlation,
                                int64_t now, struct err_detail *detail)
{
    struct end end = {.correlation = correlation,
                      .client = client,
                      .status = VAULT_OPERATION_CANCELLED,
                      .now = now};
    return store_run(store, end_fn, &end, detail);
}

#define COLUMNS "correlation, client, grp, operation, status, began, ended, request, result"

static struct vault_operation read_row(struct store_stmt *stmt)
{
    return (struct vault_operation){
        .correlation = store_column_bytes(stmt, 0),
        .client = store_column_u64(stmt, 1),
        .group = (uint32_t)store_column_i64(stmt, 2),
        .operation = (uint32_t)store_column_i64(stmt, 3),
        .status = (enum vault_operation_status)store_column_i64(stmt, 4),
        .began = store_column_i64(stmt, 5),
        .ended = store_column_null(stmt, 6) ? VAULT_NO_DATE : store_column_i64(stmt, 6),
        .request = store_column_bytes(stmt, 7),
        .result = store_column_bytes(stmt, 8)};
}

enum err vault_operation_get(struct store_conn *conn, uint64_t client, struct bytes correlation,
                             struct arena *arena, struct vault_operation *ret_operation,
                             struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT " COLUMNS " FROM pending WHERE correlation = ?", &stmt,
                      detail));
    store_bind_bytes(stmt, 1, correlation);
    TRY(store_get_row(stmt, detail));
    struct vault_operation operation = read_row(stmt);
    if (operation.client != client)
        return ERR_NOT_FOUND;
    TRY(arena_copy(arena, operation.correlation, &operation.correlation));
    TRY(arena_copy(arena, operation.request, &operation.request));
    TRY(arena_copy(arena, operation.result, &operation.result));
    *ret_operation = operation;
    return ERR_OK;
}

struct forget {
    uint64_t client;
    struct bytes correlation;
};

static enum err forget_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct forget *forget = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM pending WHERE correlation = ? AND client = ?", &stmt,
                      detail));
    store_bind_bytes(stmt, 1, forget->correlation);
    store_bind_u64(stmt, 2, forget->client);
    return store_exec_stmt(stmt, detail);
}

enum err vault_operation_forget(struct store *store, uint64_t client, struct bytes correlation,
                                struct err_detail *detail)
{
    struct forget forget = {client, correlation};
    return store_run(store, forget_fn, &forget, detail);
}

enum err vault_operation_each_pending(struct store *store, vault_operation_fn *each, void *ctx,
                                      struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(store_reader_conn(reader),
                      "SELECT " COLUMNS " FROM pending WHERE status = ? ORDER BY began", &stmt,
                      detail));
    store_bind_i64(stmt, 1, VAULT_OPERATION_PENDING);
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        struct vault_operation operation = read_row(stmt);
        TRY(each(ctx, &operation));
    }
}

struct expire {
    int64_t before;
    size_t count;
};

static enum err expire_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct expire *expire = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM pending WHERE ended < ?", &stmt, detail));
    store_bind_i64(stmt, 1, expire->before);
    TRY(store_exec_stmt(stmt, detail));
    expire->count = (size_t)store_changes(conn);
    return ERR_OK;
}

enum err vault_operation_expire(struct store *store, int64_t before, size_t *ret_count,
                                struct err_detail *detail)
{
    struct expire expire = {.before = before};
    TRY(store_run(store, expire_fn, &expire, detail));
    *ret_count = expire.count;
    return ERR_OK;
}

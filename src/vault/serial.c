#include "vault/serial.h"

enum err serial_take_in(struct store_conn *conn, const char *kind, uint32_t count,
                        uint64_t *ret_last, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *update = NULL;
    TRY(store_prepare(conn, "UPDATE serial SET reserved = reserved + ? WHERE kind = ?", &update,
                      detail));
    store_bind_i64(update, 1, count);
    store_bind_text(update, 2, kind);
    TRY(store_exec_stmt(update, detail));
    AUTO(store_stmt_freep) struct store_stmt *select = NULL;
    TRY(store_prepare(conn, "SELECT reserved FROM serial WHERE kind = ?", &select, detail));
    store_bind_text(select, 1, kind);
    enum err err = store_get_row(select, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, ERR_CORRUPT, "table serial: no row '%s'", kind);
    TRY(err);
    *ret_last = store_column_u64(select, 0);
    return ERR_OK;
}

struct take {
    const char *kind;
    uint32_t count;
    uint64_t last;
};

static enum err take_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct take *take = ctx;
    return serial_take_in(conn, take->kind, take->count, &take->last, detail);
}

enum err serial_take(struct store *store, const char *kind, uint32_t count, uint64_t *ret_last,
                     struct err_detail *detail)
{
    struct take take = {.kind = kind, .count = count};
    TRY(store_run(store, take_fn, &take, detail));
    *ret_last = take.last;
    return ERR_OK;
}

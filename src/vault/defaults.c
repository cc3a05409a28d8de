#include "vault/defaults.h"

#include "vault/object_domain.h"

struct replace {
    uint32_t group;
    enum vault_defaults_kind kind;
    const struct vault_defaults *rows;
    size_t count;
};

static enum err replace_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct replace *replace = ctx;
    AUTO(store_stmt_freep) struct store_stmt *delete = NULL;
    TRY(store_prepare(conn, "DELETE FROM object_default WHERE grp = ? AND kind = ?", &delete,
                      detail));
    store_bind_i64(delete, 1, replace->group);
    store_bind_i64(delete, 2, replace->kind);
    TRY(store_exec_stmt(delete, detail));
    AUTO(store_stmt_freep) struct store_stmt *insert = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO object_default (grp, kind, type, content) VALUES (?, ?, ?, ?)",
                      &insert, detail));
    for (size_t i = 0; i < replace->count; i++) {
        store_bind_i64(insert, 1, replace->group);
        store_bind_i64(insert, 2, replace->kind);
        store_bind_i64(insert, 3, replace->rows[i].type);
        store_bind_bytes(insert, 4, replace->rows[i].content);
        TRY(store_exec_stmt(insert, detail));
    }
    return ERR_OK;
}

enum err object_defaults_begin(struct vault_objects *objects, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(objects->store, STORE_READER_LOOKUP, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    struct store_stmt *stmt = NULL;
    bool row = false;
    enum err err = store_prepare(store_reader_conn(reader), "SELECT 1 FROM object_default LIMIT 1",
                                 &stmt, detail);
    if (err == ERR_OK)
        err = store_step(stmt, &row, detail);
    store_stmt_free(stmt);
    store_reader_end(reader);
    atomic_store(&objects->defaults, row);
    return err;
}

bool vault_defaults_any(const struct vault_objects *objects)
{
    return atomic_load(&objects->defaults);
}

enum err vault_defaults_replace(struct vault_objects *objects, uint32_t group,
                                enum vault_defaults_kind kind, const struct vault_defaults *rows,
                                size_t count, struct err_detail *detail)
{
    struct replace replace = {group, kind, rows, count};
    for (size_t i = 0; i < count; i++)
        if (rows[i].content.len > VAULT_DEFAULTS_MAX)
            return err_set(detail, ERR_LIMIT, "defaults of %zu bytes", rows[i].content.len);
    /* before anybody can read them; it stays, whether or not they become durable */
    if (count > 0)
        atomic_store(&objects->defaults, true);
    return store_run(objects->store, replace_fn, &replace, detail);
}

enum err vault_defaults_get(struct store_conn *conn, uint32_t group, enum vault_defaults_kind kind,
                            uint32_t type, struct arena *arena, struct bytes *ret_content,
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT content FROM object_default WHERE grp = ? AND kind = ? AND type = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, group);
    store_bind_i64(stmt, 2, kind);
    store_bind_i64(stmt, 3, type);
    TRY(store_get_row(stmt, detail));
    return arena_copy(arena, store_column_bytes(stmt, 0), ret_content);
}

enum err vault_defaults_list(struct store_conn *conn, uint32_t group, enum vault_defaults_kind kind,
                             struct arena *arena, struct vault_defaults **ret_rows,
                             size_t *ret_count, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT type, content FROM object_default WHERE grp = ? AND kind = ? "
                      "ORDER BY type",
                      &stmt, detail));
    store_bind_i64(stmt, 1, group);
    store_bind_i64(stmt, 2, kind);
    struct vault_defaults *rows = NULL;
    size_t count = 0;
    for (size_t cap = 0;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        if (count == cap) {
            cap = cap > 0 ? cap * 2 : 16;
            struct vault_defaults *more = arena_take(arena, cap * sizeof(*more));
            if (more == NULL)
                return ERR_NO_MEMORY;
            if (count > 0)
                memcpy(more, rows, count * sizeof(*rows));
            rows = more;
        }
        rows[count] = (struct vault_defaults){
            .group = group, .type = (uint32_t)store_column_i64(stmt, 0), .kind = kind};
        TRY(arena_copy(arena, store_column_bytes(stmt, 1), &rows[count].content));
        count++;
    }
    *ret_rows = rows;
    *ret_count = count;
    return ERR_OK;
}

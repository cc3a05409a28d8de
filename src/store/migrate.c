#include "store/migrate.h"

#include "base/clock.h"

static const struct migration *find_row(const struct store_conn *conn, const char *schema,
                                        unsigned number, const struct migration *rows,
                                        size_t rows_len)
{
    const struct migration *found = NULL;
    for (size_t i = 0; i < rows_len; i++) {
        if (rows[i].number != number || strcmp(rows[i].schema, schema) != 0)
            continue;
        if (rows[i].engine == NULL ? found == NULL
                                   : strcmp(rows[i].engine, conn->engine->name) == 0)
            found = &rows[i];
    }
    return found;
}

static enum err record(struct store_conn *conn, const struct migration *row,
                       struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "INSERT INTO migration (number, name, applied) VALUES (?, ?, ?)", &stmt,
                      detail));
    store_bind_i64(stmt, 1, row->number);
    store_bind_text(stmt, 2, row->name);
    store_bind_i64(stmt, 3, clock_now_s());
    return store_exec_stmt(stmt, detail);
}

static enum err record_schema(struct store_conn *conn, const char *schema,
                              struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "INSERT INTO meta (name, value) VALUES ('schema', ?)", &stmt, detail));
    store_bind_bytes(stmt, 1, bytes_str(schema));
    return store_exec_stmt(stmt, detail);
}

static enum err check_schema(struct store_conn *conn, const char *schema, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT value FROM meta WHERE name = 'schema'", &stmt, detail));
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, ERR_CORRUPT, "the store does not say which schema it has");
    TRY(err);
    struct bytes value = store_column_bytes(stmt, 0);
    if (!bytes_equal(value, bytes_str(schema)))
        return err_set(detail, ERR_MISMATCH, "the store is a \"%.*s\", not a \"%s\"",
                       (int)(value.len < 64 ? value.len : 64), (const char *)value.data, schema);
    return ERR_OK;
}

static enum err apply(struct store_conn *conn, const struct migration *row,
                      struct err_detail *detail)
{
    TRY(store_exec(conn, row->sql, detail));
    TRY(record(conn, row, detail));
    if (row->number == 1)
        TRY(record_schema(conn, row->schema, detail));
    return conn->engine->set_version(conn->link, row->number, detail);
}

enum err migrate(struct store_conn *conn, const char *schema, const struct migration *rows,
                 size_t rows_len, unsigned *ret_version, struct err_detail *detail)
{
    unsigned version = 0;
    unsigned last = 0;
    TRY(conn->engine->version(conn->link, &version, detail));
    while (find_row(conn, schema, last + 1, rows, rows_len) != NULL)
        last++;
    if (last == 0)
        return err_set(detail, ERR_CONFIG, "no schema has the name \"%s\"", schema);
    if (version > 0)
        TRY(check_schema(conn, schema, detail));
    if (version > last)
        return err_set(
            detail, ERR_UNSUPPORTED,
            "the store has schema version %u, this program knows %u: it was written by a "
            "newer one",
            version, last);
    while (version < last) {
        const struct migration *row = find_row(conn, schema, version + 1, rows, rows_len);
        struct err_detail why = {0};
        TRY(store_conn_begin(conn, detail));
        enum err err = apply(conn, row, &why);
        if (err == ERR_OK)
            err = store_conn_commit(conn, &why);
        else
            store_conn_rollback(conn);
        if (err != ERR_OK)
            return err_set(detail, err, "migration %04u-%s: %.180s", row->number, row->name,
                           why.text);
        version++;
    }
    *ret_version = version;
    return ERR_OK;
}

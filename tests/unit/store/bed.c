#include "bed.h"

#include <stdio.h>
#include <unistd.h>

void bed_setup(struct bed *bed)
{
    *bed = (struct bed){.dir = test_tempdir()};
    bed->path = test_path(bed->dir, "store.db");
    const char *url = getenv("CLAVIGER_STORE_URL");
    if (url != NULL)
        bed->url = strdup(url);
    else if (asprintf(&bed->url, "sqlite:%s", bed->path) < 0)
        abort();
    bed_open(bed);
    bed_exec(bed, "DROP TABLE IF EXISTS item;"
                  "DROP TABLE IF EXISTS twin;"
                  "CREATE TABLE item (id BIGINT NOT NULL PRIMARY KEY, value VARBINARY(200));"
                  "CREATE TABLE twin (id BIGINT NOT NULL PRIMARY KEY, value VARBINARY(200))");
}

void bed_teardown(struct bed *bed)
{
    bed_close(bed);
    test_tempdir_remove(bed->dir);
    free(bed->path);
    free(bed->url);
}

void bed_open(struct bed *bed)
{
    struct err_detail detail = {0};
    struct store_config config = {.url = bed->url, .create = true};
    if (store_open(&config, &bed->store, &detail) != ERR_OK)
        fail_msg("store_open: %s", detail.text);
}

void bed_close(struct bed *bed)
{
    store_close(bed->store);
    bed->store = NULL;
}

enum err bed_try_open(const struct bed *bed, struct err_detail *detail)
{
    struct store_config config = {.url = bed->url};
    AUTO(store_closep) struct store *store = NULL;
    return store_open(&config, &store, detail);
}

enum err bed_exec_fn(struct store_conn *conn, void *sql, struct err_detail *detail)
{
    return store_exec(conn, sql, detail);
}

void bed_exec(struct bed *bed, const char *sql)
{
    struct err_detail detail = {0};
    if (store_run(bed->store, bed_exec_fn, (void *)(uintptr_t)sql, &detail) != ERR_OK)
        fail_msg("%s: %s", sql, detail.text);
}

enum err bed_insert(struct store_conn *conn, int64_t id, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "INSERT INTO item (id, value) VALUES (?, ?)", &stmt, detail));
    static const uint8_t value[100] = {1, 2, 3};
    store_bind_i64(stmt, 1, id);
    store_bind_bytes(stmt, 2, BYTES(value));
    return store_exec_stmt(stmt, detail);
}

enum err bed_insert_fn(struct store_conn *conn, void *id, struct err_detail *detail)
{
    return bed_insert(conn, *(int64_t *)id, detail);
}

int64_t bed_ask_on(struct store_conn *conn, const char *sql)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    assert_ok(store_prepare(conn, sql, &stmt, NULL));
    assert_ok(store_get_row(stmt, NULL));
    return store_column_i64(stmt, 0);
}

int64_t bed_ask(struct bed *bed, const char *sql)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    assert_ok(store_reader_open(bed->store, STORE_READER_SCAN, &reader, NULL));
    assert_ok(store_reader_begin(reader, NULL));
    int64_t value = bed_ask_on(store_reader_conn(reader), sql);
    store_reader_end(reader);
    return value;
}

static enum err wait_at_gate(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct gate *gate = ctx;
    char byte = 0;
    (void)conn;
    if (write(gate->entered[1], "", 1) != 1 || read(gate->leave[0], &byte, 1) != 1)
        return err_errno(detail, "gate");
    return ERR_OK;
}

static void close_pipes(void *ctx, enum err err, const struct err_detail *detail)
{
    struct gate *gate = ctx;
    (void)err;
    (void)detail;
    for (int i = 0; i < 2; i++) {
        (void)close(gate->entered[i]);
        (void)close(gate->leave[i]);
    }
}

void gate_close(struct bed *bed, struct gate *gate)
{
    char byte = 0;
    assert_int_equal(pipe(gate->entered), 0);
    assert_int_equal(pipe(gate->leave), 0);
    assert_ok(store_submit(bed->store, wait_at_gate, gate, close_pipes, gate));
    assert_int_equal(read(gate->entered[0], &byte, 1), 1);
}

void gate_open(struct gate *gate)
{
    assert_int_equal(write(gate->leave[1], "", 1), 1);
}

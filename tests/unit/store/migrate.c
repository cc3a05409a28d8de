#include "store/migrate.h"

#include <stdio.h>

#include "support/test.h"

#define ROW_META                                                                                   \
    {                                                                                              \
        "main", 1, "meta", NULL,                                                                   \
            "CREATE TABLE meta (name VARCHAR(64) PRIMARY KEY, value BLOB);"                        \
            "CREATE TABLE migration (number INTEGER PRIMARY KEY, name VARCHAR(64), applied "       \
            "BIGINT)"                                                                              \
    }
#define ROW_FRUIT                                                                                  \
    {                                                                                              \
        "main", 2, "fruit", NULL, "CREATE TABLE fruit (id INTEGER PRIMARY KEY)"                    \
    }

static const struct migration good[] = {
    ROW_META,
    {"main", 2, "fruit", "mysql", "this is for another engine"},
    ROW_FRUIT,
    {"index", 1, "meta", NULL, "this is for another schema"},
    {"main", 3, "seed", NULL, "INSERT INTO fruit (id) VALUES (5)"},
    {"main", 3, "seed", "sqlite", "INSERT INTO fruit (id) VALUES (7)"},
};

static const struct migration broken[] = {
    ROW_META,
    ROW_FRUIT,
    {"main", 3, "seed", NULL,
     "INSERT INTO fruit (id) VALUES (7); INSERT INTO fruit (id) VALUES (7)"},
};

struct scene {
    char *dir;
    void *db;
    struct store_conn *conn;
};

static int setup(void **state)
{
    static struct scene scene;
    scene = (struct scene){.dir = test_tempdir()};
    char *path = test_path(scene.dir, "store.db");
    struct store_config config = {.create = true, .cache_kib = 1024};
    assert_ok(engine_sqlite.open(path, &config, &scene.db, NULL));
    assert_ok(store_conn_new(&engine_sqlite, scene.db, ENGINE_WRITER, &scene.conn, NULL));
    free(path);
    *state = &scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    store_conn_free(scene->conn);
    engine_sqlite.close(scene->db);
    test_tempdir_remove(scene->dir);
    return 0;
}

static int64_t ask(struct store_conn *conn, const char *sql)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    assert_ok(store_prepare(conn, sql, &stmt, NULL));
    assert_ok(store_get_row(stmt, NULL));
    return store_column_i64(stmt, 0);
}

static void steps_are_applied_once(void **state)
{
    struct scene *scene = *state;
    unsigned version = 0;
    assert_ok(migrate(scene->conn, "main", good, 3, &version, NULL));
    assert_int_equal(version, 2);
    assert_ok(migrate(scene->conn, "main", good, ARRAY_LEN(good), &version, NULL));
    assert_int_equal(version, 3);
    assert_ok(migrate(scene->conn, "main", good, ARRAY_LEN(good), &version, NULL));
    assert_int_equal(ask(scene->conn, "SELECT sum(id) FROM fruit"), 7);
    assert_int_equal(ask(scene->conn, "SELECT count(*) FROM migration"), 3);
}

static void a_failing_step_leaves_the_version_before(void **state)
{
    struct scene *scene = *state;
    struct err_detail detail = {0};
    unsigned version = 0;
    assert_err(migrate(scene->conn, "main", broken, 3, &version, &detail), ERR_EXISTS);
    assert_non_null(strstr(detail.text, "0003-seed"));
    assert_int_equal(ask(scene->conn, "SELECT count(*) FROM fruit"), 0);
    assert_int_equal(ask(scene->conn, "SELECT max(number) FROM migration"), 2);
    assert_ok(migrate(scene->conn, "main", good, ARRAY_LEN(good), &version, &detail));
    assert_int_equal(version, 3);
}

static void the_new_and_the_other_are_refused(void **state)
{
    struct scene *scene = *state;
    struct err_detail detail = {0};
    unsigned version = 0;
    assert_err(migrate(scene->conn, "absent", good, ARRAY_LEN(good), &version, &detail),
               ERR_CONFIG);
    assert_ok(migrate(scene->conn, "main", good, ARRAY_LEN(good), &version, &detail));
    assert_err(migrate(scene->conn, "main", good, 3, &version, &detail), ERR_UNSUPPORTED);
    assert_err(migrate(scene->conn, "index", good, ARRAY_LEN(good), &version, &detail),
               ERR_MISMATCH);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(CASE(steps_are_applied_once), CASE(a_failing_step_leaves_the_version_before),
          CASE(the_new_and_the_other_are_refused))

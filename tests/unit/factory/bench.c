#include "bench.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"

void bench_open(struct bench *bench)
{
    struct err_detail detail = {0};
    const struct store_config store = {.url = bench->url, .create = true};
    const struct factory_config config = {.directory = bench->packages,
                                          .package_max = (uint64_t)1 << 30};
    if (store_open(&store, &bench->store, &detail) != ERR_OK ||
        factory_open(bench->store, NULL, &config, &detail, &bench->factory) != ERR_OK)
        fail_msg("%s", detail.text);
}

void bench_close(struct bench *bench)
{
    factory_close(bench->factory);
    store_close(bench->store);
    bench->factory = NULL;
    bench->store = NULL;
}

void bench_begin(struct bench *bench)
{
    *bench = (struct bench){.call = {.actor = vault_actor_daemon()}};
    rig_begin(&bench->rig, NULL);
    bench->call.keeper = rig_client(&bench->rig, 0);
    bench->dir = test_tempdir();
    bench->packages = test_path(bench->dir, "packages");
    char *path = test_path(bench->dir, "store.db");
    size_t cap = strlen(path) + 8;
    bench->url = malloc(cap);
    assert_non_null(bench->url);
    (void)snprintf(bench->url, cap, "sqlite:%s", path);
    free(path);
    bench_open(bench);
}

void bench_end(struct bench *bench)
{
    bench_close(bench);
    assert_ok(rig_end(&bench->rig));
    free(bench->url);
    free(bench->packages);
    test_tempdir_remove(bench->dir);
}

static enum err exec_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    return store_exec(conn, ctx, detail);
}

enum err bench_exec(struct bench *bench, const char *sql)
{
    return store_run(bench->store, exec_fn, (void *)(uintptr_t)sql, NULL);
}

void bench_package(struct bench *bench, uint64_t config_id, uint32_t revision)
{
    char sql[1024];
    (void)snprintf(
        sql, sizeof sql,
        "UPDATE package SET newest = 0 WHERE config_id = %lld;"
        "INSERT INTO package (config_id, revision, newest, label, node_type, node_version, "
        "hardware, network, realm, comment, created, packager, sha256, size, imported, "
        "imported_by, kms_file, kms_fingerprint, kms_bits, key_domain, key_epoch, "
        "gateway_version, gateway_fingerprint, gateway_sealed, cdld_version, cdld_fingerprint, "
        "cdld_sealed, description) VALUES (%lld, %u, 1, 'Kite', 'microNode', '1.7.0', '', "
        "'metro-east', 'metro-east.example', 'first', 1, 'acme', zeroblob(32), 4096, 2, 'uid:0', "
        "'kms.pem', x'%064x', 2048, 1, 1, 3, zeroblob(8), zeroblob(55), 4, zeroblob(8), "
        "zeroblob(47), '<package/>')",
        (long long)row_id(config_id), (long long)row_id(config_id), revision, revision);
    assert_ok(bench_exec(bench, sql));
}

int64_t bench_ask(struct bench *bench, const char *sql)
{
    struct factory_read read = {0};
    struct store_stmt *stmt = NULL;
    assert_ok(read_begin(bench->factory, &read, NULL));
    assert_ok(store_prepare(read.conn, sql, &stmt, NULL));
    assert_ok(store_get_row(stmt, NULL));
    int64_t value = store_column_i64(stmt, 0);
    store_stmt_free(stmt);
    read_end(&read);
    return value;
}

static void run_id(unsigned n, uint8_t to[FACTORY_RUN_ID])
{
    memset(to, 0xab, FACTORY_RUN_ID);
    be32_store(to, n);
}

struct factory_run_begin bench_run(unsigned n)
{
    struct factory_run_begin run = {.operation = FACTORY_PROVISION,
                                    .config_id = BENCH_CONFIG,
                                    .revision = 1,
                                    .batch = 1000,
                                    .station = "line-1",
                                    .operator= "mira",
                                    .port = "/dev/ttyUSB0"};
    run_id(n, run.run);
    return run;
}

struct factory_run_end bench_run_ended(unsigned n, int code, const uint64_t *node_id)
{
    struct factory_run_end end = {.station = "line-1",
                                  .return_code = code,
                                  .node_id = node_id,
                                  .node_type = "microNode",
                                  .hardware = "B2",
                                  .versions_before = "{\"node\":\"1.6.0\"}",
                                  .versions_after = "{\"node\":\"1.7.0\"}",
                                  .locked = true,
                                  .milliseconds = 2500,
                                  .text = ""};
    run_id(n, end.run);
    return end;
}

struct factory_keying bench_keying(unsigned n, uint64_t node_id)
{
    static uint8_t key[BENCH_KEY];
    memset(key, (int)(node_id & 0xff), sizeof key);
    be32_store(key, n);
    struct factory_keying keying = {.node_id = node_id,
                                    .config_id = BENCH_CONFIG,
                                    .revision = 1,
                                    .batch = 1000,
                                    .time = 1700000000 + (int64_t)n,
                                    .station = "line-1",
                                    .encrypted = BYTES(key)};
    memset(keying.kcv, 0x11, sizeof keying.kcv);
    be32_store(keying.kcv, n);
    run_id(n, keying.run);
    return keying;
}

void bench_provision(struct bench *bench, unsigned n, uint64_t node_id, uint32_t batch)
{
    bool is_new = false;
    uint64_t serial = 0;
    struct factory_run_begin run = bench_run(n);
    struct factory_keying keying = bench_keying(n, node_id);
    const struct factory_run_end end = bench_run_ended(n, 0, &node_id);
    run.batch = keying.batch = batch;
    assert_ok(factory_run_begin(bench->factory, &run, &is_new, NULL));
    assert_ok(factory_device_key(bench->factory, &keying, &serial, NULL));
    assert_ok(factory_run_end(bench->factory, &end, &is_new, NULL));
    assert_true(is_new);
}

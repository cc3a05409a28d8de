#include "factory_fill.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "factory/internal.h"

#define KEY_BYTES  256 /* RSA-2048 */
#define CHUNK      20000
#define DAY_S      86400
#define FAIL_EVERY 100
#define KEYED      10 /* the last ones, whose run has not ended */

struct fill {
    uint64_t first, count, all;
    int64_t now;
};

static void must(enum err err, const struct err_detail *detail)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "filling the store: %s: %s\n", err_text(err), detail->text);
    exit(1);
}

static enum err fill_package(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    (void)ctx;
    char sql[1024];
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO package (config_id, revision, newest, label, node_type, node_version, "
        "hardware, network, realm, comment, created, packager, sha256, size, imported, "
        "imported_by, kms_file, kms_fingerprint, kms_bits, key_domain, key_epoch, "
        "gateway_version, gateway_fingerprint, gateway_sealed, cdld_version, cdld_fingerprint, "
        "cdld_sealed, description) SELECT %lld, 1, 1, 'bench', 'node', '1', '', 'net', 'net', '', "
        "1, 'bench', zeroblob(32), 1, 1, 'bench', 'kms.pem', zeroblob(32), 2048, 1, 1, 1, "
        "zeroblob(8), zeroblob(55), 1, zeroblob(8), zeroblob(47), '<package/>' "
        "WHERE NOT EXISTS (SELECT 1 FROM package WHERE config_id = %lld)",
        (long long)row_id(FILL_CONFIG), (long long)row_id(FILL_CONFIG));
    return store_exec(conn, sql, detail);
}

uint64_t factory_fill_node(uint64_t n)
{
    return 0x00100000 + (n / 64 * 64) + (n * 29 % 64);
}

static void station_of(uint64_t n, char station[16])
{
    (void)snprintf(station, 16, "line-%llu", (unsigned long long)(n % FILL_STATIONS));
}

struct row {
    uint64_t n, node;
    int64_t when, batch;
    char station[16];
};

static enum err fill_keying(struct store_stmt *stmt, const struct row *row,
                            struct err_detail *detail)
{
    uint8_t key[KEY_BYTES], kcv[8] = {1, 2, 3, 4, 5, 6, 7, 8}, run[16] = {0};
    memset(key, 0x5a, sizeof key);
    be64_store(key, row->n);
    be64_store(run, row->n);
    store_bind_u64(stmt, 1, row->n + 1);
    bind_id(stmt, 2, row->node);
    store_bind_bytes(stmt, 3, BYTES(run));
    bind_id(stmt, 4, FILL_CONFIG);
    store_bind_i64(stmt, 5, row->batch);
    store_bind_i64(stmt, 6, row->when);
    store_bind_i64(stmt, 7, row->when);
    store_bind_text(stmt, 8, row->station);
    store_bind_bytes(stmt, 9, BYTES(kcv));
    store_bind_bytes(stmt, 10, BYTES(key));
    return store_exec_stmt(stmt, detail);
}

static enum err fill_device(struct store_stmt *stmt, const struct row *row, bool keyed,
                            struct err_detail *detail)
{
    bind_id(stmt, 1, row->node);
    store_bind_u64(stmt, 2, row->n + 1);
    store_bind_i64(stmt, 3, keyed ? FACTORY_DEVICE_KEYED : FACTORY_DEVICE_PROVISIONED);
    store_bind_i64(stmt, 4, keyed ? 0 : FACTORY_PROVISION);
    bind_id(stmt, 5, FILL_CONFIG);
    store_bind_i64(stmt, 6, row->batch);
    store_bind_i64(stmt, 7, row->when);
    store_bind_text(stmt, 8, row->station);
    store_bind_i64(stmt, 9, keyed ? -1 : 0);
    return store_exec_stmt(stmt, detail);
}

/* `last` tells a device's last run from one that failed before it. */
static enum err fill_run(struct store_stmt *stmt, const struct row *row, bool last, bool open,
                         struct err_detail *detail)
{
    uint8_t run[16] = {0};
    be64_store(run, row->n);
    run[15] = !last;
    store_bind_bytes(stmt, 1, BYTES(run));
    bind_id(stmt, 2, FILL_CONFIG);
    store_bind_i64(stmt, 3, row->batch);
    store_bind_text(stmt, 4, row->station);
    bind_id(stmt, 5, row->node);
    store_bind_i64(stmt, 6, row->when - (last ? 40 : 80));
    if (!open) {
        store_bind_i64(stmt, 7, row->when - (last ? 0 : 41));
        store_bind_i64(stmt, 8, last ? 0 : FILL_FAIL_CODE);
        store_bind_text(stmt, 9, last ? "" : "no answer from the device");
    }
    return store_exec_stmt(stmt, detail);
}

static enum err fill_devices(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct fill *fill = ctx;
    AUTO(store_stmt_freep) struct store_stmt *keying = NULL;
    AUTO(store_stmt_freep) struct store_stmt *device = NULL;
    AUTO(store_stmt_freep) struct store_stmt *run = NULL;
    uint64_t keyed = 0;
    TRY(store_prepare(conn,
                      "INSERT INTO device_keying (id, node_id, run, config_id, revision, batch, "
                      "time, received, station, operator, kcv, encrypted, applications) "
                      "VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, 'mira', ?, ?, x'00')",
                      &keying, detail));
    TRY(store_prepare(conn,
                      "INSERT INTO device (node_id, keying, state, stage, config_id, revision, "
                      "batch, time, station, operator, return_code, exported) "
                      "VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, 'mira', ?, 0)",
                      &device, detail));
    TRY(store_prepare(conn,
                      "INSERT INTO factory_run (run, operation, config_id, revision, batch, "
                      "station, operator, port, node_id, begun, ended, return_code, text, locked, "
                      "milliseconds, node_type, hardware, versions_before, versions_after) VALUES "
                      "(?, 1, ?, 1, ?, ?, 'mira', '/dev/ttyUSB0', ?, ?, ?, ?, ?, 1, 40000, "
                      "'UNODE', 'B', '{\"node\":\"1.0\"}', '{\"node\":\"1.2.3.4\"}')",
                      &run, detail));
    for (uint64_t n = fill->first; n < fill->first + fill->count; n++) {
        struct row row = {.n = n,
                          .node = factory_fill_node(n),
                          .when = fill->now - (int64_t)((fill->all - n) * DAY_S / fill->all),
                          .batch = (int64_t)(n / FILL_BATCH) + 1};
        bool open = n + KEYED >= fill->all;
        station_of(n, row.station);
        keyed += open;
        TRY(fill_keying(keying, &row, detail));
        TRY(fill_device(device, &row, open, detail));
        if (n % FAIL_EVERY == 0)
            TRY(fill_run(run, &row, false, false, detail));
        TRY(fill_run(run, &row, true, open, detail));
    }
    TRY(device_counted(conn, FACTORY_DEVICE_KEYED, false, (int64_t)keyed, detail));
    return device_counted(conn, FACTORY_DEVICE_PROVISIONED, false, (int64_t)(fill->count - keyed),
                          detail);
}

static enum err fill_minutes(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    (void)ctx;
    return store_exec(conn,
                      "INSERT INTO line_minute (minute, station, batch, return_code, runs, last) "
                      "SELECT ended / 60, station, batch, return_code, count(*), max(ended) FROM "
                      "factory_run WHERE ended IS NOT NULL GROUP BY ended / 60, station, batch, "
                      "return_code",
                      detail);
}

void factory_fill(struct store *store, uint64_t devices)
{
    struct err_detail detail = {0};
    must(store_run(store, fill_package, NULL, &detail), &detail);
    for (uint64_t n = 0; n < devices; n += CHUNK) {
        struct fill chunk = {n, devices - n < CHUNK ? devices - n : CHUNK, devices, clock_now_s()};
        must(store_run_alone(store, fill_devices, &chunk, &detail), &detail);
    }
    must(store_run_alone(store, fill_minutes, NULL, &detail), &detail);
}

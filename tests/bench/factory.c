/* What a factory's state costs with many devices in it: bench_factory FOLDER [DEVICES]. FOLDER is
 * where the where the store is made (or found, from an earlier time); prints times and the most
 * memory that was used. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "factory/internal.h"
#include "unit/keeper/rig.h"

#define CONFIG    UINT64_C(0x12345678abc)
#define KEY_BYTES 256 /* RSA-2048 */
#define PER_BATCH 1000
#define CHUNK     20000

struct fill {
    uint64_t first, count;
};

static void must(enum err err, const struct err_detail *detail, const char *what)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, err_text(err), detail->text);
    exit(1);
}

static double seconds(void)
{
    return (double)clock_mono_ns() / 1e9;
}

static void print(const char *what, double took, const char *more)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("%-52s %10.3f ms   %s, %ld MiB\n", what, took * 1000, more, usage.ru_maxrss / 1024);
    (void)fflush(stdout);
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
        "cdld_sealed, description) VALUES (%lld, 1, 1, 'bench', 'node', '1', '', 'net', 'net', '', "
        "1, 'bench', zeroblob(32), 1, 1, 'bench', 'kms.pem', zeroblob(32), 2048, 1, 1, 1, "
        "zeroblob(8), zeroblob(55), 1, zeroblob(8), zeroblob(47), '<package/>')",
        (long long)row_id(CONFIG));
    return store_exec(conn, sql, detail);
}

/* Ids that are not in the order of time, as devices come off several lines. */
static uint64_t node_of(uint64_t n)
{
    return 0x00100000 + (n / 64 * 64) + (n * 29 % 64);
}

static enum err fill_devices(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct fill *fill = ctx;
    uint8_t key[KEY_BYTES], kcv[8] = {1, 2, 3, 4, 5, 6, 7, 8}, run[16] = {0};
    AUTO(store_stmt_freep) struct store_stmt *keying = NULL;
    AUTO(store_stmt_freep) struct store_stmt *device = NULL;
    AUTO(store_stmt_freep) struct store_stmt *runs = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO device_keying (id, node_id, run, config_id, revision, batch, "
                      "time, received, station, operator, kcv, encrypted, applications) "
                      "VALUES (?, ?, ?, ?, 1, ?, ?, ?, 'line-1', 'mira', ?, ?, x'00')",
                      &keying, detail));
    TRY(store_prepare(conn,
                      "INSERT INTO device (node_id, keying, state, stage, config_id, revision, "
                      "batch, time, station, operator, return_code, exported) "
                      "VALUES (?, ?, 2, 1, ?, 1, ?, ?, 'line-1', 'mira', 0, 0)",
                      &device, detail));
    TRY(store_prepare(conn,
                      "INSERT INTO factory_run (id, run, operation, config_id, revision, batch, "
                      "station, operator, port, node_id, begun, ended, return_code) "
                      "VALUES (?, ?, 1, ?, 1, ?, 'line-1', 'mira', '', ?, ?, ?, 0)",
                      &runs, detail));
    memset(key, 0x5a, sizeof key);
    for (uint64_t n = fill->first; n < fill->first + fill->count; n++) {
        int64_t when = 1700000000 + (int64_t)(n / 50);
        int64_t batch = (int64_t)(n / PER_BATCH) + 1;
        be64_store(key, n);
        be64_store(run, n * UINT64_C(0x9e3779b97f4a7c15));
        be64_store(run + 8, n);
        store_bind_u64(keying, 1, n + 1);
        bind_id(keying, 2, node_of(n));
        store_bind_bytes(keying, 3, BYTES(run));
        bind_id(keying, 4, CONFIG);
        store_bind_i64(keying, 5, batch);
        store_bind_i64(keying, 6, when);
        store_bind_i64(keying, 7, when);
        store_bind_bytes(keying, 8, BYTES(kcv));
        store_bind_bytes(keying, 9, BYTES(key));
        TRY(store_exec_stmt(keying, detail));
        bind_id(device, 1, node_of(n));
        store_bind_u64(device, 2, n + 1);
        bind_id(device, 3, CONFIG);
        store_bind_i64(device, 4, batch);
        store_bind_i64(device, 5, when);
        TRY(store_exec_stmt(device, detail));
        store_bind_u64(runs, 1, n + 1);
        store_bind_bytes(runs, 2, BYTES(run));
        bind_id(runs, 3, CONFIG);
        store_bind_i64(runs, 4, batch);
        bind_id(runs, 5, node_of(n));
        store_bind_i64(runs, 6, when);
        store_bind_i64(runs, 7, when);
        TRY(store_exec_stmt(runs, detail));
    }
    return device_counted(conn, FACTORY_DEVICE_PROVISIONED, false, (int64_t)fill->count, detail);
}

static void fill(struct factory *factory, uint64_t devices)
{
    struct err_detail detail = {0};
    double began = seconds();
    must(store_run(factory->store, fill_package, NULL, &detail), &detail, "package");
    for (uint64_t n = 0; n < devices; n += CHUNK) {
        struct fill chunk = {n, devices - n < CHUNK ? devices - n : CHUNK};
        must(store_run_alone(factory->store, fill_devices, &chunk, &detail), &detail, "fill");
    }
    char more[64];
    (void)snprintf(more, sizeof more, "%llu devices", (unsigned long long)devices);
    print("filling the store", seconds() - began, more);
}

static enum err count_device(void *ctx, const struct factory_device *device)
{
    (void)device;
    (*(unsigned *)ctx)++;
    return ERR_OK;
}

static void measure_list(struct factory *factory, const char *what,
                         const struct factory_device_filter *filter)
{
    struct err_detail detail = {0};
    unsigned found = 0;
    bool more = false;
    uint64_t next = 0;
    double began = seconds();
    must(factory_device_list(factory, filter, count_device, &found, &more, &next, &detail), &detail,
         what);
    char text[64];
    (void)snprintf(text, sizeof text, "%u rows", found);
    print(what, seconds() - began, text);
}

static void measure_lists(struct factory *factory, const char *when)
{
    char what[96];
    uint32_t batch = 77;
    uint64_t config = CONFIG;
    bool no = false, yes = true;
    int code = 71;
    enum factory_device_state keyed = FACTORY_DEVICE_KEYED;
#define LIST(name, ...)                                                                            \
    (void)snprintf(what, sizeof what, "100 devices, %s%s", name, when);                            \
    measure_list(factory, what, &(struct factory_device_filter){.limit = 100, __VA_ARGS__})
    LIST("from the middle", .from = node_of(500000));
    LIST("of a batch", .batch = &batch);
    LIST("of a configuration", .config_id = &config);
    LIST("never exported", .exported = &no);
    LIST("exported", .exported = &yes);
    LIST("keyed only", .state = &keyed);
    LIST("of a return code that none has", .return_code = &code);
    LIST("of configuration and batch, never exported", .config_id = &config, .batch = &batch,
         .exported = &no);
}

static void measure_export(struct factory *factory, const char *path)
{
    struct err_detail detail = {0};
    struct rig rig;
    rig_begin(&rig, NULL);
    const struct fleet_call call = {.keeper = rig_client(&rig, 0), .actor = vault_actor_daemon()};
    const struct factory_export_request request = {.batches = "", .nodes = ""};
    const struct factory_export_request counted = {
        .batches = "100-200", .nodes = "", .count_only = true};
    struct factory_export_result result = {0};
    char more[96];
    double began = seconds();
    must(factory_export(factory, &call, &counted, "", &result, &detail), &detail, "count");
    print("counting a selection of batches", seconds() - began, "");
    (void)unlink(path);
    began = seconds();
    must(factory_export(factory, &call, &request, path, &result, &detail), &detail, "export");
    (void)snprintf(more, sizeof more, "%llu devices, %llu MiB (goal <= 15 s for a million)",
                   (unsigned long long)result.devices, (unsigned long long)result.bytes >> 20);
    print("export", seconds() - began, more);
    (void)unlink(path);
    began = seconds();
    must(factory_export_repeat(factory, &call, result.export, path, &result, &detail), &detail,
         "repeat");
    print("the same export repeated", seconds() - began, "");
    (void)unlink(path);
    (void)rig_end(&rig);
}

int main(int argc, char **argv)
{
    char url[4096], packages[4096], out[4096];
    struct err_detail detail = {0};
    struct store *store = NULL;
    struct factory *factory = NULL;
    uint64_t devices = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_factory FOLDER [DEVICES]\n");
        return 2;
    }
    (void)mkdir(argv[1], 0700);
    (void)snprintf(url, sizeof url, "sqlite:%s/store.db", argv[1]);
    (void)snprintf(packages, sizeof packages, "%s/packages", argv[1]);
    (void)snprintf(out, sizeof out, "%s/device_keys.xml", argv[1]);
    const struct store_config config = {.url = url, .create = true};
    const struct factory_config state = {.directory = packages, .package_max = 1 << 20};
    must(store_open(&config, &store, &detail), &detail, "store");
    must(factory_open(store, NULL, &state, &detail, &factory), &detail, "factory");
    struct factory_device_counts counts;
    must(factory_device_count(factory, &counts, &detail), &detail, "count");
    if (counts.of[FACTORY_DEVICE_PROVISIONED][0] + counts.of[FACTORY_DEVICE_PROVISIONED][1] == 0)
        fill(factory, devices);
    measure_lists(factory, "");
    measure_export(factory, out);
    measure_lists(factory, ", after it");
    factory_close(factory);
    store_close(store);
    return 0;
}

/* Point lookups and imports of the store: store [ROWS] [FOLDER]. Prints numbers, judges none. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store.h"

#define LOOKUPS 1000000
#define WRITERS 16
#define WRITES  500

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != ERR_OK) {                                                                    \
            (void)fprintf(stderr, "%s: %s\n", #call, detail.text);                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct err_detail detail;

static long resident_kib(void)
{
    char line[128] = "";
    char *second = line;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f != NULL && fgets(line, sizeof line, f) != NULL)
        (void)strtol(line, &second, 10);
    if (f != NULL)
        (void)fclose(f);
    return strtol(second, NULL, 10) * 4;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static enum err create_fn(struct store_conn *conn, void *ctx, struct err_detail *why)
{
    (void)ctx;
    return store_exec(conn,
                      "CREATE TABLE node (network INTEGER NOT NULL, node BIGINT NOT NULL,"
                      " state INTEGER NOT NULL, batch INTEGER NOT NULL, epoch BIGINT NOT NULL,"
                      " print BIGINT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (network, node))"
                      " WITHOUT ROWID",
                      why);
}

static enum err import_fn(struct store_conn *conn, void *ctx, struct err_detail *why)
{
    int64_t rows = *(int64_t *)ctx;
    static const uint8_t sealed[47] = {1};
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "INSERT INTO node VALUES (?, ?, 1, 7, 1, ?, ?)", &stmt, why));
    for (int64_t i = 0; i < rows; i++) {
        store_bind_i64(stmt, 1, 1);
        store_bind_i64(stmt, 2, 0x10000 + i);
        store_bind_u64(stmt, 3, (uint64_t)i * 0x9e3779b97f4a7c15);
        store_bind_bytes(stmt, 4, BYTES(sealed));
        TRY(store_exec_stmt(stmt, why));
    }
    return ERR_OK;
}

static void bench_lookups(struct store *store, enum store_reader_kind kind, int64_t rows,
                          unsigned per_snapshot)
{
    struct store_reader *reader = NULL;
    struct store_stmt *stmt = NULL;
    uint64_t random = 88172645463325252u;
    uint64_t sum = 0;
    MUST(store_reader_open(store, kind, &reader, &detail));
    MUST(
        store_prepare(store_reader_conn(reader),
                      "SELECT state, batch, epoch, sealed FROM node WHERE network = ? AND node = ?",
                      &stmt, &detail));
    for (int round = 0; round < 2; round++) { /* the first fills the caches */
        uint64_t start = clock_mono_ns();
        for (unsigned i = 0; i < LOOKUPS; i++) {
            if (i % per_snapshot == 0)
                MUST(store_reader_begin(reader, &detail));
            store_bind_i64(stmt, 1, 1);
            store_bind_i64(stmt, 2, 0x10000 + (int64_t)(next_random(&random) % (uint64_t)rows));
            MUST(store_get_row(stmt, &detail));
            sum += (uint64_t)store_column_i64(stmt, 0) + store_column_bytes(stmt, 3).data[0];
            store_reset(stmt);
            if (i % per_snapshot == per_snapshot - 1)
                store_reader_end(reader);
        }
        if (round == 1)
            printf("lookup (%s, %u per snapshot): %.2f us, %ld MiB resident (%llu)\n",
                   kind == STORE_READER_LOOKUP ? "mapped" : "not mapped", per_snapshot,
                   (double)(clock_mono_ns() - start) / 1000.0 / LOOKUPS, resident_kib() / 1024,
                   (unsigned long long)sum);
    }
    store_stmt_free(stmt);
    store_reader_close(reader);
}

static enum err touch_fn(struct store_conn *conn, void *ctx, struct err_detail *why)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "UPDATE node SET epoch = epoch + 1 WHERE network = 1 AND node = ?",
                      &stmt, why));
    store_bind_i64(stmt, 1, *(int64_t *)ctx);
    return store_exec_stmt(stmt, why);
}

static void *write_many(void *arg)
{
    uint64_t random = (uintptr_t)&random | 1;
    for (int i = 0; i < WRITES; i++) {
        int64_t node = 0x10000 + (int64_t)(next_random(&random) % 10000);
        if (store_run(arg, touch_fn, &node, NULL) != ERR_OK)
            exit(1);
    }
    return NULL;
}

static void bench_commits(struct store *store)
{
    pthread_t threads[WRITERS];
    struct store_stats before, after;
    store_stats(store, &before);
    uint64_t start = clock_mono_ns();
    for (int i = 0; i < WRITERS; i++)
        if (pthread_create(&threads[i], NULL, write_many, store) != 0)
            exit(1);
    for (int i = 0; i < WRITERS; i++)
        (void)pthread_join(threads[i], NULL);
    double seconds = (double)(clock_mono_ns() - start) / 1e9;
    store_stats(store, &after);
    printf("durable transactions, %d threads: %.0f/s in %.0f commits/s\n", WRITERS,
           WRITERS * WRITES / seconds, (double)(after.commits - before.commits) / seconds);
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000000;
    char dir[256];
    char url[320];
    (void)snprintf(dir, sizeof dir, "%s/store-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (rows < 10000 || mkdtemp(dir) == NULL) {
        (void)fprintf(stderr, "usage: store [ROWS (10000 at least)] [FOLDER]\n");
        return 2;
    }
    (void)snprintf(url, sizeof url, "sqlite:%s/store.db", dir);
    struct store *store = NULL;
    struct store_config config = {.url = url, .create = true};
    MUST(store_open(&config, &store, &detail));
    MUST(store_run(store, create_fn, NULL, &detail));
    uint64_t start = clock_mono_ns();
    MUST(store_run_alone(store, import_fn, &rows, &detail));
    double seconds = (double)(clock_mono_ns() - start) / 1e9;
    struct store_stats stats;
    store_stats(store, &stats);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("import: %lld rows in %.2f s, %.0f/s, file %llu MiB, log %llu MiB, at most %ld MiB "
           "resident\n",
           (long long)rows, seconds, (double)rows / seconds,
           (unsigned long long)stats.file_bytes >> 20, (unsigned long long)stats.log_bytes >> 20,
           usage.ru_maxrss / 1024);
    bench_lookups(store, STORE_READER_LOOKUP, rows, 100);
    bench_lookups(store, STORE_READER_LOOKUP, rows, 1);
    bench_lookups(store, STORE_READER_SCAN, rows, 100);
    bench_commits(store);
    store_close(store);
    start = clock_mono_ns();
    MUST(store_open(&config, &store, &detail));
    printf("open: %.1f ms\n", (double)(clock_mono_ns() - start) / 1e6);
    store_close(store);
    for (const char *const *suffix = (const char *const[]){"", "-wal", "-shm", ".lock", NULL};
         *suffix != NULL; suffix++) {
        (void)snprintf(url, sizeof url, "%s/store.db%s", dir, *suffix);
        (void)unlink(url);
    }
    (void)rmdir(dir);
    return 0;
}

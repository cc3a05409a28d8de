#include "store/store.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "store/migrate.h"
#include "store/committer.h"

#define QUEUE_MAX_DEFAULT  4096
#define CACHE_KIB_DEFAULT  8192
#define MMAP_BYTES_DEFAULT ((uint64_t)1 << 30)

struct store {
    const struct engine *engine;
    void *db;
    struct committer *writer;
    unsigned version;
    _Atomic unsigned readers;
};

struct store_reader {
    struct store *store;
    struct store_conn *conn;
};

static const struct engine *const engines[] = {&engine_sqlite};

static const struct engine *find_engine(const char *url)
{
    for (size_t i = 0; i < ARRAY_LEN(engines); i++)
        if (strncmp(url, engines[i]->scheme, strlen(engines[i]->scheme)) == 0)
            return engines[i];
    return NULL;
}

static struct store_config with_defaults(const struct store_config *config)
{
    struct store_config full = *config;
    if (full.schema == NULL)
        full.schema = STORE_SCHEMA_MAIN;
    if (full.queue_max == 0)
        full.queue_max = QUEUE_MAX_DEFAULT;
    if (full.batch_max == 0)
        full.batch_max = COMMITTER_BATCH_MAX;
    if (full.cache_kib == 0)
        full.cache_kib = CACHE_KIB_DEFAULT;
    if (full.mmap_bytes == 0)
        full.mmap_bytes = MMAP_BYTES_DEFAULT;
    return full;
}

static enum err open_parts(struct store *store, const struct store_config *config,
                           struct err_detail *detail)
{
    struct store_config full = with_defaults(config);
    store->engine = full.url != NULL ? find_engine(full.url) : NULL;
    if (store->engine == NULL)
        return err_set(detail, ERR_CONFIG, "\"%.100s\": the URL of a store begins with sqlite:",
                       full.url != NULL ? full.url : "");
    const char *place = full.url + strlen(store->engine->scheme);
    TRY(store->engine->open(place, &full, &store->db, detail));
    AUTO(store_conn_freep) struct store_conn *conn = NULL;
    TRY(store_conn_new(store->engine, store->db, ENGINE_WRITER, &conn, detail));
    TRY(migrate(conn, full.schema, migrations, migrations_len, &store->version, detail));
    return committer_start(TAKE(conn), full.schema, full.queue_max, full.batch_max, &store->writer,
                           detail);
}

enum err store_open(const struct store_config *config, struct store **ret_store,
                    struct err_detail *detail)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return err_set(detail, ERR_NO_MEMORY, "store");
    enum err err = open_parts(store, config, detail);
    if (err == ERR_OK)
        *ret_store = store;
    else
        store_close(store);
    return err;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    assert(atomic_load(&store->readers) == 0);
    committer_stop(store->writer);
    if (store->db != NULL)
        store->engine->close(store->db);
    free(store);
}

void store_closep(struct store **store)
{
    store_close(*store);
}

enum err store_run(struct store *store, store_fn *fn, void *ctx, struct err_detail *detail)
{
    return committer_run(store->writer, fn, ctx, false, detail);
}

enum err store_run_alone(struct store *store, store_fn *fn, void *ctx, struct err_detail *detail)
{
    return committer_run(store->writer, fn, ctx, true, detail);
}

enum err store_submit(struct store *store, store_fn *fn, void *ctx, store_done_fn *done,
                      void *done_ctx)
{
    return committer_submit(store->writer, fn, ctx, done, done_ctx);
}

enum err store_reader_open(struct store *store, enum store_reader_kind kind,
                           struct store_reader **ret_reader, struct err_detail *detail)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return err_set(detail, ERR_NO_MEMORY, "reader of the store");
    enum engine_link_kind link = kind == STORE_READER_LOOKUP ? ENGINE_LOOKUP : ENGINE_SCAN;
    enum err err = store_conn_new(store->engine, store->db, link, &reader->conn, detail);
    if (err != ERR_OK) {
        free(reader);
        return err;
    }
    reader->store = store;
    atomic_fetch_add(&store->readers, 1);
    *ret_reader = reader;
    return ERR_OK;
}

void store_reader_close(struct store_reader *reader)
{
    if (reader == NULL)
        return;
    store_conn_free(reader->conn);
    atomic_fetch_sub(&reader->store->readers, 1);
    free(reader);
}

void store_reader_closep(struct store_reader **reader)
{
    store_reader_close(*reader);
}

enum err store_reader_begin(struct store_reader *reader, struct err_detail *detail)
{
    return store_conn_begin(reader->conn, detail);
}

void store_reader_end(struct store_reader *reader)
{
    /* nothing was written, so nothing is lost where it fails: it is rolled back */
    enum err err = store_conn_commit(reader->conn, NULL);
    (void)err;
}

struct store_conn *store_reader_conn(struct store_reader *reader)
{
    return reader->conn;
}

enum err store_backup(struct store *store, const char *path, struct err_detail *detail)
{
    return store->engine->backup(store->db, path, detail);
}

enum err store_check(struct store *store, struct err_detail *detail)
{
    return store->engine->check(store->db, detail);
}

void store_stats(struct store *store, struct store_stats *ret_stats)
{
    struct committer_counts counts;
    committer_counts(store->writer, &counts);
    struct store_stats stats = {
        .commits = counts.commits,
        .transactions = counts.transactions,
        .failed = counts.failed,
        .reruns = counts.reruns,
        .batch_largest = counts.batch_largest,
        .queued = counts.queued,
        .queue_max = counts.queue_max,
        .readers = atomic_load(&store->readers),
        .schema_version = store->version,
    };
    store->engine->sizes(store->db, &stats);
    *ret_stats = stats;
}

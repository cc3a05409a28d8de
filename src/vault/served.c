#include "vault/served.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CHUNK_IDS   65536
#define CHUNK_BYTES (CHUNK_IDS / 8)
#define CHUNKS_MAX  65536 /* four thousand million objects; those above are never marked */

struct chunk {
    _Atomic uint64_t words[CHUNK_IDS / 64];
    _Atomic bool dirty;
};

struct vault_served {
    struct store *store;
    struct chunk *_Atomic chunks[CHUNKS_MAX];
};

static struct chunk *chunk_at(const struct vault_served *served, uint64_t number)
{
    return number < CHUNKS_MAX ? atomic_load_explicit(&served->chunks[number], memory_order_acquire)
                               : NULL;
}

static struct chunk *chunk_new(struct vault_served *served, uint64_t number)
{
    struct chunk *there = NULL;
    struct chunk *mine = number < CHUNKS_MAX ? calloc(1, sizeof *mine) : NULL;
    if (mine == NULL)
        return NULL;
    if (atomic_compare_exchange_strong(&served->chunks[number], &there, mine))
        return mine;
    free(mine);
    return there;
}

static enum err load(struct vault_served *served, struct store_conn *conn,
                     struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT chunk, bits FROM object_served", &stmt, detail));
    for (;;) {
        bool row = false;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        struct bytes bits = store_column_bytes(stmt, 1);
        uint64_t number = store_column_u64(stmt, 0);
        if (bits.len != CHUNK_BYTES || number >= CHUNKS_MAX)
            return err_set(detail, ERR_CORRUPT, "object_served: a row of %zu bytes", bits.len);
        struct chunk *chunk = chunk_new(served, number);
        if (chunk == NULL)
            return ERR_NO_MEMORY;
        for (size_t i = 0; i < ARRAY_LEN(chunk->words); i++)
            atomic_store_explicit(&chunk->words[i], be64_load(bits.data + 8 * i),
                                  memory_order_relaxed);
    }
}

enum err vault_served_open(struct store *store, struct vault_served **ret_served,
                           struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    struct vault_served *served = calloc(1, sizeof *served);
    if (served == NULL)
        return ERR_NO_MEMORY;
    served->store = store;
    enum err err = store_reader_open(store, STORE_READER_SCAN, &reader, detail);
    if (err == ERR_OK)
        err = store_reader_begin(reader, detail);
    if (err == ERR_OK) {
        err = load(served, store_reader_conn(reader), detail);
        store_reader_end(reader);
    }
    if (err != ERR_OK)
        vault_served_close(served);
    else
        *ret_served = served;
    return err;
}

void vault_served_close(struct vault_served *served)
{
    for (size_t i = 0; served != NULL && i < CHUNKS_MAX; i++)
        free(atomic_load(&served->chunks[i]));
    free(served);
}

bool vault_served_is(const struct vault_served *served, uint64_t id)
{
    struct chunk *chunk = chunk_at(served, id / CHUNK_IDS);
    if (chunk == NULL)
        return false;
    uint64_t word = atomic_load_explicit(&chunk->words[id % CHUNK_IDS / 64], memory_order_relaxed);
    return (word >> (id % 64) & 1) != 0;
}

void vault_served_mark(struct vault_served *served, uint64_t id)
{
    struct chunk *chunk = chunk_at(served, id / CHUNK_IDS);
    if (chunk == NULL)
        chunk = chunk_new(served, id / CHUNK_IDS);
    if (chunk == NULL)
        return;
    uint64_t bit = UINT64_C(1) << (id % 64);
    uint64_t before = atomic_fetch_or(&chunk->words[id % CHUNK_IDS / 64], bit);
    if ((before & bit) == 0)
        atomic_store(&chunk->dirty, true);
}

static enum err write_chunk(struct store_conn *conn, uint64_t number, const struct chunk *chunk,
                            struct err_detail *detail)
{
    uint8_t bits[CHUNK_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(chunk->words); i++)
        be64_store(bits + 8 * i, atomic_load_explicit(&chunk->words[i], memory_order_relaxed));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "REPLACE INTO object_served (chunk, bits) VALUES (?, ?)", &stmt,
                      detail));
    store_bind_u64(stmt, 1, number);
    store_bind_bytes(stmt, 2, BYTES(bits));
    return store_exec_stmt(stmt, detail);
}

struct flush {
    struct vault_served *served;
    size_t number;
};

static enum err flush_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct flush *flush = ctx;
    return write_chunk(conn, flush->number, chunk_at(flush->served, flush->number), detail);
}

enum err vault_served_flush(struct vault_served *served, struct err_detail *detail)
{
    for (size_t i = 0; i < CHUNKS_MAX; i++) {
        struct chunk *chunk = chunk_at(served, i);
        if (chunk == NULL || !atomic_exchange(&chunk->dirty, false))
            continue;
        struct flush flush = {served, i};
        enum err err = store_run(served->store, flush_fn, &flush, detail);
        if (err != ERR_OK) {
            atomic_store(&chunk->dirty, true);
            return err;
        }
    }
    return ERR_OK;
}

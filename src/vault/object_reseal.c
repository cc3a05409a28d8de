#include "vault/object_domain.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "vault/domains.h"

#define ROWS       64
#define BYTES_MOST ((size_t)40 * 1024) /* of one chunk's records, but one at least */

struct chunk {
    size_t count;
    size_t bytes;
    struct keeper_object objects[ROWS];
    struct keeper_object_resealed resealed[ROWS];
    struct buf before, after;
};

static void chunk_freep(struct chunk **chunk)
{
    if (*chunk != NULL) {
        buf_done(&(*chunk)->before);
        buf_done(&(*chunk)->after);
    }
    free(*chunk);
}

/* The version of the domain's key stands in bytes 1 and 2 of a sealed record. */
static enum err read_rows(struct store_conn *conn, uint32_t domain, uint16_t version,
                          uint64_t after, struct chunk *chunk, struct err_detail *detail)
{
    uint8_t below[2];
    be16_store(below, version);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, epoch, sealed FROM object WHERE id > ? AND domain = ? AND "
                      "length(sealed) > 0 AND substr(sealed, 2, 2) < ? ORDER BY id LIMIT ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, after);
    store_bind_i64(stmt, 2, domain);
    store_bind_bytes(stmt, 3, BYTES(below));
    store_bind_i64(stmt, 4, ROWS);
    while (chunk->count < ROWS) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        struct bytes sealed = store_column_bytes(stmt, 2);
        if (chunk->count > 0 && chunk->before.len + sealed.len > BYTES_MOST)
            break;
        struct keeper_object *object = &chunk->objects[chunk->count++];
        object->row = (struct keeper_row){.domain = domain,
                                          .table = KEEPER_OBJECT,
                                          .row = store_column_u64(stmt, 0),
                                          .epoch = (uint32_t)store_column_i64(stmt, 1)};
        object->sealed.len = sealed.len;
        TRY(buf_append(&chunk->before, sealed));
    }
    size_t at = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        chunk->objects[i].sealed.data = buf_view(&chunk->before).data + at;
        at += chunk->objects[i].sealed.len;
    }
    return ERR_OK;
}

/* The version of the row is raised: who keeps a copy of the old record must not write it back. */
static enum err put_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct chunk *chunk = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn, "UPDATE object SET sealed = ?, version = version + 1 WHERE id = ? AND sealed = ?",
        &stmt, detail));
    struct bytes after = buf_view(&chunk->after);
    for (size_t i = 0; i < chunk->count; i++) {
        const struct keeper_object_resealed *resealed = &chunk->resealed[i];
        if (resealed->err != ERR_OK)
            continue;
        store_bind_bytes(stmt, 1, bytes_of(after.data + resealed->at, resealed->len));
        store_bind_u64(stmt, 2, chunk->objects[i].row.row);
        store_bind_bytes(stmt, 3, chunk->objects[i].sealed);
        TRY(store_exec_stmt(stmt, detail));
    }
    return ERR_OK;
}

static size_t count_damaged(const struct chunk *chunk, const struct vault_domain *domain,
                            struct err_detail *detail)
{
    size_t damaged = 0;
    for (size_t i = 0; i < chunk->count; i++)
        if (chunk->resealed[i].err != ERR_OK && damaged++ == 0)
            (void)err_set(detail, chunk->resealed[i].err, "domain %s: object %" PRIu64,
                          domain->name, chunk->objects[i].row.row);
    return damaged;
}

static enum err read_chunk(struct store *store, const struct vault_domain *domain, uint64_t after,
                           struct chunk *chunk, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err =
        read_rows(store_reader_conn(reader), domain->id, domain->version, after, chunk, detail);
    store_reader_end(reader);
    return err;
}

static enum err reseal(void *ctx, struct keeper_client *keeper, const char *actor,
                       const struct vault_domain *domain, uint64_t cursor[4],
                       struct err_detail *detail, size_t *ret_count, size_t *ret_damaged)
{
    struct store *store = ((struct vault *)ctx)->store;
    AUTO(chunk_freep) struct chunk *chunk = calloc(1, sizeof(*chunk));
    if (chunk == NULL)
        return ERR_NO_MEMORY;
    TRY(read_chunk(store, domain, cursor[0], chunk, detail));
    if (chunk->count > 0) {
        TRY(keeper_object_reseal(keeper, actor, chunk->objects, chunk->count, &chunk->after,
                                 chunk->resealed, detail));
        TRY(store_run(store, put_fn, chunk, detail));
        cursor[0] = chunk->objects[chunk->count - 1].row.row;
    }
    *ret_count = chunk->count;
    *ret_damaged = count_damaged(chunk, domain, detail);
    return ERR_OK;
}

struct floor {
    struct vault_objects *objects;
    uint16_t version;
};

/* On the writer's thread: what was inserted before is seen by the pass that follows, what comes
 * after is checked against it. */
static enum err set_floor(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct floor *floor = ctx;
    (void)conn;
    (void)detail;
    atomic_store(&floor->objects->floor, floor->version);
    return ERR_OK;
}

static enum err refuse_below(void *ctx, const struct vault_domain *domain,
                             struct err_detail *detail)
{
    struct vault *vault = ctx;
    pthread_mutex_lock(&vault->mutex);
    struct floor floor = {vault->objects, domain->version};
    pthread_mutex_unlock(&vault->mutex);
    if (floor.objects == NULL || domain->id != floor.objects->domain)
        return ERR_OK;
    return store_run(vault->store, set_floor, &floor, detail);
}

struct vault_source object_reseal_source(struct vault *vault)
{
    return (struct vault_source){.ctx = vault, .reseal = reseal, .refuse_below = refuse_below};
}

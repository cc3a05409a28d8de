#include "factory/gateway_keys.h"
#include "factory/staged.h"

/* Gateway keys of packages, for the vault's reseal: those of revisions in the store, and those of
 * packages that wait for their commit. The version of the domain key stands in bytes 1 and 2 of a
 * sealed record. */

/* ---- revisions ---- */

enum place { GATEWAY, CDLD, PLACES };

/* (configuration, revision) from a cursor on; parameters are the domain, the cursor, the version
 * below which records are old, and the limit. */
static const char *const selects[PLACES] = {
    [GATEWAY] = ("SELECT config_id, revision, key_epoch, gateway_version, gateway_fingerprint, "
                 "gateway_sealed FROM package WHERE key_domain = ? AND (config_id, revision) >= "
                 "(?, ?) AND substr(gateway_sealed, 2, 2) < ? ORDER BY config_id, revision "
                 "LIMIT ?"),
    [CDLD] = ("SELECT config_id, revision, key_epoch, cdld_version, cdld_fingerprint, "
              "cdld_sealed FROM package WHERE key_domain = ? AND (config_id, revision) >= (?, ?) "
              "AND substr(cdld_sealed, 2, 2) < ? ORDER BY config_id, revision LIMIT ?"),
};
/* New form, domain, epoch, old form. */
static const char *const updates[PLACES] = {
    [GATEWAY] = ("UPDATE package SET gateway_sealed = ? WHERE key_domain = ? AND key_epoch = ? "
                 "AND gateway_sealed = ?"),
    [CDLD] = ("UPDATE package SET cdld_sealed = ? WHERE key_domain = ? AND key_epoch = ? AND "
              "cdld_sealed = ?"),
};

static enum err read_record(struct store_stmt *stmt, enum place place, uint32_t domain,
                            struct vault_record *record, struct err_detail *detail)
{
    struct bytes sealed = store_column_bytes(stmt, 5);
    if (sealed.len == 0 || sealed.len > sizeof record->made.sealed.data)
        return err_set(detail, ERR_CORRUPT, "table package: a sealed key of %zu bytes", sealed.len);
    *record =
        (struct vault_record){.row = {.domain = domain,
                                      .table = place == GATEWAY ? KEEPER_GATEWAY : KEEPER_CDLD,
                                      .row = store_column_u64(stmt, 3),
                                      .epoch = (uint32_t)store_column_i64(stmt, 2)},
                              .key = place};
    column_copy(stmt, 4, record->made.fingerprint, sizeof record->made.fingerprint);
    memcpy(record->made.sealed.data, sealed.data, sealed.len);
    record->made.sealed.len = (uint8_t)sealed.len;
    return ERR_OK;
}

/* cursor: the place, (configuration, revision) to go on from as the store has them, and whether
 * they are set. */
static enum err read_place(struct store_conn *conn, uint32_t domain, uint16_t version,
                           uint64_t cursor[4], struct vault_record *records, size_t max,
                           size_t *ret_count, struct err_detail *detail)
{
    enum place place = (enum place)cursor[0];
    uint8_t below[2];
    be16_store(below, version);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, selects[place], &stmt, detail));
    store_bind_i64(stmt, 1, domain);
    store_bind_i64(stmt, 2, cursor[3] != 0 ? (int64_t)cursor[1] : INT64_MIN);
    store_bind_u64(stmt, 3, cursor[2]);
    store_bind_bytes(stmt, 4, BYTES(below));
    store_bind_i64(stmt, 5, (int64_t)max);
    size_t count = 0;
    for (bool row = true; count < max;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        TRY(read_record(stmt, place, domain, &records[count], detail));
        count++;
        cursor[1] = store_column_u64(stmt, 0);
        cursor[2] = store_column_u64(stmt, 1) + 1;
        cursor[3] = 1;
    }
    *ret_count = count;
    return ERR_OK;
}

static enum err next_row(void *ctx, uint32_t domain, uint16_t version, uint64_t cursor[4],
                         struct vault_record *records, size_t max, struct err_detail *detail,
                         size_t *ret_count)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(ctx, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    size_t count = 0;
    while (cursor[0] < PLACES) {
        TRY(read_place(store_reader_conn(reader), domain, version, cursor, records, max, &count,
                       detail));
        if (count != 0)
            break;
        cursor[0]++;
        cursor[1] = cursor[2] = cursor[3] = 0;
    }
    *ret_count = count;
    return ERR_OK;
}

struct put {
    uint32_t domain;
    const struct vault_record *before, *after;
    size_t count;
};

static enum err put_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct put *put = ctx;
    for (size_t i = 0; i < put->count; i++) {
        const struct vault_record *before = &put->before[i];
        if (before->key >= PLACES)
            return ERR_INTERNAL;
        AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
        TRY(store_prepare(conn, updates[before->key], &stmt, detail));
        store_bind_bytes(stmt, 1, keeper_sealed_view(&put->after[i].made.sealed));
        store_bind_i64(stmt, 2, put->domain);
        store_bind_i64(stmt, 3, before->row.epoch);
        store_bind_bytes(stmt, 4, keeper_sealed_view(&before->made.sealed));
        TRY(store_exec_stmt(stmt, detail));
    }
    return ERR_OK;
}

static enum err put_rows(void *ctx, uint32_t domain, const struct vault_record *before,
                         const struct vault_record *after, size_t count, struct err_detail *detail)
{
    struct put put = {domain, before, after, count};
    return store_run(ctx, put_fn, &put, detail);
}

struct vault_source factory_reseal_source(struct store *store)
{
    return (struct vault_source){.next = next_row, .put = put_rows, .ctx = store};
}

/* ---- what waits for its commit ---- */

_Static_assert(FACTORY_STAGED_MAX *PLACES <= KEEPER_RESEAL_MAX, "one chunk has all that wait");

static struct keeper_made *made_of(struct factory_staged *staged, unsigned which)
{
    return which == GATEWAY ? &staged->keys.gateway : &staged->keys.cdld;
}

static bool is_below(const struct keeper_made *made, const uint8_t version[2])
{
    return made->sealed.len > 3 && memcmp(made->sealed.data + 1, version, 2) < 0;
}

/* cursor[0]: the number of the import and which key come next. */
static enum err next_staged(void *ctx, uint32_t domain, uint16_t version, uint64_t cursor[4],
                            struct vault_record *records, size_t max, struct err_detail *detail,
                            size_t *ret_count)
{
    struct factory *factory = ctx;
    uint8_t below[2];
    size_t count = 0;
    uint64_t last = cursor[0];
    (void)detail;
    be16_store(below, version);
    (void)pthread_mutex_lock(&factory->lock);
    for (struct factory_staged *s = factory->staged; s != NULL; s = s->next) {
        for (unsigned which = 0; which < PLACES; which++) {
            uint64_t place = s->id * PLACES + which;
            const struct keeper_made *made = made_of(s, which);
            if (place < cursor[0] || count >= max || s->keys.domain != domain ||
                !is_below(made, below))
                continue;
            records[count++] = (struct vault_record){
                .row = {.domain = domain,
                        .table = which == GATEWAY ? KEEPER_GATEWAY : KEEPER_CDLD,
                        .row = which == GATEWAY ? s->keys.gateway_version : s->keys.cdld_version,
                        .epoch = s->keys.epoch},
                .key = place,
                .made = *made};
            if (place >= last)
                last = place + 1;
        }
    }
    (void)pthread_mutex_unlock(&factory->lock);
    cursor[0] = last;
    *ret_count = count;
    return ERR_OK;
}

static enum err put_staged(void *ctx, uint32_t domain, const struct vault_record *before,
                           const struct vault_record *after, size_t count,
                           struct err_detail *detail)
{
    struct factory *factory = ctx;
    (void)domain;
    (void)detail;
    (void)pthread_mutex_lock(&factory->lock);
    for (size_t i = 0; i < count; i++) {
        for (struct factory_staged *s = factory->staged; s != NULL; s = s->next) {
            struct keeper_made *made = made_of(s, (unsigned)(before[i].key % PLACES));
            if (s->id == before[i].key / PLACES &&
                bytes_equal(keeper_sealed_view(&made->sealed),
                            keeper_sealed_view(&before[i].made.sealed)))
                *made = after[i].made;
        }
    }
    (void)pthread_mutex_unlock(&factory->lock);
    return ERR_OK;
}

struct vault_source staged_reseal_source(struct factory *factory)
{
    return (struct vault_source){.next = next_staged, .put = put_staged, .ctx = factory};
}

#include "factory/device.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "factory/internal.h"

#define APPLICATIONS_MEMORY ((size_t)512 * 1024)

static const char *const state_names[FACTORY_DEVICE_STATES] = {
    [FACTORY_DEVICE_PRETESTED] = "pretested",
    [FACTORY_DEVICE_KEYED] = "keyed",
    [FACTORY_DEVICE_PROVISIONED] = "provisioned",
};

const char *factory_device_state_name(enum factory_device_state state)
{
    return (unsigned)state < FACTORY_DEVICE_STATES ? state_names[state] : "";
}

enum err device_counted(struct store_conn *conn, enum factory_device_state state, bool exported,
                        int64_t devices, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *update = NULL;
    TRY(store_prepare(conn,
                      "UPDATE device_count SET devices = devices + ? WHERE state = ? AND "
                      "exported = ?",
                      &update, detail));
    store_bind_i64(update, 1, devices);
    store_bind_i64(update, 2, state);
    store_bind_i64(update, 3, exported);
    TRY(store_exec_stmt(update, detail));
    if (store_changes(conn) > 0)
        return ERR_OK;
    AUTO(store_stmt_freep) struct store_stmt *insert = NULL;
    TRY(store_prepare(conn, "INSERT INTO device_count (state, exported, devices) VALUES (?, ?, ?)",
                      &insert, detail));
    store_bind_i64(insert, 1, state);
    store_bind_i64(insert, 2, exported);
    store_bind_i64(insert, 3, devices);
    return store_exec_stmt(insert, detail);
}

enum err factory_device_count(struct factory *factory, struct factory_device_counts *ret_counts,
                              struct err_detail *detail)
{
    struct factory_device_counts counts = {0};
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn, "SELECT state, exported, devices FROM device_count", &stmt,
                      detail));
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        uint64_t state = store_column_u64(stmt, 0);
        if (state < FACTORY_DEVICE_STATES)
            counts.of[state][store_column_i64(stmt, 1) != 0] = store_column_u64(stmt, 2);
    }
    *ret_counts = counts;
    return ERR_OK;
}

/* ---- what a run leaves ---- */

/* A device's row before it changes. */
struct row {
    bool found;
    uint64_t keying, exported;
    enum factory_device_state state;
    unsigned stage;
};

static enum err find(struct store_conn *conn, uint64_t node_id, struct row *row,
                     struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT keying, exported, state, stage FROM device WHERE node_id = ?",
                      &stmt, detail));
    bind_id(stmt, 1, node_id);
    enum err err = store_get_row(stmt, detail);
    *row = (struct row){0};
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    *row = (struct row){.found = true,
                        .keying = store_column_u64(stmt, 0),
                        .exported = store_column_u64(stmt, 1),
                        .state = (enum factory_device_state)store_column_i64(stmt, 2),
                        .stage = (unsigned)store_column_i64(stmt, 3)};
    return ERR_OK;
}

static enum err recount(struct store_conn *conn, const struct row *before,
                        enum factory_device_state state, bool exported, struct err_detail *detail)
{
    if (before->found && before->state == state && (before->exported != 0) == exported)
        return ERR_OK;
    if (before->found)
        TRY(device_counted(conn, before->state, before->exported != 0, -1, detail));
    return device_counted(conn, state, exported, 1, detail);
}

/* All of a device's row. */
static enum err put(struct store_conn *conn, const struct row *before,
                    const struct factory_device *device, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn,
        before->found
            ? "UPDATE device SET keying = ?, state = ?, stage = ?, config_id = ?, revision = ?, "
              "batch = ?, time = ?, station = ?, operator = ?, return_code = ?, exported = ? "
              "WHERE node_id = ?"
            : "INSERT INTO device (keying, state, stage, config_id, revision, batch, time, "
              "station, "
              "operator, return_code, exported, node_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
              "?)",
        &stmt, detail));
    store_bind_u64(stmt, 1, device->keying);
    store_bind_i64(stmt, 2, device->state);
    store_bind_i64(stmt, 3, device->stage);
    bind_id(stmt, 4, device->config_id);
    store_bind_i64(stmt, 5, device->revision);
    store_bind_i64(stmt, 6, device->batch);
    store_bind_i64(stmt, 7, device->time);
    store_bind_text(stmt, 8, device->station);
    store_bind_text(stmt, 9, device->operator);
    store_bind_i64(stmt, 10, device->return_code);
    store_bind_u64(stmt, 11, device->exported);
    bind_id(stmt, 12, device->node_id);
    TRY(store_exec_stmt(stmt, detail));
    return recount(conn, before, device->state, device->exported != 0, detail);
}

/* The first that is known of a device is a PRETEST that went well. */
static enum err put_pretested(struct store_conn *conn, const struct row *before,
                              const struct factory_run *run, struct err_detail *detail)
{
    const struct factory_device device = {.node_id = run->node_id,
                                          .state = FACTORY_DEVICE_PRETESTED,
                                          .stage = run->operation,
                                          .config_id = run->config_id,
                                          .revision = run->revision,
                                          .batch = run->batch,
                                          .time = run->ended,
                                          .station = run->station,
                                          .operator= "",
                                          .return_code = run->return_code};
    return put(conn, before, &device, detail);
}

/* The keying whose key the run's device has: that of the check value that was seen, else the one
 * that the run made. 0: not known. */
static enum err find_had(struct store_conn *conn, const struct factory_run *run, const uint8_t *kcv,
                         uint64_t *ret_keying, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      kcv != NULL ? "SELECT id FROM device_keying WHERE node_id = ? AND kcv = ? "
                                    "ORDER BY id DESC LIMIT 1"
                                  : "SELECT id FROM device_keying WHERE node_id = ? AND run = ? "
                                    "ORDER BY id DESC LIMIT 1",
                      &stmt, detail));
    bind_id(stmt, 1, run->node_id);
    store_bind_bytes(stmt, 2, kcv != NULL ? bytes_of(kcv, FACTORY_KCV) : BYTES(run->run));
    enum err err = store_get_row(stmt, detail);
    *ret_keying = err == ERR_OK ? store_column_u64(stmt, 0) : 0;
    if (err == ERR_NOT_FOUND)
        return kcv == NULL ? ERR_OK
                           : err_set(detail, ERR_MISMATCH,
                                     "no key with this check value was reported of the device");
    return err;
}

static enum err last_export(struct store_conn *conn, uint64_t node_id, uint64_t keying,
                            uint64_t *ret_export, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT max(export) FROM device_exported WHERE node_id = ? AND keying = ?",
                      &stmt, detail));
    bind_id(stmt, 1, node_id);
    store_bind_u64(stmt, 2, keying);
    TRY(store_get_row(stmt, detail));
    *ret_export = store_column_null(stmt, 0) ? 0 : store_column_u64(stmt, 0);
    return ERR_OK;
}

/* Two stations had the device: the key that it has is another than came in last. */
static enum err put_had(struct store_conn *conn, const struct factory_run *run, struct row *row,
                        uint64_t keying, struct err_detail *detail)
{
    uint64_t exported = 0;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(last_export(conn, run->node_id, keying, &exported, detail));
    TRY(store_prepare(conn,
                      "SELECT config_id, revision, batch, time, station, operator FROM "
                      "device_keying WHERE id = ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, keying);
    TRY(store_get_row(stmt, detail));
    const struct factory_device device = {.node_id = run->node_id,
                                          .keying = keying,
                                          .state = row->state,
                                          .stage = row->stage,
                                          .config_id = column_id(stmt, 0),
                                          .revision = (uint32_t)store_column_i64(stmt, 1),
                                          .batch = (uint32_t)store_column_i64(stmt, 2),
                                          .time = store_column_i64(stmt, 3),
                                          .station = column_text(stmt, 4),
                                          .operator= column_text(stmt, 5),
                                          .return_code = run->return_code,
                                          .exported = exported};
    TRY(put(conn, row, &device, detail));
    row->keying = keying;
    row->exported = exported;
    return ERR_OK;
}

enum err device_ran(struct store_conn *conn, const struct factory_run *run, const uint8_t *kcv,
                    struct err_detail *detail)
{
    struct row row;
    TRY(find(conn, run->node_id, &row, detail));
    bool good = run->return_code == 0;
    bool last = run->operation == FACTORY_PROVISION || run->operation == FACTORY_POSTTEST;
    uint64_t had = 0;
    if (good && last)
        TRY(find_had(conn, run, kcv, &had, detail));
    if (row.keying == 0)
        return good && run->operation == FACTORY_PRETEST ? put_pretested(conn, &row, run, detail)
                                                         : ERR_OK;
    if (had != 0 && had != row.keying)
        TRY(put_had(conn, run, &row, had, detail));
    enum factory_device_state state = had != 0 ? FACTORY_DEVICE_PROVISIONED : row.state;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE device SET state = ?, stage = ?, return_code = ? WHERE node_id = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, state);
    store_bind_i64(stmt, 2, good ? run->operation : row.stage);
    store_bind_i64(stmt, 3, run->return_code);
    bind_id(stmt, 4, run->node_id);
    TRY(store_exec_stmt(stmt, detail));
    return recount(conn, &row, state, row.exported != 0, detail);
}

/* ---- a key ---- */

struct key {
    const struct factory_keying *keying;
    struct bytes applications;
    int64_t now;
    uint64_t serial;
};

/* The run that a key belongs to. */
struct owner {
    uint64_t id;
    bool open;
    char operator[FACTORY_NAME_MAX + 1];
};

static enum err find_owner(struct store_conn *conn, const struct factory_keying *k,
                           struct owner *owner, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn,
        "SELECT station, operator, ended, config_id, revision, batch, id FROM factory_run "
        "WHERE run = ?",
        &stmt, detail));
    store_bind_bytes(stmt, 1, BYTES(k->run));
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && strcmp(column_text(stmt, 0), k->station) != 0))
        return err_set(detail, ERR_NOT_FOUND, "station %s has begun no such run", k->station);
    TRY(err);
    if (column_id(stmt, 3) != k->config_id || store_column_i64(stmt, 4) != k->revision ||
        store_column_i64(stmt, 5) != k->batch)
        return err_set(detail, ERR_MISMATCH, "the run began with another configuration or batch");
    owner->open = store_column_null(stmt, 2);
    owner->id = store_column_u64(stmt, 6);
    (void)snprintf(owner->operator, sizeof owner->operator, "%s", column_text(stmt, 1));
    return ERR_OK;
}

/* ERR_NOT_FOUND where the device's newest key is another one. */
static enum err find_same(struct store_conn *conn, const struct row *row, struct key *key,
                          struct err_detail *detail)
{
    if (row->keying == 0)
        return ERR_NOT_FOUND;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT run, kcv, encrypted FROM device_keying WHERE id = ?", &stmt,
                      detail));
    store_bind_u64(stmt, 1, row->keying);
    TRY(store_get_row(stmt, detail));
    bool same = bytes_equal(store_column_bytes(stmt, 0), BYTES(key->keying->run));
    if (key->keying->encrypted.len != 0)
        same = same && bytes_equal(store_column_bytes(stmt, 1), BYTES(key->keying->kcv)) &&
               bytes_equal(store_column_bytes(stmt, 2), key->keying->encrypted);
    if (!same)
        return ERR_NOT_FOUND;
    key->serial = row->keying;
    return ERR_OK;
}

static enum err check_length(struct store_conn *conn, const struct factory_keying *k,
                             struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT kms_bits FROM package WHERE config_id = ? AND revision = ?",
                      &stmt, detail));
    bind_id(stmt, 1, k->config_id);
    store_bind_i64(stmt, 2, k->revision);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "configuration 0x%016" PRIx64 " has no revision %" PRIu32,
                       k->config_id, k->revision);
    TRY(err);
    uint64_t wanted = store_column_u64(stmt, 0) / 8;
    return k->encrypted.len == wanted
               ? ERR_OK
               : err_set(detail, ERR_ARGUMENT,
                         "key: %" PRIu64 " bytes are wanted, encrypted to the package's KMS key",
                         wanted);
}

static enum err insert(struct store_conn *conn, struct key *key, const struct owner *owner,
                       struct err_detail *detail)
{
    const struct factory_keying *k = key->keying;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO device_keying (node_id, run, config_id, revision, batch, time, "
                      "received, station, operator, kcv, encrypted, applications) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    bind_id(stmt, 1, k->node_id);
    store_bind_bytes(stmt, 2, BYTES(k->run));
    bind_id(stmt, 3, k->config_id);
    store_bind_i64(stmt, 4, k->revision);
    store_bind_i64(stmt, 5, k->batch);
    store_bind_i64(stmt, 6, k->time);
    store_bind_i64(stmt, 7, key->now);
    store_bind_text(stmt, 8, k->station);
    store_bind_text(stmt, 9, owner->operator);
    store_bind_bytes(stmt, 10, BYTES(k->kcv));
    store_bind_bytes(stmt, 11, k->encrypted);
    store_bind_bytes(stmt, 12, key->applications);
    TRY(store_exec_stmt(stmt, detail));
    key->serial = (uint64_t)store_last_id(conn);
    return ERR_OK;
}

static enum err record(struct store_conn *conn, struct key *key, const struct owner *owner,
                       const struct row *row, enum factory_device_state state,
                       struct err_detail *detail)
{
    const struct factory_keying *k = key->keying;
    TRY(insert(conn, key, owner, detail));
    const struct factory_device device = {.node_id = k->node_id,
                                          .keying = key->serial,
                                          .state = state,
                                          .stage = row->stage,
                                          .config_id = k->config_id,
                                          .revision = k->revision,
                                          .batch = k->batch,
                                          .time = k->time,
                                          .station = k->station,
                                          .operator= owner->operator,
                                          .return_code = - 1 };
    return put(conn, row, &device, detail);
}

/* A host was given something: the device keeps its key, and is to be exported anew. */
static enum err record_hosts(struct store_conn *conn, struct key *key, const struct owner *owner,
                             const struct row *row, struct err_detail *detail)
{
    struct factory_keying keying = *key->keying, before = {0};
    struct key kept = {.keying = &keying, .now = key->now};
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(buf_done) struct buf applications = {0};
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    if (row->keying == 0)
        return err_set(detail, ERR_NOT_FOUND, "the device has no key from here, and none is given");
    TRY(arena_new(APPLICATIONS_MEMORY, &arena));
    TRY(store_prepare(conn,
                      "SELECT kcv, encrypted, applications, config_id, revision FROM "
                      "device_keying WHERE id = ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, row->keying);
    TRY(store_get_row(stmt, detail));
    if (column_id(stmt, 3) != keying.config_id)
        return err_set(detail, ERR_MISMATCH, "the device was keyed with another configuration");
    /* the revision says whom the key is encrypted to */
    keying.revision = (uint32_t)store_column_i64(stmt, 4);
    TRY(arena_copy(arena, store_column_bytes(stmt, 1), &keying.encrypted));
    column_copy(stmt, 0, keying.kcv, sizeof keying.kcv);
    TRY(applications_read(store_column_bytes(stmt, 2), arena, &before));
    TRY(applications_merge(&before, arena, &keying, detail));
    TRY(applications_encode(&keying, &applications, detail));
    kept.applications = buf_view(&applications);
    TRY(record(conn, &kept, owner, row, row->state, detail));
    key->serial = kept.serial;
    return ERR_OK;
}

/* A report that comes late, when the device is at another station already, would hide the key that
 * this one gave it. */
static enum err check_order(struct store_conn *conn, const struct row *row,
                            const struct owner *owner, struct err_detail *detail)
{
    if (row->keying == 0)
        return ERR_OK;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT r.id FROM device_keying k JOIN factory_run r ON r.run = k.run "
                      "WHERE k.id = ?",
                      &stmt, detail));
    store_bind_u64(stmt, 1, row->keying);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    return store_column_u64(stmt, 0) <= owner->id
               ? ERR_OK
               : err_set(detail, ERR_STATE, "a run that began later has keyed this device");
}

static enum err key_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct key *key = ctx;
    const struct factory_keying *k = key->keying;
    struct owner owner = {0};
    struct row row;
    TRY(find_owner(conn, k, &owner, detail));
    TRY(find(conn, k->node_id, &row, detail));
    enum err err = find_same(conn, &row, key, detail);
    if (err != ERR_NOT_FOUND)
        return err;
    if (!owner.open)
        return err_set(detail, ERR_STATE, "the run has ended");
    if (k->encrypted.len == 0)
        return record_hosts(conn, key, &owner, &row, detail);
    TRY(check_length(conn, k, detail));
    TRY(check_order(conn, &row, &owner, detail));
    return record(conn, key, &owner, &row, FACTORY_DEVICE_KEYED, detail);
}

enum err factory_device_key(struct factory *factory, const struct factory_keying *keying,
                            uint64_t *ret_serial, struct err_detail *detail)
{
    AUTO(buf_done) struct buf applications = {0};
    TRY(check_text("station", keying->station, FACTORY_NAME_MAX, false, detail));
    TRY(applications_encode(keying, &applications, detail));
    struct key key = {
        .keying = keying, .applications = buf_view(&applications), .now = clock_now_s()};
    TRY(store_run(factory->store, key_fn, &key, detail));
    *ret_serial = key.serial;
    return ERR_OK;
}

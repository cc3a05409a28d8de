#include "site.h"

#include <stdio.h>

void site_open(struct site *site)
{
    struct err_detail detail = {0};
    char url[600];
    snprintf(url, sizeof(url), "sqlite:%s/store.db", site->dir);
    struct store_config store = {.url = url, .create = true};
    if (store_open(&store, &site->store, &detail) != ERR_OK ||
        vault_open(site->store, site->keeper, &detail, &site->vault) != ERR_OK ||
        vault_objects_open(site->vault, site->store, site->keeper, &detail, &site->objects) !=
            ERR_OK ||
        vault_clients_open(site->store, &site->clients, &detail) != ERR_OK ||
        store_reader_open(site->store, STORE_READER_LOOKUP, &site->reader, &detail) != ERR_OK)
        fail_msg("open: %s", detail.text);
    vault_set_grace_ms(site->vault, 0);
}

void site_close(struct site *site)
{
    store_reader_close(site->reader);
    vault_clients_close(site->clients);
    vault_objects_close(site->objects);
    vault_close(site->vault);
    store_close(site->store);
    site->reader = NULL;
}

void site_begin(struct site *site)
{
    *site = (struct site){.dir = test_tempdir()};
    rig_begin(&site->rig, NULL);
    site->keeper = rig_client(&site->rig, 0);
    assert_ok(arena_new((size_t)64 * 1024 * 1024, &site->arena));
    site_open(site);
}

void site_end(struct site *site)
{
    site_close(site);
    arena_free(site->arena);
    (void)rig_end(&site->rig);
    test_tempdir_remove(site->dir);
}

struct vault_eyes site_eyes(uint32_t group)
{
    return (struct vault_eyes){.client = 1, .groups = {group}, .count = 1};
}

struct vault_object site_object(struct site *site)
{
    static const uint8_t sealed[80] = {1, 0, 1, 42};
    struct vault_object object = {.type = 2,
                                  .state = 2,
                                  .group = GROUP,
                                  .owner = 1,
                                  .placement = VAULT_IN_STORE,
                                  .alg = 3,
                                  .bits = 256,
                                  .mask = 12,
                                  .domain = vault_objects_domain(site->objects),
                                  .epoch = 1,
                                  .sealed = BYTES(sealed),
                                  .attributes = bytes_str("attributes"),
                                  .initial = 1000,
                                  .activation = VAULT_NO_DATE,
                                  .process_start = VAULT_NO_DATE,
                                  .protect_stop = VAULT_NO_DATE,
                                  .deactivation = VAULT_NO_DATE,
                                  .destroyed = VAULT_NO_DATE,
                                  .compromised = VAULT_NO_DATE,
                                  .compromise_occurred = VAULT_NO_DATE,
                                  .archive_date = VAULT_NO_DATE,
                                  .last_change = 1000,
                                  .original_created = VAULT_NO_DATE,
                                  .usage_total = -1,
                                  .usage_left = -1};
    assert_ok(vault_object_next(site->objects, &object.id, object.uid));
    return object;
}

struct insert {
    const struct vault_object *object;
    const struct vault_key *keys;
    size_t count;
};

static enum err insert_fn(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    const struct insert *insert = ctx;
    return vault_tx_insert(tx, insert->object, insert->keys, insert->count, detail);
}

enum err site_insert(struct site *site, const struct vault_object *object,
                     const struct vault_key *keys, size_t count)
{
    struct vault_eyes eyes = site_eyes(object->group);
    struct insert insert = {object, keys, count};
    return vault_objects_run(site->objects, NULL, &eyes, insert_fn, &insert, NULL);
}

struct store_conn *site_read(struct site *site)
{
    assert_ok(store_reader_begin(site->reader, NULL));
    return store_reader_conn(site->reader);
}

enum err site_get(struct site *site, uint32_t group, const char *uid,
                  struct vault_object *ret_object)
{
    struct vault_eyes eyes = site_eyes(group);
    struct store_conn *conn = site_read(site);
    enum err err = vault_object_get(conn, &eyes, bytes_str(uid), site->arena, ret_object, NULL);
    store_reader_end(site->reader);
    return err;
}

struct update {
    const char *uid;
    site_change_fn *change;
    const struct vault_key *keys;
    size_t count;
};

static enum err update_fn(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    const struct update *update = ctx;
    struct vault_object object;
    TRY(vault_tx_get(tx, bytes_str(update->uid), &object, detail));
    if (update->change)
        update->change(&object);
    return vault_tx_update(tx, &object, update->keys, update->count, detail);
}

enum err site_update(struct site *site, const char *uid, site_change_fn *change,
                     const struct vault_key *keys, size_t count)
{
    struct vault_eyes eyes = site_eyes(GROUP);
    struct update update = {uid, change, keys, count};
    return vault_objects_run(site->objects, NULL, &eyes, update_fn, &update, NULL);
}

size_t site_count(struct site *site, uint32_t group, struct vault_key key)
{
    struct vault_eyes eyes = site_eyes(group);
    struct vault_term term = {.compare = VAULT_EQUAL, .key = key};
    struct vault_query query = {.terms = &term,
                                .count = 1,
                                .online = true,
                                .archived = true,
                                .destroyed = true,
                                .total = true};
    struct vault_located *found;
    size_t count, total;
    struct store_conn *conn = site_read(site);
    assert_ok(vault_object_locate(conn, &eyes, &query, site->arena, &found, &count, &total, NULL));
    store_reader_end(site->reader);
    return total;
}

int64_t site_ask(struct site *site, const char *sql)
{
    struct store_conn *conn = site_read(site);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    struct err_detail detail = {0};
    if (store_prepare(conn, sql, &stmt, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    assert_ok(store_get_row(stmt, NULL));
    int64_t value = store_column_i64(stmt, 0);
    store_stmt_free(TAKE(stmt));
    store_reader_end(site->reader);
    return value;
}

void site_check(struct site *site)
{
    assert_int_equal(site_ask(site, "SELECT count(*) FROM object_key WHERE object NOT IN "
                                    "(SELECT id FROM object)"),
                     0);
    assert_int_equal(site_ask(site, "SELECT count(*) FROM object_due WHERE object NOT IN "
                                    "(SELECT id FROM object)"),
                     0);
    /* the entry of State is there once for each, and is that of the column */
    assert_int_equal(
        site_ask(site, "SELECT count(*) FROM object") -
            site_ask(site, "SELECT count(*) FROM object_key WHERE attribute = 4325517"),
        0);
    assert_int_equal(site_ask(site, "SELECT count(*) FROM object_key AS k JOIN object AS o ON "
                                    "o.id = k.object WHERE k.attribute = 4325517 AND "
                                    "substr(hex(k.value), 15) <> printf('%02X', o.state)"),
                     0);
    assert_int_equal(site_ask(site, "SELECT count(*) FROM object_key AS k JOIN object AS o ON "
                                    "o.id = k.object WHERE o.grp <> k.grp"),
                     0);
}

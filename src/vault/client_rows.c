#include "vault/client_rows.h"

#include <inttypes.h>
#include <stdlib.h>

#include "vault/serial.h"
#include "vault/state.h"

/* ---- reading all ---- */

void client_table_free(struct client_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        explicit_bzero(table->clients[i].password, sizeof(table->clients[i].password));
    free(table->clients);
    free(table->by_certificate);
    free(table->groups);
    free(table);
}

void client_table_freep(struct client_table **table)
{
    client_table_free(*table);
}

/* Room for one more; capacities are the powers of two. */
static void *grow(void *array, size_t count, size_t size)
{
    bool full = (count & (count - 1)) == 0;
    return full ? reallocarray(array, count > 0 ? count * 2 : 1, size) : array;
}

static bool take_text(struct store_stmt *stmt, unsigned column, char *to, size_t size)
{
    const char *text = store_column_text(stmt, column);
    size_t len = text ? strlen(text) : 0;
    if (len >= size)
        return false;
    memcpy(to, text ? text : "", len + 1);
    return true;
}

static bool read_client(struct store_stmt *stmt, struct client_entry *entry)
{
    struct vault_client *client = &entry->client;
    struct bytes certificate = store_column_bytes(stmt, 5);
    *entry = (struct client_entry){
        .client = {
            .id = store_column_u64(stmt, 0),
            .kind = (enum vault_client_kind)store_column_i64(stmt, 2),
            .may = (uint32_t)store_column_i64(stmt, 3),
            .placement = (uint32_t)store_column_i64(stmt, 4),
            .created = store_column_i64(stmt, 8),
            .disabled = store_column_null(stmt, 9) ? VAULT_NO_DATE : store_column_i64(stmt, 9),
            .has_password = !store_column_null(stmt, 6),
            .put = store_column_i64(stmt, 10) != 0,
            .not_after = store_column_null(stmt, 11) ? VAULT_NO_DATE : store_column_i64(stmt, 11)}};
    client->eyes.client = client->id;
    if (certificate.len == sizeof(client->certificate))
        memcpy(client->certificate, certificate.data, certificate.len);
    return (certificate.len == 0 || certificate.len == sizeof(client->certificate)) &&
           take_text(stmt, 1, client->name, sizeof(client->name)) &&
           take_text(stmt, 6, entry->password, sizeof(entry->password)) &&
           take_text(stmt, 7, client->notify, sizeof(client->notify));
}

static enum err read_clients(struct store_conn *conn, struct client_table *table,
                             struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT id, name, kind, may, placement, certificate, password, notify, "
                      "created, disabled, wants_put, not_after FROM client ORDER BY name",
                      &stmt, detail));
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        struct client_entry *clients = grow(table->clients, table->count, sizeof(*clients));
        if (!clients)
            return ERR_NO_MEMORY;
        table->clients = clients;
        if (!read_client(stmt, &clients[table->count]))
            return err_set(detail, ERR_CORRUPT, "table client: id %" PRIu64,
                           store_column_u64(stmt, 0));
        table->count++;
    }
}

static int by_id(const void *a, const void *b)
{
    const struct client_entry *const *x = a, *const *y = b;
    return (*x)->client.id < (*y)->client.id ? -1 : (*x)->client.id > (*y)->client.id;
}

static enum err read_memberships(struct store_conn *conn, struct client_entry **sorted,
                                 size_t count, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT client, grp FROM client_group ORDER BY client, place", &stmt,
                      detail));
    size_t at = 0;
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        uint64_t id = store_column_u64(stmt, 0);
        while (at < count && sorted[at]->client.id < id)
            at++;
        struct vault_eyes *eyes = at < count ? &sorted[at]->client.eyes : NULL;
        if (!eyes || sorted[at]->client.id != id || eyes->count == VAULT_GROUPS_MAX)
            return err_set(detail, ERR_CORRUPT, "table client_group: client %" PRIu64, id);
        eyes->groups[eyes->count++] = (uint32_t)store_column_i64(stmt, 1);
    }
}

static enum err read_groups(struct store_conn *conn, struct client_table *table,
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT id, name FROM grp ORDER BY id", &stmt, detail));
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        struct client_group_entry *groups = grow(table->groups, table->groups_len, sizeof(*groups));
        if (!groups)
            return ERR_NO_MEMORY;
        table->groups = groups;
        struct client_group_entry *group = &groups[table->groups_len];
        group->id = (uint32_t)store_column_i64(stmt, 0);
        memset(group->name, 0, sizeof(group->name));
        if (!take_text(stmt, 1, group->name, sizeof(group->name)))
            return err_set(detail, ERR_CORRUPT, "table grp: id %" PRIu32, group->id);
        table->groups_len++;
    }
}

static int by_certificate(const void *a, const void *b)
{
    const struct client_entry *const *x = a, *const *y = b;
    return memcmp((*x)->client.certificate, (*y)->client.certificate,
                  sizeof((*x)->client.certificate));
}

static enum err index_certificates(struct client_table *table, struct client_entry **sorted)
{
    static const uint8_t none[32];
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        if (memcmp(table->clients[i].client.certificate, none, sizeof(none)) != 0)
            sorted[count++] = &table->clients[i];
    table->by_certificate = calloc(count + 1, sizeof(*table->by_certificate));
    if (!table->by_certificate)
        return ERR_NO_MEMORY;
    if (count > 1)
        qsort(sorted, count, sizeof(struct client_entry *), by_certificate);
    for (size_t i = 0; i < count; i++)
        table->by_certificate[i] = (uint32_t)(sorted[i] - table->clients);
    table->certificates = count;
    return ERR_OK;
}

static enum err read_all(struct store_conn *conn, struct client_table *table,
                         struct err_detail *detail)
{
    TRY(read_clients(conn, table, detail));
    TRY(read_groups(conn, table, detail));
    struct client_entry **sorted = calloc(table->count + 1, sizeof(struct client_entry *));
    if (!sorted)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < table->count; i++)
        sorted[i] = &table->clients[i];
    if (table->count > 1)
        qsort(sorted, table->count, sizeof(struct client_entry *), by_id);
    enum err err = read_memberships(conn, sorted, table->count, detail);
    if (err == ERR_OK)
        err = index_certificates(table, sorted);
    free(sorted);
    return err;
}

enum err client_table_read(struct store *store, struct client_table **ret_table,
                           struct err_detail *detail)
{
    AUTO(client_table_freep) struct client_table *table = calloc(1, sizeof(*table));
    if (!table)
        return ERR_NO_MEMORY;
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err = read_all(store_reader_conn(reader), table, detail);
    store_reader_end(reader);
    if (err == ERR_OK)
        *ret_table = TAKE(table);
    return err;
}

enum err client_owns_nothing_in(struct store_conn *conn, uint64_t id, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(
        conn, "SELECT uid FROM object WHERE owner = ? AND state <> ? AND state <> ? LIMIT 1", &stmt,
        detail));
    store_bind_u64(stmt, 1, id);
    store_bind_i64(stmt, 2, VAULT_DESTROYED);
    store_bind_i64(stmt, 3, VAULT_DESTROYED_COMPROMISED);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_OK)
        err = err_set(detail, ERR_STATE,
                      "it owns objects, %s among them: destroy them, or disable the client",
                      store_column_text(stmt, 0));
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err client_owns_nothing(struct store *store, uint64_t id, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    const enum err err = client_owns_nothing_in(store_reader_conn(reader), id, detail);
    store_reader_end(reader);
    return err;
}

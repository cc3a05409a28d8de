#include "vault/client_rows.h"

#include "vault/serial.h"

/* What may be in a name: it goes into audit records, certificates and the command line. */
static bool good_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] <= 0x20 || (unsigned char)name[i] == 0x7f)
            return false;
    return len > 0 && len <= VAULT_CLIENT_NAME_MAX;
}

static enum err check_groups(const struct vault_client_new *spec, struct err_detail *detail)
{
    if (spec->groups_len > VAULT_GROUPS_MAX)
        return err_set(detail, ERR_LIMIT, "%zu groups; a client has %d at most", spec->groups_len,
                       VAULT_GROUPS_MAX);
    if (spec->groups && spec->groups_len == 0)
        return err_set(detail, ERR_ARGUMENT, "a client has one group at least");
    for (size_t i = 0; spec->groups != NULL && i < spec->groups_len; i++) {
        if (!good_name(spec->groups[i]))
            return err_set(detail, ERR_ARGUMENT, "\"%.80s\" is no name of a group",
                           spec->groups[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(spec->groups[i], spec->groups[j]) == 0)
                return err_set(detail, ERR_ARGUMENT, "group %s is named twice", spec->groups[i]);
    }
    return ERR_OK;
}

enum err client_spec_check(const struct vault_client_new *spec, bool new, struct err_detail *detail)
{
    static const uint8_t none[32];
    if (new && (!spec->name || !good_name(spec->name)))
        return err_set(detail, ERR_ARGUMENT, "\"%.80s\" is no name of a client",
                       spec->name ? spec->name : "");
    if (new && (spec->kind < VAULT_CLIENT_KMIP || spec->kind > VAULT_CLIENT_BROWSER))
        return err_set(detail, ERR_ARGUMENT, "kind of client %d", (int)spec->kind);
    if (new && spec->kind != VAULT_CLIENT_KMIP &&
        (spec->groups || spec->may || spec->password_verifier || !spec->certificate))
        return err_set(detail, ERR_ARGUMENT,
                       "a station or browser has a certificate, and none of the rest");
    if ((spec->may & ~(uint32_t)VAULT_MAY_ALL) || spec->placement > VAULT_IN_TOKEN)
        return err_set(detail, ERR_ARGUMENT, "permissions or placement of a client");
    if (spec->certificate && memcmp(spec->certificate, none, sizeof(none)) == 0)
        return err_set(detail, ERR_ARGUMENT, "fingerprint of a certificate");
    if ((spec->password_verifier && (strlen(spec->password_verifier) > CLIENT_VERIFIER_MAX ||
                                     spec->password_verifier[0] == '\0')) ||
        (spec->notify && strlen(spec->notify) >= sizeof(((struct vault_client *)0)->notify)))
        return err_set(detail, ERR_LIMIT, "password or listener of a client");
    return check_groups(spec, detail);
}

static enum err find_or_make_group(struct store_conn *conn, const char *name, uint32_t *ret_group,
                                   struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT id FROM grp WHERE name = ?", &stmt, detail));
    store_bind_text(stmt, 1, name);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_OK)
        *ret_group = (uint32_t)store_column_i64(stmt, 0);
    if (err != ERR_NOT_FOUND)
        return err;
    uint64_t id = 0;
    TRY(serial_take_in(conn, "group", 1, &id, detail));
    AUTO(store_stmt_freep) struct store_stmt *insert = NULL;
    TRY(store_prepare(conn, "INSERT INTO grp (id, name) VALUES (?, ?)", &insert, detail));
    store_bind_u64(insert, 1, id);
    store_bind_text(insert, 2, name);
    TRY(store_exec_stmt(insert, detail));
    *ret_group = (uint32_t)id;
    return ERR_OK;
}

static enum err leave_groups(struct store_conn *conn, uint64_t id, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM client_group WHERE client = ?", &stmt, detail));
    store_bind_u64(stmt, 1, id);
    return store_exec_stmt(stmt, detail);
}

static enum err join_groups(struct store_conn *conn, uint64_t id, const char *const *names,
                            size_t count, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "INSERT INTO client_group (client, place, grp) VALUES (?, ?, ?)", &stmt,
                      detail));
    for (size_t i = 0; i < count; i++) {
        uint32_t group = 0;
        TRY(find_or_make_group(conn, names[i], &group, detail));
        store_bind_u64(stmt, 1, id);
        store_bind_i64(stmt, 2, (int64_t)i);
        store_bind_i64(stmt, 3, group);
        TRY(store_exec_stmt(stmt, detail));
    }
    return ERR_OK;
}

static void bind_certificate(struct store_stmt *stmt, unsigned index, const uint8_t *certificate)
{
    if (certificate)
        store_bind_bytes(stmt, index, bytes_of(certificate, 32));
    else
        store_bind_null(stmt, index);
}

static void bind_date(struct store_stmt *stmt, unsigned index, int64_t date)
{
    if (date == VAULT_NO_DATE)
        store_bind_null(stmt, index);
    else
        store_bind_i64(stmt, index, date);
}

static int64_t date_of(const struct vault_client_new *spec)
{
    return spec->certificate && spec->not_after ? spec->not_after : VAULT_NO_DATE;
}

enum err client_row_insert(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct client_work *work = ctx;
    const struct vault_client_new *spec = work->spec;
    TRY(serial_take_in(conn, "client", 1, &work->id, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO client (id, name, kind, may, placement, certificate, password, "
                      "notify, wants_put, created, not_after) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_u64(stmt, 1, work->id);
    store_bind_text(stmt, 2, spec->name);
    store_bind_i64(stmt, 3, spec->kind);
    store_bind_i64(stmt, 4, spec->may);
    store_bind_i64(stmt, 5, spec->placement ? spec->placement : VAULT_IN_STORE);
    bind_certificate(stmt, 6, spec->certificate);
    store_bind_text(stmt, 7, spec->password_verifier);
    store_bind_text(stmt, 8, spec->notify ? spec->notify : "");
    store_bind_i64(stmt, 9, spec->put && *spec->put);
    store_bind_i64(stmt, 10, work->now);
    bind_date(stmt, 11, date_of(spec));
    enum err err = store_exec_stmt(stmt, detail);
    if (err == ERR_EXISTS)
        return err_set(detail, err, "client %s, or another with its certificate", spec->name);
    TRY(err);
    if (spec->kind != VAULT_CLIENT_KMIP)
        return ERR_OK;
    if (!spec->groups)
        return join_groups(conn, work->id, &spec->name, 1, detail);
    return join_groups(conn, work->id, spec->groups, spec->groups_len, detail);
}

static enum err find_id(struct store_conn *conn, const char *name, uint64_t *ret_id,
                        struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT id FROM client WHERE name = ?", &stmt, detail));
    store_bind_text(stmt, 1, name);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "client %.64s", name);
    TRY(err);
    *ret_id = store_column_u64(stmt, 0);
    return ERR_OK;
}

/* One column of one row; the value was bound. */
#define SET(column) "UPDATE client SET " column " = ? WHERE id = ?"

static enum err set_number(struct store_conn *conn, const char *sql, uint64_t id, int64_t value,
                           struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, sql, &stmt, detail));
    bind_date(stmt, 1, value);
    store_bind_u64(stmt, 2, id);
    return store_exec_stmt(stmt, detail);
}

static enum err set_text(struct store_conn *conn, const char *sql, uint64_t id, const char *value,
                         struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, sql, &stmt, detail));
    store_bind_text(stmt, 1, value);
    store_bind_u64(stmt, 2, id);
    return store_exec_stmt(stmt, detail);
}

static enum err set_certificate(struct store_conn *conn, uint64_t id,
                                const struct vault_client_new *spec, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "UPDATE client SET certificate = ?, not_after = ? WHERE id = ?", &stmt,
                      detail));
    bind_certificate(stmt, 1, spec->certificate);
    bind_date(stmt, 2, date_of(spec));
    store_bind_u64(stmt, 3, id);
    enum err err = store_exec_stmt(stmt, detail);
    return err == ERR_EXISTS ? err_set(detail, err, "another client has this certificate") : err;
}

enum err client_row_change(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct client_work *work = ctx;
    const struct vault_client_new *spec = work->spec;
    uint64_t id;
    TRY(find_id(conn, work->name, &id, detail));
    if (spec->may)
        TRY(set_number(conn, SET("may"), id, spec->may, detail));
    if (spec->placement)
        TRY(set_number(conn, SET("placement"), id, spec->placement, detail));
    if (spec->password_verifier)
        TRY(set_text(conn, SET("password"), id, spec->password_verifier, detail));
    if (spec->notify)
        TRY(set_text(conn, SET("notify"), id, spec->notify, detail));
    if (spec->put)
        TRY(set_number(conn, SET("wants_put"), id, *spec->put, detail));
    if (spec->certificate)
        TRY(set_certificate(conn, id, spec, detail));
    if (!spec->groups)
        return ERR_OK;
    TRY(leave_groups(conn, id, detail));
    return join_groups(conn, id, spec->groups, spec->groups_len, detail);
}

enum err client_row_disable(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct client_work *work = ctx;
    uint64_t id;
    TRY(find_id(conn, work->name, &id, detail));
    return set_number(conn, SET("disabled"), id, work->now, detail);
}

enum err client_row_remove(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct client_work *work = ctx;
    uint64_t id;
    TRY(find_id(conn, work->name, &id, detail));
    /* Once more, now that nothing can come in between. It was asked before, so that a client that
     * still has objects does not cost the writer a look at all of them. */
    TRY(client_owns_nothing_in(conn, id, detail));
    TRY(leave_groups(conn, id, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM client WHERE id = ?", &stmt, detail));
    store_bind_u64(stmt, 1, id);
    return store_exec_stmt(stmt, detail);
}

#include "vault/person_row.h"

#include <string.h>

#define COLUMNS "name, role, verifier, must_change, created, disabled, last_login"

enum err person_row_read(struct store_stmt *stmt, struct person_row *ret_row,
                         struct err_detail *detail)
{
    struct person_row row = {.person = {.must_change = store_column_i64(stmt, 3) != 0,
                                        .created = store_column_i64(stmt, 4),
                                        .disabled = store_column_i64(stmt, 5),
                                        .last_login = store_column_i64(stmt, 6)}};
    const char *name = store_column_text(stmt, 0), *role = store_column_text(stmt, 1),
               *verifier = store_column_text(stmt, 2);
    if (name == NULL || role == NULL || verifier == NULL || strlen(name) > VAULT_PERSON_NAME_MAX ||
        strlen(verifier) > VAULT_VERIFIER_MAX ||
        vault_role_find(role, &row.person.role, NULL) != ERR_OK)
        return err_set(detail, ERR_CORRUPT, "table person: '%.48s'", name != NULL ? name : "");
    memcpy(row.person.name, name, strlen(name) + 1);
    memcpy(row.verifier, verifier, strlen(verifier) + 1);
    *ret_row = row;
    return ERR_OK;
}

enum err person_row_find(struct store_conn *conn, const char *name, struct person_row *ret_row,
                         struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT " COLUMNS " FROM person WHERE name = ?", &stmt, detail));
    store_bind_text(stmt, 1, name);
    TRY(store_get_row(stmt, detail));
    return person_row_read(stmt, ret_row, detail);
}

enum err person_rows_begin(struct store_conn *conn, struct store_stmt **ret_stmt,
                           struct err_detail *detail)
{
    return store_prepare(conn, "SELECT " COLUMNS " FROM person ORDER BY name", ret_stmt, detail);
}

static void apply(struct person_row *row, const struct vault_person_change *change, int64_t now)
{
    struct vault_person *person = &row->person;
    if (change->role != NULL)
        person->role = *change->role;
    if (change->verifier != NULL)
        memcpy(row->verifier, change->verifier, strlen(change->verifier) + 1);
    if (change->must_change != NULL)
        person->must_change = *change->must_change;
    if (change->disabled != NULL && *change->disabled != (person->disabled != 0))
        person->disabled = *change->disabled ? now : 0;
    if (change->last_login != NULL)
        person->last_login = *change->last_login;
}

static void bind_date(struct store_stmt *stmt, unsigned index, int64_t date)
{
    if (date != 0)
        store_bind_i64(stmt, index, date);
    else
        store_bind_null(stmt, index);
}

/* The statement's parameters are the columns behind the name, and the name. */
static void bind(struct store_stmt *stmt, const struct person_row *row)
{
    store_bind_text(stmt, 1, vault_role_name(row->person.role));
    store_bind_text(stmt, 2, row->verifier);
    store_bind_i64(stmt, 3, row->person.must_change);
    store_bind_i64(stmt, 4, row->person.created);
    bind_date(stmt, 5, row->person.disabled);
    bind_date(stmt, 6, row->person.last_login);
    store_bind_text(stmt, 7, row->person.name);
}

static enum err count(struct store_conn *conn, int64_t *ret_count, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT COUNT(*) FROM person", &stmt, detail));
    TRY(store_get_row(stmt, detail));
    *ret_count = store_column_i64(stmt, 0);
    return ERR_OK;
}

enum err person_row_insert(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct person_work *work = ctx;
    int64_t there = 0;
    TRY(count(conn, &there, detail));
    if (there >= VAULT_PEOPLE_MAX)
        return err_set(detail, ERR_LIMIT, "%d users are there already", VAULT_PEOPLE_MAX);
    struct person_row row = {.person = {.created = work->now}};
    memcpy(row.person.name, work->name, strlen(work->name) + 1);
    apply(&row, work->change, work->now);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO person (role, verifier, must_change, created, disabled, "
                      "last_login, name) VALUES (?, ?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    bind(stmt, &row);
    enum err err = store_exec_stmt(stmt, detail);
    work->row = row;
    return err == ERR_EXISTS ? err_set(detail, err, "user '%s'", work->name) : err;
}

/* ERR_STATE where there is none any more that may log in. */
static enum err need_administrator(struct store_conn *conn, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "SELECT name FROM person WHERE role = ? AND disabled IS NULL LIMIT 1",
                      &stmt, detail));
    store_bind_text(stmt, 1, vault_role_name(VAULT_ROLE_ADMINISTRATOR));
    enum err err = store_get_row(stmt, detail);
    return err == ERR_NOT_FOUND
               ? err_set(detail, ERR_STATE, "no administrator would be left that may log in")
               : err;
}

static bool administrates(const struct vault_person *person)
{
    return person->role == VAULT_ROLE_ADMINISTRATOR && person->disabled == 0;
}

static enum err find_for(struct store_conn *conn, struct person_work *work,
                         struct err_detail *detail)
{
    enum err err = person_row_find(conn, work->name, &work->row, detail);
    return err == ERR_NOT_FOUND ? err_set(detail, err, "no user '%.48s'", work->name) : err;
}

enum err person_row_change(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct person_work *work = ctx;
    TRY(find_for(conn, work, detail));
    bool did = administrates(&work->row.person);
    apply(&work->row, work->change, work->now);
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE person SET role = ?, verifier = ?, must_change = ?, created = ?, "
                      "disabled = ?, last_login = ? WHERE name = ?",
                      &stmt, detail));
    bind(stmt, &work->row);
    TRY(store_exec_stmt(stmt, detail));
    return did && !administrates(&work->row.person) ? need_administrator(conn, detail) : ERR_OK;
}

enum err person_row_remove(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct person_work *work = ctx;
    TRY(find_for(conn, work, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM person WHERE name = ?", &stmt, detail));
    store_bind_text(stmt, 1, work->name);
    TRY(store_exec_stmt(stmt, detail));
    return administrates(&work->row.person) ? need_administrator(conn, detail) : ERR_OK;
}

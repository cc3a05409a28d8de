#include "vault/people.h"

#include <string.h>

#include "base/clock.h"
#include "vault/person_row.h"

enum err vault_person_check_name(const char *name, struct err_detail *detail)
{
    size_t len = strlen(name);
    bool good = len != 0 && len <= VAULT_PERSON_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' &&
                strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len &&
                strcmp(name, "daemon") != 0 && strcmp(name, "server") != 0;
    return good ? ERR_OK
                : err_set(detail, ERR_ARGUMENT,
                          "name '%.64s': 1 to %d of a-z, 0-9, '.', '_' and '-' are wanted, a "
                          "letter first",
                          name, VAULT_PERSON_NAME_MAX);
}

/* Characters, of UTF-8. */
static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

enum err vault_password_check(const char *password, const char *name, struct err_detail *detail)
{
    if (characters(password) < VAULT_PASSWORD_MIN || strlen(password) > VAULT_PASSWORD_MAX)
        return err_set(detail, ERR_ARGUMENT, "a password has %d characters or more, up to %d bytes",
                       VAULT_PASSWORD_MIN, VAULT_PASSWORD_MAX);
    for (const char *at = password; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return err_set(detail, ERR_ARGUMENT, "a password has no control characters");
    size_t count = 0, name_len = strlen(name);
    for (const char *at = password; name_len != 0 && (at = strcasestr(at, name)) != NULL;
         at += name_len)
        count++;
    if (characters(password) - count * name_len < VAULT_PASSWORD_MIN)
        return err_set(detail, ERR_ARGUMENT,
                       "beside the name, a password has %d characters or more", VAULT_PASSWORD_MIN);
    if (strspn(password, (const char[]){password[0], '\0'}) == strlen(password))
        return err_set(detail, ERR_ARGUMENT, "the password is one character, again and again");
    return ERR_OK;
}

/* ---- reading ---- */

enum err vault_person_find(struct store *store, const char *name, struct vault_person *ret_person,
                           char ret_verifier[VAULT_VERIFIER_MAX + 1], struct err_detail *detail)
{
    struct person_row row;
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err = person_row_find(store_reader_conn(reader), name, &row, detail);
    store_reader_end(reader);
    TRY(err);
    *ret_person = row.person;
    if (ret_verifier != NULL)
        memcpy(ret_verifier, row.verifier, sizeof row.verifier);
    explicit_bzero(&row, sizeof row);
    return ERR_OK;
}

static enum err each_row(struct store_conn *conn, vault_person_fn *each, void *ctx,
                         struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(person_rows_begin(conn, &stmt, detail));
    for (;;) {
        bool has_row = false;
        struct person_row row;
        TRY(store_step(stmt, &has_row, detail));
        if (!has_row)
            return ERR_OK;
        TRY(person_row_read(stmt, &row, detail));
        TRY(each(ctx, &row.person));
    }
}

enum err vault_people_each(struct store *store, vault_person_fn *each, void *ctx,
                           struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err = each_row(store_reader_conn(reader), each, ctx, detail);
    store_reader_end(reader);
    return err;
}

/* ---- changing ---- */

static enum err check_verifier(const struct vault_person_change *change, struct err_detail *detail)
{
    if (change->verifier != NULL && strlen(change->verifier) > VAULT_VERIFIER_MAX)
        return err_set(detail, ERR_LIMIT, "verifier of a password");
    return ERR_OK;
}

enum err vault_person_create(struct store *store, const char *name,
                             const struct vault_person_change *spec,
                             struct vault_person *ret_person, struct err_detail *detail)
{
    struct person_work work = {.name = name, .change = spec, .now = clock_now_s()};
    TRY(vault_person_check_name(name, detail));
    if (spec->role == NULL || spec->verifier == NULL)
        return err_set(detail, ERR_ARGUMENT, "a user has a role and a password");
    TRY(check_verifier(spec, detail));
    TRY(store_run(store, person_row_insert, &work, detail));
    *ret_person = work.row.person;
    return ERR_OK;
}

enum err vault_person_change(struct store *store, const char *name,
                             const struct vault_person_change *change,
                             struct vault_person *ret_person, struct err_detail *detail)
{
    struct person_work work = {.name = name, .change = change, .now = clock_now_s()};
    TRY(check_verifier(change, detail));
    TRY(store_run(store, person_row_change, &work, detail));
    *ret_person = work.row.person;
    return ERR_OK;
}

enum err vault_person_remove(struct store *store, const char *name, struct err_detail *detail)
{
    struct person_work work = {.name = name};
    return store_run(store, person_row_remove, &work, detail);
}

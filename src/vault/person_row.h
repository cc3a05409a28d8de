#pragma once

#include "vault/people.h"

/* Rows of people, for people.c only. */
struct person_row {
    struct vault_person person;
    char verifier[VAULT_VERIFIER_MAX + 1];
};

/* Of a statement that person_rows_begin made. */
MUST_CHECK enum err person_row_read(struct store_stmt *stmt, struct person_row *ret_row,
                                    struct err_detail *detail);
MUST_CHECK enum err person_rows_begin(struct store_conn *conn, struct store_stmt **ret_stmt,
                                      struct err_detail *detail);
/* ERR_NOT_FOUND without touching `detail`. */
MUST_CHECK enum err person_row_find(struct store_conn *conn, const char *name,
                                    struct person_row *ret_row, struct err_detail *detail);

/* Transactions: `ctx` is a struct person_work. */
struct person_work {
    const char *name;
    const struct vault_person_change *change;
    int64_t now;
    struct person_row row; /* as it is after it */
};
store_fn person_row_insert, person_row_change, person_row_remove;

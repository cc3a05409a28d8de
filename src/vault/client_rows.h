#pragma once

#include "vault/clients.h"

/* Rows of clients, for the vault's own files. */

#define CLIENT_VERIFIER_MAX 255

struct client_entry {
    struct vault_client client;
    char password[CLIENT_VERIFIER_MAX + 1];
};
struct client_group_entry {
    uint32_t id;
    char name[VAULT_CLIENT_NAME_MAX + 1];
};
/* Everything at one moment. */
struct client_table {
    struct client_entry *clients; /* rising names */
    size_t count;
    uint32_t *by_certificate; /* indexes of those that have one, rising certificates */
    size_t certificates;
    struct client_group_entry *groups; /* rising ids */
    size_t groups_len;
};
void client_table_free(struct client_table *table); /* NULL is allowed */
void client_table_freep(struct client_table **table);
MUST_CHECK enum err client_table_read(struct store *store, struct client_table **ret_table,
                                      struct err_detail *detail);

/* ERR_ARGUMENT or ERR_LIMIT for what can't be in a row. `new`: what may be left out in a change
 * must be there. */
MUST_CHECK enum err client_spec_check(const struct vault_client_new *spec, bool new,
                                      struct err_detail *detail);
/* Transactions: `ctx` is a struct client_work. */
struct client_work {
    const struct vault_client_new *spec;
    const char *name; /* of the one that is there */
    int64_t now;      /* VAULT_NO_DATE: enable */
    uint64_t id;      /* of the one that was made */
};
store_fn client_row_insert, client_row_change, client_row_disable, client_row_remove;
/* ERR_STATE where an object that is not destroyed belongs to it. Reads them all. */
MUST_CHECK enum err client_owns_nothing_in(struct store_conn *conn, uint64_t id,
                                           struct err_detail *detail);
MUST_CHECK enum err client_owns_nothing(struct store *store, uint64_t id,
                                        struct err_detail *detail);

#include "vault/chain.h"

#define META_NAME "audit_head"
#define META_SIZE (8 + 32)

static enum err read_head(struct store *store, uint8_t to[META_SIZE], bool *ret_found,
                          struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(store_reader_conn(reader), "SELECT value FROM meta WHERE name = ?", &stmt,
                      detail));
    store_bind_text(stmt, 1, META_NAME);
    enum err err = store_get_row(stmt, detail);
    *ret_found = err == ERR_OK;
    if (err == ERR_OK) {
        struct bytes value = store_column_bytes(stmt, 0);
        if (value.len != META_SIZE)
            err = err_set(detail, ERR_CORRUPT, "meta '%s' has %zu bytes", META_NAME, value.len);
        else
            memcpy(to, value.data, META_SIZE);
    }
    store_stmt_free(TAKE(stmt));
    store_reader_end(reader);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err write_head(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const uint8_t *value = ctx;
    static const char *const statements[] = {"UPDATE meta SET value = ? WHERE name = ?",
                                             "INSERT INTO meta (value, name) VALUES (?, ?)"};
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
        TRY(store_prepare(conn, statements[i], &stmt, detail));
        store_bind_bytes(stmt, 1, bytes_of(value, META_SIZE));
        store_bind_text(stmt, 2, META_NAME);
        TRY(store_exec_stmt(stmt, detail));
        if (store_changes(conn) > 0)
            return ERR_OK;
    }
    return ERR_OK;
}

static enum err store_head(struct vault_chain *chain, struct err_detail *detail)
{
    uint8_t value[META_SIZE];
    be64_store(value, chain->seq);
    memcpy(value + 8, chain->head, sizeof chain->head);
    return store_run(chain->store, write_head, value, detail);
}

static enum err look(struct vault_chain *chain, struct keeper_client *keeper,
                     struct err_detail *detail)
{
    struct keeper_status status;
    TRY(keeper_status(keeper, &status, detail));
    chain->seq = status.records;
    memcpy(chain->head, status.head, sizeof chain->head);
    return ERR_OK;
}

enum err vault_chain_check(struct vault_chain *chain, struct store *store,
                           struct keeper_client *keeper, bool forget, struct err_detail *detail)
{
    uint8_t value[META_SIZE] = {0};
    bool found = false;
    *chain = (struct vault_chain){.store = NULL};
    TRY(read_head(store, value, &found, detail));
    if (found && !forget)
        TRY(keeper_audit_expect(keeper, be64_load(value), value + 8, detail));
    chain->store = store;
    TRY(look(chain, keeper, detail));
    return forget ? store_head(chain, detail) : ERR_OK;
}

enum err vault_chain_remember(struct vault_chain *chain, struct keeper_client *keeper,
                              struct err_detail *detail)
{
    if (chain->seq != 0)
        TRY(store_head(chain, detail));
    return look(chain, keeper, detail);
}

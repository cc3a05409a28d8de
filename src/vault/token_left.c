#include "vault/token_left.h"

#include "vault/object_domain.h"

enum err token_left_rows(struct store_stmt *stmt, struct token_left *left,
                         struct err_detail *detail)
{
    for (left->count = 0; left->count < TOKEN_LEFT_ROWS; left->count++) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        struct keeper_object *key = &left->keys[left->count];
        left->ids[left->count] = store_column_u64(stmt, 0);
        key->row = (struct keeper_row){.domain = (uint32_t)store_column_i64(stmt, 2),
                                       .table = KEEPER_OBJECT,
                                       .row = store_column_u64(stmt, 1),
                                       .epoch = (uint32_t)store_column_i64(stmt, 3)};
        TRY(arena_copy(left->arena, store_column_bytes(stmt, 4), &key->name));
        TRY(arena_copy(left->arena, store_column_bytes(stmt, 5), &key->sealed));
    }
    return ERR_OK;
}

enum err token_left_look(struct vault_objects *objects, token_left_fn *read, uint64_t after,
                         struct token_left *left, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    arena_reset(left->arena);
    TRY(store_reader_open(objects->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err = read(store_reader_conn(reader), after, left, detail);
    store_reader_end(reader);
    return err;
}

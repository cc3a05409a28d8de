#pragma once

#include "base/arena.h"
#include "vault/object_tx.h"

/* Keys that the token has still to forget, some at a time. */

#define TOKEN_LEFT_ROWS 32

struct token_left {
    struct arena *arena; /* of names and sealed records; made anew by each look */
    uint64_t before;     /* for the reader */
    size_t count;
    uint64_t ids[TOKEN_LEFT_ROWS]; /* after which to look on */
    struct keeper_object keys[TOKEN_LEFT_ROWS];
};
/* The keys whose ids are above `after`: ends with token_left_rows. */
typedef enum err token_left_fn(struct store_conn *conn, uint64_t after, struct token_left *left,
                               struct err_detail *detail);
/* In a snapshot of its own. */
MUST_CHECK enum err token_left_look(struct vault_objects *objects, token_left_fn *read,
                                    uint64_t after, struct token_left *left,
                                    struct err_detail *detail);
/* Of each row: the id, then the object, its domain, epoch, name and sealed record. */
MUST_CHECK enum err token_left_rows(struct store_stmt *stmt, struct token_left *left,
                                    struct err_detail *detail);

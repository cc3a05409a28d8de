#pragma once

#include "store/store.h"

/* Numbers that are given once and never again, by kind (table `serial`). */

/* `count` of them, the last of which is `ret_last`. Durable on return; pauses or blocks. */
MUST_CHECK enum err serial_take(struct store *store, const char *kind, uint32_t count,
                                uint64_t *ret_last, struct err_detail *detail);
/* The same within a transaction. */
MUST_CHECK enum err serial_take_in(struct store_conn *conn, const char *kind, uint32_t count,
                                   uint64_t *ret_last, struct err_detail *detail);

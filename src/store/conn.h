#pragma once

#include "store/engine.h"

/* A connection with its statements, for this folder. */

#define CONN_IDLE_MAX 128 /* idle statements kept beyond this are finalized, oldest use first */
#define CONN_SLOTS    64  /* a power of two */

struct store_stmt {
    struct store_conn *conn;
    void *cmd;
    char *sql;
    enum err bind_err;
    bool busy;    /* somebody holds it */
    bool stepped; /* must be reset before the transaction ends */
    uint64_t used;
    struct store_stmt *next;
};

struct store_conn {
    const struct engine *engine;
    void *link;
    struct store_stmt *stmts;
    struct store_stmt *slots[CONN_SLOTS]; /* by address of the text: the usual case is a literal */
    unsigned stmts_len;
    uint64_t tick;
    int64_t execs; /* calls of store_exec: they may change a table itself */
    bool in_tx;
    enum err
        lost; /* the engine undid the transaction by itself: everything fails until it is ended */
};

MUST_CHECK enum err store_conn_new(const struct engine *engine, void *db,
                                   enum engine_link_kind kind, struct store_conn **ret_conn,
                                   struct err_detail *detail);
void store_conn_free(struct store_conn *conn);
void store_conn_freep(struct store_conn **conn);
MUST_CHECK enum err store_conn_begin(struct store_conn *conn, struct err_detail *detail);
/* On failure the transaction is rolled back. */
MUST_CHECK enum err store_conn_commit(struct store_conn *conn, struct err_detail *detail);
void store_conn_rollback(struct store_conn *conn);
/* Grows with every row that is written, and with whatever else may change something. */
int64_t store_conn_writes(struct store_conn *conn);
/* End what statements still read, so that their snapshot goes with the transaction. */
void store_conn_settle(struct store_conn *conn);

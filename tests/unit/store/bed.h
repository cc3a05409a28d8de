#pragma once

#include "store/store.h"
#include "support/test.h"

/* What both store tests stand on: a folder, and a store in it (or behind $CLAVIGER_STORE_URL). */
struct bed {
    char *dir;
    char *path;
    char *url;
    struct store *store;
};

/* A fresh folder; `store` open and without the tables of earlier cases. */
void bed_setup(struct bed *bed);
void bed_teardown(struct bed *bed);
void bed_open(struct bed *bed);
void bed_close(struct bed *bed);
enum err bed_try_open(const struct bed *bed, struct err_detail *detail);

/* Statements in one transaction of their own. */
void bed_exec(struct bed *bed, const char *sql);
enum err bed_exec_fn(struct store_conn *conn, void *sql, struct err_detail *detail);
/* INSERT INTO item (id, value) of the id that ctx points to. */
enum err bed_insert_fn(struct store_conn *conn, void *id, struct err_detail *detail);
enum err bed_insert(struct store_conn *conn, int64_t id, struct err_detail *detail);
/* First column of the first row, in a snapshot of its own. */
int64_t bed_ask(struct bed *bed, const char *sql);
int64_t bed_ask_on(struct store_conn *conn, const char *sql);

/* A transaction that holds the writer until it is told to go on, so that others queue up behind it.
 */
struct gate {
    int entered[2];
    int leave[2];
};
void gate_close(struct bed *bed, struct gate *gate);
void gate_open(struct gate *gate);

#pragma once

#include "store/conn.h"

/* One numbered SQL file, compiled in by tools/gen_migrations.py. */
struct migration {
    const char *schema;
    unsigned number;
    const char *name;
    const char *engine; /* NULL: for every engine that has no row of its own with this number */
    const char *sql;
};

extern const struct migration migrations[];
extern const size_t migrations_len;

/* Bring the database behind `conn` from its version to the last of `schema`, each step in one
 * transaction. ERR_CONFIG for a schema that has no migrations, ERR_MISMATCH where the database was
 * made with another schema, ERR_UNSUPPORTED where it is newer than `rows`. */
MUST_CHECK enum err migrate(struct store_conn *conn, const char *schema,
                            const struct migration *rows, size_t rows_len, unsigned *ret_version,
                            struct err_detail *detail);

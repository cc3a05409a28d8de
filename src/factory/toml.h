#pragma once

#include "base/arena.h"
#include "base/bytes.h"

/* A strict reader of the part of TOML 1.0 that a manifest needs: tables, arrays of tables, bare and
 * quoted keys, basic and literal strings of one line, integers (decimal, 0x, 0o, 0b), booleans,
 * arrays of strings, comments. Everything else (dates, floats, inline tables, dotted keys of
 * values, strings of many lines) is refused with its line. Keys are kept flat: a value knows the
 * table it stands in.
 *
 * Strings are UTF-8 without NUL. Everything lives in the arena. */

#define TOML_SIZE_MAX   ((size_t)256 * 1024)
#define TOML_VALUES_MAX 2000
#define TOML_TABLES_MAX 200
#define TOML_ITEMS_MAX  200 /* of one array */
#define TOML_KEY_MAX    64  /* bytes */

enum toml_type { TOML_STRING, TOML_INTEGER, TOML_BOOLEAN, TOML_STRINGS };

struct toml_value {
    const char *key;
    unsigned line;
    enum toml_type type;
    const char *text; /* TOML_STRING */
    uint64_t number;  /* TOML_INTEGER: 0 to 2^64 - 1; below zero is refused */
    bool truth;
    const char *const *items; /* TOML_STRINGS */
    size_t items_len;
    bool seen; /* toml_get was here */
};

/* `[name]` or one of `[[name]]`; the first is the root, "". A name with dots is kept as it is
 * written, without blanks. */
struct toml_table {
    const char *name;
    unsigned line;
    bool array;
    bool seen;
    struct toml_value *values;
    size_t values_len;
};

struct toml {
    struct toml_table *tables;
    size_t tables_len;
};

/* ERR_SYNTAX (also for a key or table that is there twice), ERR_LIMIT; `detail` begins with
 * "line N: ". */
MUST_CHECK enum err toml_read(struct bytes text, struct arena *arena, struct toml *ret_toml,
                              struct err_detail *detail);
/* Marks it as seen; NULL where there is none. */
struct toml_table *toml_table(struct toml *toml, const char *name);
struct toml_value *toml_get(struct toml_table *table, const char *key);
/* The first table or value that nobody asked for: ERR_SYNTAX with its line. */
MUST_CHECK enum err toml_unseen(const struct toml *toml, struct err_detail *detail);

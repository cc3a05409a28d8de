#pragma once

#include "settings_table.h"

/* A row of data/config.toml as the generator gives it. */

enum settings_type {
    SETTINGS_TEXT,
    SETTINGS_PATH,
    SETTINGS_SOURCE, /* file:PATH, or another kind of source as it stands */
    SETTINGS_BOOL,
    SETTINGS_NUMBER,
    SETTINGS_SIZE,
    SETTINGS_SECONDS,
    SETTINGS_CHOICE,
    SETTINGS_RATE,
    SETTINGS_LIST,
};

#define SETTINGS_UNLIMITED INT64_MAX

struct settings_row {
    const char *section;
    const char *key;
    enum settings_type type;
    size_t offset; /* in struct settings */
    int64_t min;
    int64_t max;
    const char *fallback;
    const char *choices; /* separated by blanks */
    const char *about;
};

extern const struct settings_row settings_rows[];
extern const size_t settings_rows_len;

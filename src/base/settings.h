#pragma once

#include "base/buf.h"
#include "base/settings_row.h"

/* The daemon's configuration, typed. Paths are absolute: relative ones were taken from the folder
 * of the file. */

/* Read and check all of it; the first problem is named with file and line. `ret_settings` is filled
 * on success only and is the caller's to settings_done. A key that is absent has its default. */
MUST_CHECK enum err settings_read(const char *path, struct settings *ret_settings,
                                  struct err_detail *detail);
/* The same from memory; `path` gives the folder for relative paths and the name in errors. */
MUST_CHECK enum err settings_parse(const char *path, const char *text, size_t len,
                                   struct settings *ret_settings, struct err_detail *detail);
void settings_done(struct settings *settings);

/* A configuration file with every key, commented with its meaning and default; those named in `set`
 * ("section.key", value,
 * ..., NULL) stand with a value. What `clavigerd init` writes. */
MUST_CHECK enum err settings_format(const char *const *set, struct buf *to);

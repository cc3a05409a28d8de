#pragma once

#include "base/err.h"

/* Configuration files of the form
 *
 *     # comment
 *     [section]
 *     key = value
 *
 * Values are taken as they stand, blanks at both ends dropped; a value between double quotes keeps
 * its blanks. A key may stand once in its section, a section once in its file. Whole lines of at
 * most 4,096 bytes; nothing is cut silently. */

#define INI_LINE_MAX 4096

/* One setting; the strings live for the call only. Return an error (with `detail` filled, without
 * file and line: they are put in front) to stop. */
typedef enum err ini_fn(void *ctx, const char *section, const char *key, const char *value,
                        unsigned line, struct err_detail *detail);

MUST_CHECK enum err ini_read(const char *path, ini_fn *fn, void *ctx, struct err_detail *detail);
/* The same from memory; `name` stands in errors. */
MUST_CHECK enum err ini_parse(const char *name, const char *text, size_t len, ini_fn *fn, void *ctx,
                              struct err_detail *detail);

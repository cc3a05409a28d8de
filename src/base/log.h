#pragma once

/* Lines on standard error for a person or journald. Lower case, no full stop, an optional "hint:
 * ..." at the end. Libraries return errors; edges log once. Any thread. Never a secret. */

#include "base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `who` (borrowed, lives on) is the process: "supervisor", "keeper", "engine". With journald on the
 * other end (JOURNAL_STREAM) lines carry their priority as "<N>" instead of a time stamp. */
void log_init(const char *who, enum log_level level);
/* "error", "warn", "info", "debug". */
MUST_CHECK enum err log_level_parse(const char *text, enum log_level *ret_level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);
/* `what: text (detail); hint: ...` from an error and its detail, which may be NULL. */
void log_failure(enum log_level level, const char *what, enum err err,
                 const struct err_detail *detail);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

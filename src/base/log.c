#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_LEN 1024

static const char *who = "claviger";
static enum log_level threshold = LOG_LEVEL_INFO;
static int to_journal;

static const struct {
    const char *name;
    int priority; /* syslog(3) */
} levels[] = {{"error", 3}, {"warn", 4}, {"info", 6}, {"debug", 7}};

void log_init(const char *process, enum log_level level)
{
    who = process;
    threshold = level;
    to_journal = getenv("JOURNAL_STREAM") != NULL;
}

enum err log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *ret_level = (enum log_level)i;
            return ERR_OK;
        }
    }
    return ERR_ARGUMENT;
}

static size_t prefix(enum log_level level, char *line)
{
    int len;
    if (to_journal) {
        len = snprintf(line, LINE_MAX_LEN, "<%d>%s: ", levels[level].priority, who);
    } else {
        char stamp[32];
        clock_format(clock_now_s(), stamp);
        len = snprintf(line, LINE_MAX_LEN, "%s %s %s: ", stamp, levels[level].name, who);
    }
    return len > 0 ? (size_t)len : 0;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > threshold)
        return;
    char line[LINE_MAX_LEN];
    size_t used = prefix(level, line);
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    if (len > 0)
        used = used + (size_t)len < sizeof line - 1 ? used + (size_t)len : sizeof line - 2;
    /* one line a record, whatever a peer put into a name */
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0)
        return; /* nowhere left to say it */
}

void log_failure(enum log_level level, const char *what, enum err err,
                 const struct err_detail *detail)
{
    const struct err_row *row = err_row(err);
    const char *text = detail != NULL ? detail->text : "";
    char ckr[32] = "";
    if (detail != NULL && detail->ckr != 0)
        (void)snprintf(ckr, sizeof ckr, " (CKR 0x%lx)", detail->ckr);
    log_line(level, "%s: %s%s%s%s%s%s", what, row->text, *text != '\0' ? ": " : "", text, ckr,
             *row->hint != '\0' ? "; hint: " : "", row->hint);
}

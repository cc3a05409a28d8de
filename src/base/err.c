#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct err_row *err_row(enum err code)
{
    return (unsigned)code < ERR_COUNT ? &err_rows[code] : &err_rows[ERR_INTERNAL];
}

/* In parentheses because tools/analyzer.h has macros of these names. */
enum err(err_set)(struct err_detail *detail, enum err code, const char *format, ...)
{
    if (detail == NULL)
        return code;
    detail->code = code;
    detail->ckr = 0;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail->text, sizeof detail->text, format, args);
    va_end(args);
    return code;
}

static enum err from_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ERR_DISK_FULL;
    case ENOMEM: return ERR_NO_MEMORY;
    case ENOENT: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    case EACCES:
    case EPERM: return ERR_DENIED;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case EPIPE:
    case ECONNRESET: return ERR_CLOSED;
    default: return ERR_IO;
    }
}

enum err(err_errno)(struct err_detail *detail, const char *format, ...)
{
    int number = errno;
    enum err code = from_errno(number);
    if (detail == NULL)
        return code;
    va_list args;
    va_start(args, format);
    detail->code = code;
    detail->ckr = 0;
    int used = vsnprintf(detail->text, sizeof detail->text, format, args);
    va_end(args);
    char reason[96];
    if (used >= 0 && (size_t)used < sizeof detail->text)
        (void)snprintf(detail->text + used, sizeof detail->text - (size_t)used, ": %s",
                       strerror_r(number, reason, sizeof reason));
    return code;
}

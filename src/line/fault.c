#include "line/fault.h"

#include <stdarg.h>
#include <stdio.h>

enum err line_fail(struct line_fault *fault, enum line_code code, const char *format, ...)
{
    va_list args;
    fault->code = code;
    va_start(args, format);
    (void)vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return ERR_REFUSED;
}

enum err line_fail_err(struct line_fault *fault, enum line_code code, const char *what,
                       enum err err, const struct err_detail *detail)
{
    if (err == ERR_OK)
        return ERR_OK;
    const char *why = detail != NULL && detail->text[0] != '\0' ? detail->text : err_text(err);
    if (err == ERR_NO_MEMORY) /* whoever it met, it is nobody's answer */
        code = LINE_UNKNOWN;
    (void)line_fail(fault, code, "%s%s%s", what, *what != '\0' ? ": " : "", why);
    return err;
}

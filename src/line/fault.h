#pragma once

#include "base/err.h"
#include "base/line_code.h"

/* Why a run failed: a return code of the line, and a text for a person without any secret. Whoever
 * understands the failure fills it; functions here return ERR_OK or some other enum err with it
 * filled, so TRY works. Embedded; zero-initialise. */
struct line_fault {
    enum line_code code;
    char text[256];
};

/* Fill `fault` and return ERR_REFUSED. */
__attribute__((format(printf, 3, 4))) enum err
line_fail(struct line_fault *fault, enum line_code code, const char *format, ...);
/* Fill it with "`what`: text of `err` or `detail`" and return `err`; ERR_OK does nothing, and
 * lack of memory is LINE_UNKNOWN wherever it is met. */
enum err line_fail_err(struct line_fault *fault, enum line_code code, const char *what,
                       enum err err, const struct err_detail *detail);

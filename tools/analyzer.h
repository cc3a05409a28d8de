/* Read before every file that tools/lint gives to clang's analyser, and by nothing else: what it
 * can't see because it looks at one file at a time. */
#pragma once

/* What is compiled without base, as for a microcontroller, has none of it. */
#if __has_include("err_codes.h")
#include "base/err.h"

/* err_set returns its code; err_errno returns a failure. Without this it follows paths on which a
 * function has failed and its caller goes on with results that nobody wrote. */
#define err_set(detail, code, ...)                                                                 \
    __extension__({                                                                                \
        enum err code_ = (code);                                                                   \
        (void)(err_set)((detail), code_, __VA_ARGS__);                                             \
        code_;                                                                                     \
    })
#define err_errno(...)                                                                             \
    __extension__({                                                                                \
        enum err failure_ = (err_errno)(__VA_ARGS__);                                              \
        if (failure_ == ERR_OK)                                                                    \
            __builtin_unreachable();                                                               \
        failure_;                                                                                  \
    })
#endif

#pragma once

#include <stddef.h>

#include "err_codes.h"

/* One type for everything that can fail. The rows come from data/errors.toml. */

struct err_row {
    const char *name;  /* "NOT_FOUND" */
    const char *text;  /* for a person, lower case, no full stop */
    const char *hint;  /* what an operator can do; "" where there is nothing to say */
    int http;          /* RFC 9110 status */
    unsigned diameter; /* RFC 6733 Result-Code */
    const char *kmip;  /* KMIP Result Reason */
};

extern const struct err_row err_rows[ERR_COUNT];

/* Never NULL; an unknown code gives the row of ERR_INTERNAL. */
const struct err_row *err_row(enum err code);
static inline const char *err_text(enum err code)
{
    return err_row(code)->text;
}

/* What the operator may know and the peer may not: fill it once, where the failure is understood.
 * Callers that don't care pass NULL. Embedded; zero-initialise. */
struct err_detail {
    enum err code;
    unsigned long ckr; /* CK_RV of a token, 0 when no token was involved */
    char text[256];    /* "batch7.csv.rsa: line 12: key has 15 bytes, 16 are wanted" */
};

/* Record `code` with a formatted text in `detail` (may be NULL) and return `code`. A detail that is
 * already filled is replaced. Use as `return err_set(detail, ERR_SYNTAX, "line %u: ...", n);`. */
__attribute__((format(printf, 3, 4))) enum err err_set(struct err_detail *detail, enum err code,
                                                       const char *format, ...);

/* The same with the text of errno; ENOSPC and EDQUOT become ERR_DISK_FULL, EMFILE and the like
 * ERR_IO. */
__attribute__((format(printf, 2, 3))) enum err err_errno(struct err_detail *detail,
                                                         const char *format, ...);

#define MUST_CHECK __attribute__((warn_unused_result))

/* Return from the calling function where the call failed. Everything held there is AUTO. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum err try_err_ = (call);                                                                \
        if (try_err_ != ERR_OK)                                                                    \
            return try_err_;                                                                       \
    } while (0)

/* `AUTO(secret_freep) struct secret *key = NULL;` frees at the end of the scope; `TAKE(key)` moves
 * it out. */
#define AUTO(freep) __attribute__((cleanup(freep)))
#define TAKE(pointer)                                                                              \
    __extension__({                                                                                \
        __typeof__(pointer) *take_from_ = &(pointer);                                              \
        __typeof__(pointer) take_tmp_ = *take_from_;                                               \
        *take_from_ = NULL;                                                                        \
        take_tmp_;                                                                                 \
    })

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#pragma once

#include <stddef.h>

#include "line_codes.h"

/* Return codes of claviger-provision, which servers and pages show too: data/line-codes.toml. */

#define LINE_CODE_ACTIONS_MAX 3

struct line_code_row {
    const char *name; /* "NODE_VERIFY" */
    const char *text; /* its interpretation: for a person, lower case, no full stop */
    int number;       /* what the process exits with */
    unsigned char actions[LINE_CODE_ACTIONS_MAX]; /* numbers of corrective actions, then zeros */
};

extern const struct line_code_row line_code_rows[LINE_CODE_ROWS]; /* by rising number */
extern const char *const line_actions[LINE_ACTIONS + 1];          /* whole sentences; [0] is "" */

/* NULL for a number that is no code. */
const struct line_code_row *line_code_row(int number);
/* The interpretation; that of "an error of no known kind" for a number that is no code. */
const char *line_code_text(int number);
/* The corrective actions as sentences, one blank between them, cut to fit; "" where there is
 * nothing to do. Returns `to`. */
const char *line_code_action(int number, char *to, size_t cap);

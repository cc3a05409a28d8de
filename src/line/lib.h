#pragma once

#include "line/claviger-line.h"
#include "line/procedure.h"

/* Inside libclaviger-line. */

struct cline_server {
    struct line_server *server;
};

/* Fill `error` (may be NULL) and give the code. */
int lib_fail(struct cline_error *error, const struct line_fault *fault);
int lib_done(struct cline_error *error);

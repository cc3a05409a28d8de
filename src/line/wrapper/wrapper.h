#pragma once

#include "base/err.h"
#include "line/wrapper/claviger-line-wrapper.h"

/* Transport wrappers by name, and one in use. The interface of a wrapper itself is the installed
 * header; what each one puts on the line is in docs/wrappers.md. */

/* The wrappers of the house; the last row is NULL. Each is one file of this folder. */
extern const struct claviger_line_wrapper *const line_wrappers[];

extern const struct claviger_line_wrapper line_wrapper_none; /* node messages as they are */
extern const struct claviger_line_wrapper line_wrapper_orw;  /* a stub: the same */
extern const struct claviger_line_wrapper line_wrapper_simple;
extern const struct claviger_line_wrapper line_wrapper_reliable;
extern const struct claviger_line_wrapper line_wrapper_rht_v2;
extern const struct claviger_line_wrapper line_wrapper_opt_psem;

/* A wrapper of the house; NULL: no such name. */
const struct claviger_line_wrapper *line_wrapper_find(const char *name);
/* A customer's own, from a shared object. It stays loaded. ERR_NOT_FOUND, ERR_SYNTAX (no such
 * symbol, a table that can't be), ERR_UNSUPPORTED (another ABI). */
MUST_CHECK enum err line_wrapper_load(const char *path,
                                      const struct claviger_line_wrapper **ret_wrapper,
                                      struct err_detail *detail);
/* What --wrapper says: with a slash a path, else a name; "" and NULL are none. */
MUST_CHECK enum err line_wrapper_choose(const char *text,
                                        const struct claviger_line_wrapper **ret_wrapper,
                                        struct err_detail *detail);

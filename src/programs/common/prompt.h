#pragma once

#include "base/secret.h"

/* Ask at the terminal; ERR_STATE where there is none. */

/* Without echo; `what` is shown as "PIN of the token: ". Empty answers are refused. */
MUST_CHECK enum err prompt_secret(const char *what, size_t max, struct secret **ret_secret,
                                  struct err_detail *detail);
/* Asks twice; ERR_MISMATCH where the answers differ. */
MUST_CHECK enum err prompt_new_secret(const char *what, size_t max, struct secret **ret_secret,
                                      struct err_detail *detail);
/* Whether the person types exactly `word`; ERR_CANCELLED where not. */
MUST_CHECK enum err prompt_confirm(const char *what, const char *word, struct err_detail *detail);

#pragma once

#include "crypto/split.h"

/* Inside this folder only: split.h over a prime field. What is given was checked by split.c. */
MUST_CHECK enum err split_prime_make(const struct split_spec *spec, struct bytes secret,
                                     struct secret *parts[], struct err_detail *detail);
MUST_CHECK enum err split_prime_join(const struct split_spec *spec, const struct split_part *parts,
                                     size_t len, struct secret **ret_secret,
                                     struct err_detail *detail);

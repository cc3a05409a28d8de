#pragma once

#include "base/err.h"

/* Fetch every algorithm of this folder from OpenSSL's providers and seed its random generator, so
 * that nothing is loaded later. Everything here calls it by itself; a process that gives up its
 * right to open files calls it first. Any thread, any number of times. ERR_CRYPTO where a provider
 * lacks an algorithm. */
MUST_CHECK enum err crypto_start(struct err_detail *detail);

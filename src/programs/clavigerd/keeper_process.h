#pragma once

#include "base/secret.h"
#include "base/settings.h"

/* The keeper process: opens the token, takes the audit chain over from the supervisor, closes the
 * sandbox, serves. */

struct keeper_process {
    const struct settings *settings;
    int control;        /* link to the supervisor */
    const int *engines; /* connections of the engine's threads; taken */
    unsigned engines_len;
    struct secret *pin; /* taken; NULL where it is read here */
};
MUST_CHECK enum err keeper_process_run(const struct keeper_process *config,
                                       struct err_detail *detail);

#pragma once

#include "base/secret.h"

/* The token's PIN from where [token] pin says: file:PATH (mode 0600), env:NAME (wiped and removed
 * from the environment), credential:NAME (systemd's $CREDENTIALS_DIRECTORY), prompt (the terminal,
 * without echo). */
MUST_CHECK enum err pin_read(const char *source, struct secret **ret_pin,
                             struct err_detail *detail);
/* Whether pin_read can be asked again after a restart of the keeper (file, credential). */
bool pin_is_lasting(const char *source);
/* The path of a file: source, or NULL. */
const char *pin_path(const char *source);

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

/* A PIN that the supervisor keeps for every start of the keeper, because its source is gone after
 * one reading (environment, terminal). Locked and out of core dumps like a struct secret, but a
 * forked child has it, too: the keeper takes it, the engine drops it before it does anything else.
 */
struct pin_hold;
MUST_CHECK enum err pin_hold_new(const struct secret *pin, struct pin_hold **ret_hold);
MUST_CHECK enum err pin_hold_take(struct pin_hold *hold, struct secret **ret_pin);
void pin_hold_free(struct pin_hold *hold); /* wipes this process's copy; NULL is allowed */

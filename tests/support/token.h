#pragma once

#include <stdbool.h>

#include "hsm/hsm.h"

/* A throw-away token of a real module in a temporary folder, for tests of whatever needs an HSM. */
struct test_token {
    struct hsm_config config; /* strings live as long as the token */
    const char *pin;
    const char *wrong_pin;
    char *dir;
    char *init_args;
    int slot_daemon; /* pid, 0 for none */
};

/* "softhsm", "nss" or "opencryptoki". False with a reason where it can't be had here: skip then.
 * openCryptoki wants root: its daemon and its folders are put into a mount namespace of this
 * process, so call this before any thread is started. SOFTHSM2_CONF is set. */
bool test_token_up(const char *name, struct test_token *ret_token, const char **ret_reason);
/* A copy of the PIN for hsm_open. */
struct secret *test_token_pin(const struct test_token *token);
/* Close every hsm before. */
void test_token_down(struct test_token *token);

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
/* The same in the main of a program that is called with a token's name and perhaps that of one
 * test; gives the first. Ends the process where it was called otherwise (2), or the token can't be
 * had here (77, with the reason). Afterwards only the tests that were asked for run. */
const char *test_token_begin(int argc, char **argv, struct test_token *ret_token);
/* A copy of the PIN for hsm_open. */
struct secret *test_token_pin(const struct test_token *token);
/* Close every hsm before. */
void test_token_down(struct test_token *token);

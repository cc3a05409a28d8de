#pragma once

#include "hsm/hsm.h"

/* Make a new token on the first slot that has an uninitialised one (SoftHSM2 and what behaves like
 * it): C_InitToken with `so_pin`, then C_InitPIN with `user_pin`. `config` names the module and
 * init_args, and the slot where that is not -1; its label and serial are not looked at. ERR_EXISTS
 * where a token of this label is there already; ERR_TOKEN_GONE where no slot is free. Both PINs
 * stay the caller's. Not while this process has the module open for something else. */
MUST_CHECK enum err hsm_init_token(const struct hsm_config *config, const char *label,
                                   struct bytes so_pin, struct bytes user_pin,
                                   struct err_detail *detail);

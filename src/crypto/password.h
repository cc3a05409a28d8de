#pragma once

#include <stdint.h>

#include "base/err.h"

#define PASSWORD_MADE 27 /* characters, of 115 random bits */
/* A password for a person to read and type once: "kd7m2-..."; a secret. */
MUST_CHECK enum err password_make(char ret_password[PASSWORD_MADE + 1]);

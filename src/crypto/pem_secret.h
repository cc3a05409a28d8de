#pragma once

#include "base/secret.h"

/* Inside this folder only: pem_encode for private keys. */
MUST_CHECK enum err pem_encode_secret(const char *label, struct bytes der, struct secret **ret_pem);

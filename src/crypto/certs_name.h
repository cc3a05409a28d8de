#pragma once

#include "crypto/certs.h"
#include "crypto/der.h"

/* Inside this folder only. Reads a Name (RFC 5280, 4.1.2.4). */
MUST_CHECK enum err certs_read_name(struct der *r, struct certs_name *ret_name);

#pragma once

#include "net/openssl_priv.h"

#include "base/err.h"

/* Hand clients that ask the OCSP response in the file (RFC 6066, 8), for as long as it is current.
 * ERR_CONFIG where it is none, or says that it failed. For tls.c only. */
MUST_CHECK enum err tls_staple(SSL_CTX *ctx, const char *path, struct err_detail *detail);

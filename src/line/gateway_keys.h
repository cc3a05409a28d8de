#pragma once

#include "line/server.h"

/* The plaintext of what the server gives a station: the lines "gateway, 0x<48 digits>" and
 * "gateway_cdld, 0x<32 digits>" of a keyring, each once. Their check values have to be those in
 * `expected` (kcv and versions; its keys are not looked at). LINE_SERVER_ANSWER. */
MUST_CHECK enum err line_gateway_keys_read(struct bytes text,
                                           const struct line_gateway_keys *expected,
                                           struct line_gateway_keys *ret_keys,
                                           struct line_fault *fault);
/* The same in a CMS message (DER, base64) to a key of this process. */
MUST_CHECK enum err line_gateway_keys_open(const char *cms_base64, const struct rsa_private *with,
                                           const struct line_gateway_keys *expected,
                                           struct line_gateway_keys *ret_keys,
                                           struct line_fault *fault);

#pragma once

#include "kmip/codec/codec.h"

/* A message as a person reads it in the log. Any input; secrets are masked unless told. */

/* Append one message in the format: a dump of TTLV (tag, type, length, value: a line each), JSON or
 * XML. What is not a message is dumped as hexadecimal. `arena` is empty and the caller's. */
MUST_CHECK enum err kmip_log_dump(enum kmip_format from, struct bytes message, enum kmip_format to,
                                  bool secrets, struct arena *arena, struct buf *out);

#pragma once

#include "base/buf.h"

#define PEM_LABEL_MAX 64

/* Textual encoding of RFC 7468 without headers (no encryption). */

/* Appends "-----BEGIN label-----", lines of 64, "-----END label-----". */
MUST_CHECK enum err pem_encode(const char *label, struct bytes der, struct buf *to);
/* Appends the content of the first block with that label and advances `text` past it; text before
 * it is skipped. ERR_NOT_FOUND where there is none, ERR_SYNTAX, ERR_TRUNCATED without an end line.
 */
MUST_CHECK enum err pem_decode(const char *label, struct bytes *text, struct buf *to,
                               struct err_detail *detail);

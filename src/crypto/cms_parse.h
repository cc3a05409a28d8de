#pragma once

#include "crypto/cms.h"

/* Inside this folder only: the elements the reader collects whole, without their tag and length. */

/* KeyTransRecipientInfo (RFC 5652, 6.2.1). ERR_UNSUPPORTED where it is well-formed and not ours. */
MUST_CHECK enum err cms_parse_recipient(struct bytes content, struct cms_recipient *ret_recipient);
/* contentEncryptionAlgorithm with GCMParameters (RFC 5084, 3.2). */
MUST_CHECK enum err cms_parse_algorithm(struct bytes content, uint8_t ret_nonce[CMS_NONCE_SIZE],
                                        uint8_t *ret_tag_len);

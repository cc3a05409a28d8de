#pragma once

#include "base/buf.h"
#include "kmip/codec/limits.h"
#include "kmip/codec/node.h"

/* Three encodings of one tree: TTLV (KMIP 1.4, 9.1), JSON and XML (KMIP Additional Message
 * Encodings 1.0, 4 and 6). Decoding then encoding gives back what was read, byte for byte in TTLV
 * and value for value in JSON and XML. No input makes any of this recurse or allocate past the
 * limits. */

enum kmip_format {
    KMIP_TTLV,
    KMIP_JSON,
    KMIP_XML,
};

/* The whole of `input` as one tree in `arena`; values may borrow from `input`, which must live as
 * long as the tree. ERR_TRUNCATED, ERR_SYNTAX or ERR_LIMIT with the place in `detail` (may be
 * NULL); ERR_NO_MEMORY where the arena is too small. Knows the format and, for JSON and XML, the
 * names of the table; whether fields belong where they stand is kmip_check's. `limits` NULL: the
 * defaults. */
MUST_CHECK enum err kmip_decode(enum kmip_format format, struct bytes input,
                                const struct kmip_limits *limits, struct arena *arena,
                                struct kmip_node **ret_root, struct err_detail *detail);
/* Append the encoding of `root` to `out`, which on failure keeps what it had. */
MUST_CHECK enum err kmip_encode(enum kmip_format format, const struct kmip_node *root,
                                struct buf *out);
/* Length of `root` in TTLV with its header: what Maximum Response Size is compared with. */
size_t kmip_ttlv_len(const struct kmip_node *root);

/* Framing of TTLV in a stream: with at least 8 bytes in `data`, the length of the whole message
 * is in `ret_len`. ERR_TRUNCATED with fewer bytes, ERR_SYNTAX where no message starts here,
 * ERR_LIMIT where it is longer than `max`. */
MUST_CHECK enum err kmip_frame_len(struct bytes data, size_t max, size_t *ret_len);

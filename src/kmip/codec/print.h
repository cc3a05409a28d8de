#pragma once

#include "base/buf.h"
#include "kmip/codec/node.h"

/* A message for people: one line an item, indented: tag, type and value. With `offsets` each line
 * begins with the offset in TTLV, the tag and the type in hex. Secrets are masked, with their
 * length, unless `clear`. Appends to `out`, which on failure keeps what it had. */
MUST_CHECK enum err kmip_print(const struct kmip_node *root, bool offsets, bool clear,
                               struct buf *out);
/* Replace in a tree what is secret by nothing: for a log that writes JSON or XML. Text becomes
 * "***", bytes become empty, numbers 0. The tree is a copy in the arena of `b`. */
struct kmip_node *kmip_masked(struct kmip_build *b, const struct kmip_node *root);

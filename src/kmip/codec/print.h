#pragma once

#include "base/buf.h"
#include "kmip/codec/node.h"

struct kmip_print_how {
    bool offsets;     /* begin each line with offset in TTLV, tag and type in hex */
    bool clear;       /* show secrets; else "***" and their length */
    size_t value_max; /* bytes of a value that are shown; 0: all */
};

/* A message for people, one line an item, indented: tag, type and value; nothing in a value breaks
 * the line or moves a terminal. Appends to `out`, which on failure keeps what it had. */
MUST_CHECK enum err kmip_print(const struct kmip_node *root, struct kmip_print_how how,
                               struct buf *out);
/* One value on one line, as people write it: "disk-7", "Encrypt|Decrypt",
 * "UsageLimitsTotal=1000, UsageLimitsUnit=Byte", structures in it in braces. Text stands as it is:
 * what in it could move a terminal is the caller's to stop. */
MUST_CHECK enum err kmip_print_value(const struct kmip_node *parent, const struct kmip_node *node,
                                     struct kmip_print_how how, struct buf *out);
/* A copy of a tree, made by `b`, without what is secret: for a log that writes JSON or XML. Text
 * becomes "***", bytes become empty, numbers 0. NULL where b->err says why. */
struct kmip_node *kmip_masked(struct kmip_build *b, const struct kmip_node *root);

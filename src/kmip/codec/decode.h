#pragma once

#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"

/* What the three decoders share: the tree is made here, and here the limits are kept. */

struct kmip_decoder {
    const struct kmip_limits *limits;
    struct arena *arena;
    struct err_detail *detail; /* may be NULL */
    struct kmip_node *root;
    uint32_t items;
    uint32_t batch;
};

/* A new node at the end of `parent`, which is `depth` structures deep; a NULL parent makes the
 * root. ERR_LIMIT, ERR_NO_MEMORY. */
MUST_CHECK enum err kmip_decoder_add(struct kmip_decoder *d, struct kmip_node *parent,
                                     uint32_t depth, uint32_t tag, uint8_t type,
                                     struct kmip_node **ret_node);
/* Text: within the limit, UTF-8 without NUL. */
MUST_CHECK enum err kmip_decoder_text(struct kmip_decoder *d, const struct kmip_node *node,
                                      struct bytes text);
bool kmip_is_utf8(struct bytes text);

MUST_CHECK enum err kmip_ttlv_decode(struct kmip_decoder *d, struct bytes input);
MUST_CHECK enum err kmip_json_decode(struct kmip_decoder *d, struct bytes input);
MUST_CHECK enum err kmip_xml_decode(struct kmip_decoder *d, struct bytes input);
MUST_CHECK enum err kmip_ttlv_encode(const struct kmip_node *root, struct buf *out);
MUST_CHECK enum err kmip_json_encode(const struct kmip_node *root, struct buf *out);
MUST_CHECK enum err kmip_xml_encode(const struct kmip_node *root, struct buf *out);

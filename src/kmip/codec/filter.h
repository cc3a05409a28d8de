#pragma once

#include "kmip/codec/node.h"

/* Take out of a Response Message all that `version` doesn't know: fields, attributes, values of
 * enumerations, bits of masks, and structures that are left without a field they need. A Result
 * Reason becomes the one the version has. What is taken out is unlinked, not freed. */
void kmip_filter(struct kmip_node *message, uint16_t version);
/* The same for the payload of one batch item of that operation. */
void kmip_filter_payload(struct kmip_node *payload, uint32_t operation, uint16_t version);
/* All but the payloads, where those were filtered one by one. */
void kmip_filter_envelope(struct kmip_node *message, uint16_t version);

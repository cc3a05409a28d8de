#pragma once

#include "kmip/op/make.h"

/* Wrapped key blocks (KMIP 1.4, 2.1.5 and 2.1.6; 2.1, 3.3 and 7.18). */

/* Get, Export with a Key Wrapping Specification: the object's whole Key Block, wrapped by the
 * keeper, appended to `to` (the Symmetric Key, Private Key... structure). `format`: Key Format Type
 * asked for, 0: as registered. Reasons: Wrapping Object Not Found / Destroyed / Archived (1.x: Item
 * Not Found, Wrong Key Lifecycle State, Object Archived), Incompatible Cryptographic Usage Mask,
 * Encoding Option Error, Bad Cryptographic Parameters, Key Wrap Type Not Supported. */
MUST_CHECK enum err kmip_key_wrap(struct kmip_call *call, const struct vault_object *object,
                                  const struct kmip_attrs *attrs,
                                  const struct kmip_node *specification, uint32_t format,
                                  struct kmip_node *to);
/* Whether a Key Block is wrapped. */
bool kmip_key_is_wrapped(const struct kmip_node *block);
/* Register, Import of a wrapped Key Block: the keeper unwraps it and seals it as `new`. Attributes
 * that were wrapped with the key are added to new->attrs (those that are there already stay), and
 * the Link of type Wrapping Key Link. `spec` as kmip_new_spec gives it; its class decides the form.
 * Then kmip_new_made with `made`, as with a key in clear. */
MUST_CHECK enum err kmip_key_unwrap(struct kmip_call *call, const struct kmip_node *block,
                                    struct kmip_new *new, const struct keeper_object_spec *spec,
                                    struct keeper_object_made *made);

#pragma once

#include "kmip/attr/attr.h"
#include "vault/objects.h"

/* An object's attributes between the vault's columns and blob and the list of attr.h. */

/* Add what a blob holds to a list. Values borrow from the blob. */
MUST_CHECK enum err kmip_attrs_decode(struct arena *arena, struct bytes blob,
                                      struct kmip_attrs *attrs, struct err_detail *detail);
/* Add what has columns, or needs no place: identifiers, type, dates, State at `now`, Usage Limits,
 * Protection Storage Mask; Lease Time where it is not 0. */
MUST_CHECK enum err kmip_stored_add(struct kmip_attrs *attrs, const struct vault_object *object,
                                    int64_t now, uint32_t lease_s);

/* The other way: forget what came from attributes; then one after the other goes to its column
 * (true: it did, or needs no place) or else into the blob's structure. */
void kmip_stored_clear(struct vault_object *object);
bool kmip_stored_column(struct vault_object *object, const struct kmip_attr *attr);
void kmip_stored_put(struct kmip_build *build, struct kmip_node *root,
                     const struct kmip_attr *attr);

#pragma once

#include "kmip/attr/attr.h"
#include "vault/objects.h"

/* How Locate finds objects: which attributes have entries in the vault's index, and what a filter
 * is as a term of it. What is the same for nearly all objects (masks, lengths, flags, digests) has
 * no entries; such a filter is looked at on each candidate. */

/* Entries of an object, at most VAULT_KEYS_MAX; `ret_keys` is in the arena. */
MUST_CHECK enum err kmip_attr_keys(const struct kmip_attrs *attrs, struct vault_key **ret_keys,
                                   size_t *ret_count);
/* A filter as up to KMIP_TERMS_MAX terms, appended; false: the index does not know it (or not all
 * of it), kmip_attr_matches has to be asked for each object. */
#define KMIP_TERMS_MAX 8
bool kmip_attr_terms(const struct kmip_attr *filter, struct vault_term *terms, size_t *count);
/* How well the index finds it: lower is fewer objects. */
unsigned kmip_attr_selectivity(const struct kmip_attr *filter);
/* Does an object with these attributes match the filter (KMIP 2.1, 6.1.28)? */
bool kmip_attr_matches(const struct kmip_attrs *attrs, const struct kmip_attr *filter);

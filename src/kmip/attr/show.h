#pragma once

#include "base/buf.h"
#include "kmip/attr/attr.h"
#include "vault/objects.h"

/* Attributes for people who may see that an object is there and not what is in it. */

/* Whether it is an attribute at all (some fields are kept beside them), and none that is secret. */
bool kmip_show_is(const struct kmip_attr *attr);
/* "Cryptographic Algorithm"; "x-rack" and "vendor-name" for custom ones. Appends. */
MUST_CHECK enum err kmip_show_name(const struct kmip_attr *attr, struct buf *to);
/* Its value on one line, cut after `max` bytes. A digest of what might be guessed (all but
 * certificates and public keys) is masked in the list itself. Appends; the text may hold anything
 * that a client wrote. */
MUST_CHECK enum err kmip_show_value(const struct kmip_attr *attr, uint32_t object_type, size_t max,
                                    struct buf *to);
/* The name of an enumeration's value ("Symmetric Key"), or "0x80000001" in `text`. */
const char *kmip_show_enum(uint32_t tag, uint32_t value, char text[16]);
/* The value that a person names, case, blanks and dashes apart ("pre-active"); false: none. */
bool kmip_show_enum_find(uint32_t tag, const char *name, uint32_t *ret_value);

/* An entry of the index (vault_key_read) as a Name; false where it is another. Long ones are cut.
 */
bool kmip_show_indexed_name(uint32_t attribute, struct bytes value, struct bytes *ret_name,
                            bool *ret_cut);
/* Terms that find objects one of whose names begins with `text`; of names longer than 62 bytes the
 * first VAULT_KEY_CUT count, or the whole. Gives how many terms. */
#define KMIP_SHOW_TERMS 4
size_t kmip_show_search(struct bytes text, struct vault_term terms[KMIP_SHOW_TERMS]);

#pragma once

#include "kmip/codec/node.h"

/* Attributes as one list, however the client's version writes them: 1.x as Attribute structures
 * (name as text, index, value), 2.x as items of their own tags inside Attributes, with vendor
 * attributes as Attribute structures (KMIP 1.4, 2.1.1; 2.1, 4). What 1.x calls "x-ID" is vendor
 * "x", name "ID". Everything lives in the request's arena. */

struct kmip_attr {
    uint32_t tag; /* of the attribute; KMIP_ATTR_CUSTOM for a vendor's or client's own */
    struct bytes vendor, name; /* of a custom one */
    int32_t index;             /* Attribute Index among the instances of its kind */
    struct kmip_node *value;   /* its tag is the attribute's, or Attribute Value of a custom one */
    struct kmip_attr *next;
};
#define KMIP_ATTR_CUSTOM 0x420008u /* the tag Attribute */

struct kmip_attrs {
    struct arena *arena;
    struct kmip_attr *first, *last;
    uint32_t count;
};

/* What names attributes of one kind: an Attribute Name (1.x) or Attribute Reference (2.x). */
struct kmip_attr_ref {
    uint32_t tag; /* 0: no attribute that is known */
    struct bytes vendor, name;
};

/* ---- the list ---- */

/* First instance, and the next of the same kind. NULL where there is none. */
struct kmip_attr *kmip_attr_find(const struct kmip_attrs *attrs, uint32_t tag);
struct kmip_attr *kmip_attr_again(const struct kmip_attr *attr);
struct kmip_attr *kmip_attr_find_ref(const struct kmip_attrs *attrs,
                                     const struct kmip_attr_ref *ref);
bool kmip_attr_is(const struct kmip_attr *attr, const struct kmip_attr_ref *ref);
int64_t kmip_attr_num(const struct kmip_attrs *attrs, uint32_t tag, int64_t absent);
struct bytes kmip_attr_bytes(const struct kmip_attrs *attrs, uint32_t tag);
/* Append an instance with the next free index; `value` (tag is set here) is borrowed. ERR_LIMIT
 * past KMIP_ATTRIBUTES_MAX. */
MUST_CHECK enum err kmip_attr_add(struct kmip_attrs *attrs, const struct kmip_attr_ref *ref,
                                  struct kmip_node *value);
/* A number of the server's own, of which the object has none yet; there is room for
 * KMIP_ATTRIBUTES_OWN of them beside a client's. The same holds for what _set and _set_num add. */
MUST_CHECK enum err kmip_attr_add_num(struct kmip_attrs *attrs, uint32_t tag, enum kmip_type type,
                                      int64_t value);
/* Replace the first instance, or add one. */
MUST_CHECK enum err kmip_attr_set_num(struct kmip_attrs *attrs, uint32_t tag, enum kmip_type type,
                                      int64_t value);
MUST_CHECK enum err kmip_attr_set(struct kmip_attrs *attrs, uint32_t tag, struct kmip_node *value);
void kmip_attr_remove(struct kmip_attrs *attrs, struct kmip_attr *attr);
void kmip_attr_remove_all(struct kmip_attrs *attrs, uint32_t tag);
/* A Link (KMIP 1.4, 3.35), and a Name. */
MUST_CHECK enum err kmip_attr_add_link(struct kmip_attrs *attrs, uint32_t link_type,
                                       const char *uid);
/* The object a link of that type points to; empty where there is none. */
struct bytes kmip_attr_link(const struct kmip_attrs *attrs, uint32_t link_type);

/* ---- as a version writes them ---- */

/* One Attribute (1.x), or one child of Attributes, New Attribute... (2.x). ERR_NOT_FOUND for a name
 * that is no attribute, ERR_SYNTAX for what is not built so. */
MUST_CHECK enum err kmip_attr_read(struct kmip_attrs *attrs, const struct kmip_node *node);
/* Attribute Name or Attribute Reference. */
struct kmip_attr_ref kmip_attr_ref_read(const struct kmip_node *node);
/* An instance appended to `parent`, as `version` writes it (2.x: `parent` is Attributes, Current
 * Attribute...). An attribute
 * that the version does not know is left out; fields of it that it does not know are the filter's.
 */
void kmip_attr_put(struct kmip_build *build, struct kmip_node *parent, uint16_t version,
                   const struct kmip_attr *attr);
/* Attribute Name (1.x) or Attribute Reference (2.x). */
void kmip_attr_put_ref(struct kmip_build *build, struct kmip_node *parent, uint16_t version,
                       const struct kmip_attr *attr);
/* Whether the version has this attribute at all. */
bool kmip_attr_known(uint16_t version, const struct kmip_attr *attr);

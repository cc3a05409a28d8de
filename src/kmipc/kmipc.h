#pragma once

#include "base/arena.h"
#include "base/secret.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "kmipc/claviger-kmip.h"
#include "kmipc/link.h"

/* Inside of a handle; private to this folder. Functions here give enum err with `detail` in the
 * handle filled; the public ones end with kmipc_end, which tells the caller. */

#define KMIPC_V(major, minor) ((uint16_t)((major) << 8 | (minor)))
#define KMIPC_1_0             KMIPC_V(1, 0)
#define KMIPC_1_1             KMIPC_V(1, 1)
#define KMIPC_2_0             KMIPC_V(2, 0)
#define KMIPC_2_1             KMIPC_V(2, 1)
#define KMIPC_MEMORY_MAX      ((size_t)64 * 1024 * 1024) /* of one call */

struct ckmip {
    struct kmipc_link *link;
    uint16_t version_min, version_max;
    uint16_t version; /* 0: not yet agreed on */
    char *username;   /* NULL: no credential in the header */
    struct secret *password;
    struct arena *arena; /* of the call under way: request and response */
    struct buf request, response;
    struct err_detail detail;
    uint32_t reason; /* of ERR_REFUSED */
    char hint[256];  /* "" unless something is to be said */
};

/* What a call's end is: ERR_OK, or `detail`, `reason` and `hint` of the handle for the caller. The
 * memory of the call is wiped. `kmip` may be NULL only with an error. */
int kmipc_end(struct ckmip *kmip, enum err err, struct ckmip_error *error);
/* The same before there is a handle. */
int kmipc_fail(struct ckmip_error *error, enum err err, const struct err_detail *detail);

/* ---- one batch item ---- */

struct kmipc_call {
    struct ckmip *kmip;
    uint32_t operation;
    uint16_t version;
    struct kmip_build build;
    struct kmip_node *message;
    struct kmip_node *in;        /* Request Payload, to be filled */
    const struct kmip_node *out; /* Response Payload, after kmipc_run; may be NULL */
};
/* Agrees on a version where that is not done, and begins a request of `operation`. ERR_UNSUPPORTED
 * where the version has it not (`since`: the first that has). */
MUST_CHECK enum err kmipc_begin(struct ckmip *kmip, uint32_t operation, uint16_t since,
                                struct kmipc_call *ret_call);
/* Send it and take the answer: ERR_REFUSED with `reason`, ERR_STATE where it is pending. */
MUST_CHECK enum err kmipc_run(struct kmipc_call *call);
static inline bool kmipc_is_2(const struct kmipc_call *call)
{
    return call->version >= KMIPC_2_0;
}
/* Unique Identifier; NULL or "" puts none. */
void kmipc_put_uid(struct kmipc_call *call, const char *uid);
/* Text of the answer; ERR_PEER where it is missing or too long. */
MUST_CHECK enum err kmipc_take_uid(const struct kmipc_call *call, uint32_t tag, ckmip_uid ret_uid);
/* A copy of the bytes of the answer; empty where they are missing. */
MUST_CHECK enum err kmipc_take_data(const struct kmip_node *node, uint32_t tag,
                                    struct ckmip_data *ret_data);
static inline struct bytes kmipc_bytes(struct ckmip_bytes bytes)
{
    return bytes_of(bytes.data, bytes.len);
}

/* ---- names and values as text (text.c) ---- */

/* The tag of "Cryptographic Length", "cryptographic-length"; 0 where there is none. */
uint32_t kmipc_tag(const char *name);
/* The value of a name of the enumeration that `tag` has. ERR_ARGUMENT names both. */
MUST_CHECK enum err kmipc_enum(struct ckmip *kmip, uint32_t tag, const char *name,
                               uint32_t *ret_value);
/* Puts an enumeration by name; NULL puts none. */
MUST_CHECK enum err kmipc_put_name(struct kmipc_call *call, struct kmip_node *parent, uint32_t tag,
                                   const char *name);
/* Puts an item with tag `as` whose value is that of `tag`: any type, structures as "A=1, B=2". */
MUST_CHECK enum err kmipc_put_value(struct kmipc_call *call, struct kmip_node *parent, uint32_t as,
                                    uint32_t tag, const char *value);
/* The same for a custom attribute's value: text, or "Integer:5". */
MUST_CHECK enum err kmipc_put_custom(struct kmipc_call *call, struct kmip_node *parent,
                                     const char *value);
/* Append the value as text. */
MUST_CHECK enum err kmipc_format(const struct kmip_node *parent, const struct kmip_node *node,
                                 struct buf *to);

/* ---- attributes as the versions write them (attribute.c) ---- */

/* Template-Attribute or Attributes with these; the tags are those of 1.x and 2.x. */
MUST_CHECK enum err kmipc_put_attributes(struct kmipc_call *call, uint32_t tag_1, uint32_t tag_2,
                                         const struct ckmip_attribute *attributes, size_t len);
/* One more into the structure that kmipc_put_attributes would make. */
MUST_CHECK enum err kmipc_put_attribute(struct kmipc_call *call, struct kmip_node *parent,
                                        const struct ckmip_attribute *attribute);
/* Attribute Name (1.x) or Attribute Reference (2.x). */
MUST_CHECK enum err kmipc_put_attribute_name(struct kmipc_call *call, const char *name);
/* All attributes of a response payload. */
MUST_CHECK enum err kmipc_take_attributes(const struct kmipc_call *call, struct ckmip_list *list);
/* Append one to a list; both are copied. */
MUST_CHECK enum err kmipc_list_add(struct ckmip_list *list, const char *name, struct bytes value);

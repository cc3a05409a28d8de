#pragma once

#include "kmip/op/make.h"

/* An object's own structure (Symmetric Key, Certificate, Secret Data...), as Get and Export give
 * it, appended to the payload. */
struct kmip_value_as {
    uint32_t format;                  /* Key Format Type; 0: as registered */
    uint32_t compression;             /* Key Compression Type; 0: none */
    const struct kmip_node *wrapping; /* Key Wrapping Specification; NULL: in clear */
};
MUST_CHECK enum err kmip_value_put(struct kmip_call *call, const struct vault_object *object,
                                   const struct kmip_attrs *attrs, const struct kmip_value_as *as);
/* Inside this folder only: the Key Block of a private key, `pkcs8`, as a PKCS#12 container. */
MUST_CHECK enum err kmip_value_pkcs12(struct kmip_call *call, const struct vault_object *object,
                                      const struct kmip_attrs *attrs, struct bytes pkcs8,
                                      struct kmip_node *to);
/* The tag of that structure; 0 for an unknown type. */
uint32_t kmip_value_tag(uint32_t object_type);
/* Object Archived, or destroyed. */
MUST_CHECK enum err kmip_gettable(struct kmip_call *call, const struct vault_object *object);
/* Its value goes to a client: it is no longer Fresh (KMIP 1.4, 3.34). */
MUST_CHECK enum err kmip_served_now(struct kmip_call *call, const struct vault_object *object,
                                    const struct kmip_attrs *attrs);

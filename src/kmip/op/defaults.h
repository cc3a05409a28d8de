#pragma once

#include "kmip/op/make.h"

/* What Set Defaults and Set Constraints (KMIP 2.1, 6.1.53, 6.1.52) left behind for the client's
 * group, at work when an object is made. */

/* Attributes of kinds the client did not give. */
MUST_CHECK enum err kmip_defaults_apply(struct kmip_call *call, uint32_t object_type,
                                        struct kmip_attrs *attrs);
/* Constraint Violation where an attribute has none of the values a constraint that applies allows.
 */
MUST_CHECK enum err kmip_constraints_check(struct kmip_call *call, uint32_t object_type,
                                           const struct kmip_attrs *attrs);
/* Defaults Information for Query, appended to the payload. */
MUST_CHECK enum err kmip_defaults_put(struct kmip_call *call);

#pragma once

#include "kmip/op/make.h"

/* Templates (KMIP 1.4, 2.2.6): the attributes of the one with this Name, added where `attrs` has
 * none of their kind. Item Not Found where there is none, Object Archived. */
MUST_CHECK enum err kmip_template_apply(struct kmip_call *call, struct bytes name,
                                        struct kmip_attrs *attrs);

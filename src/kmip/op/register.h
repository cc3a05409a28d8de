#pragma once

#include "kmip/op/make.h"

/* What Register and Import do with the object structure of their payload: `new` was begun; sealed
 * record, value and attributes are there afterwards. */
MUST_CHECK enum err kmip_register_value(struct kmip_call *call, struct kmip_new *new);

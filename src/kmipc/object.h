#pragma once

#include "kmipc/kmipc.h"

/* Managed objects with their values, as payloads carry them (KMIP 1.4, 2.2). */

/* Append the object's structure to the request payload. */
MUST_CHECK enum err kmipc_put_object(struct kmipc_call *call, const struct ckmip_object *object);
/* The object of a response payload; ERR_PEER where there is none. */
MUST_CHECK enum err kmipc_take_object(const struct kmipc_call *call,
                                      struct ckmip_object *ret_object);

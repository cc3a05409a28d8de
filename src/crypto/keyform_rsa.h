#pragma once

#include "crypto/bn.h"
#include "crypto/keyform_parts.h"

/* Inside this folder only. */

#define KEYFORM_ROOM ((size_t)8 * 1024)

struct keyform_room {
    uint8_t *at;
    size_t left;
};
/* `number` in at least `width` bytes. */
bool keyform_put(struct keyform_room *room, const BIGNUM *number, size_t width,
                 struct bytes *ret_view);
/* A part of keyform_complete: whatever determines the key is enough, whatever else is there must
 * agree. */
MUST_CHECK enum err keyform_complete_rsa(const struct keyform_parts *in, bool private,
                                         struct keyform_room *room, struct keyform_parts *full,
                                         struct keyform_info *info, struct err_detail *detail);

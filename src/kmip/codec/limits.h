#pragma once

#include <stddef.h>
#include <stdint.h>

/* What one message may hold. Nothing is taken from memory before its length was checked here. */
#define KMIP_MESSAGE_MAX_DEFAULT (1u << 20)  /* bytes, in each encoding */
#define KMIP_MESSAGE_MAX         (16u << 20) /* the most a configuration may ask for */
#define KMIP_DEPTH_MAX           32u         /* structures within structures */
#define KMIP_ITEMS_MAX           100000u     /* nodes of a message */
#define KMIP_BATCH_MAX           1000u       /* batch items */
#define KMIP_TEXT_MAX            (1u << 16)  /* bytes of a text string */
#define KMIP_BIG_INTEGER_MAX     (1u << 13)  /* bytes of a big integer */

struct kmip_limits {
    size_t message; /* bytes */
    uint32_t depth;
    uint32_t items;
    uint32_t batch;
    size_t text; /* bytes */
    size_t big_integer;
};

extern const struct kmip_limits kmip_limits_default;

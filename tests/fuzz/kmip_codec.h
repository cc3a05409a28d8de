#pragma once

#include <stdlib.h>

#include "kmip/codec/check.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/filter.h"
#include "kmip/codec/print.h"
#include "kmip/codec/table.h"

/* What the three targets of the codecs have in common. */

#define ARENA_MAX ((size_t)16 << 20)

/* What was written in `format` reads as the same tree. */
static inline void kmip_same_again(enum kmip_format format, const struct kmip_node *root,
                                   struct arena *arena)
{
    struct buf out = {0};
    struct kmip_node *again = NULL;
    if (kmip_encode(format, root, &out) != ERR_OK)
        abort();
    enum err err = kmip_decode(format, buf_view(&out), NULL, arena, &again, NULL);
    /* the limits of length may be reached in another encoding, and the arena holds both trees */
    if (err == ERR_OK ? !kmip_equal(root, again) : err != ERR_LIMIT && err != ERR_NO_MEMORY)
        abort();
    buf_done(&out);
}

/* A message is checked, and whatever it is, taken apart for each version and shown. */
static inline void kmip_use(struct kmip_node *root, struct arena *arena)
{
    static const uint16_t versions[] = {0x0201, 0x0200, 0x0104, 0x0103, 0x0102, 0x0101, 0x0100};
    struct kmip_fault fault = {0};
    struct buf out = {0};
    struct kmip_build b = {.arena = arena};
    if (kmip_print(root, (struct kmip_print_how){.offsets = true}, &out) != ERR_OK)
        abort();
    buf_done(&out);
    (void)kmip_masked(&b, root);
    (void)kmip_message_version(root);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        (void)kmip_check_header(root, versions[i], &fault);
        for (const struct kmip_node *item = root->first; item != NULL; item = item->next)
            (void)kmip_check_item(item, versions[i], &fault);
        (void)kmip_check_response(root, versions[i], &fault);
        kmip_filter(root, versions[i]);
    }
}

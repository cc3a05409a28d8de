#include "fuzz/target.h"

#include <stdlib.h>

#include "../unit/kmip/op/world.h"

/* Any bytes as a request of a known client, through decoding, the batch, the operations, a real
 * store and a keeper as a thread, to an answer that has to be one. */

static struct world world;
static unsigned count;

static void stop(void)
{
    world_end(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (count++ == 0) {
        world_begin(&world);
        world.config.batch_max = 16;
        if (atexit(stop) != 0)
            abort();
    }
    const enum kmip_format format = size > 0 && data[0] == '{'   ? KMIP_JSON
                                    : size > 0 && data[0] == '<' ? KMIP_XML
                                                                 : KMIP_TTLV;
    AUTO(buf_done) struct buf out = {0};
    arena_reset(world.kept);
    if (world_raw(&world, format, bytes_of(data, size), &out) != ERR_OK)
        return 0;
    struct kmip_node *root = NULL;
    if (kmip_decode(format, buf_view(&out), NULL, world.kept, &root, NULL) != ERR_OK ||
        root->tag != KMIP_TAG_RESPONSE_MESSAGE)
        abort();
    return 0;
}

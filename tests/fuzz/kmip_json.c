#include "fuzz/kmip_codec.h"
#include "fuzz/target.h"

/* Text that is a message reads the same when it is written again, in JSON and in TTLV. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct kmip_node *root = NULL;
    if (arena == NULL && arena_new(ARENA_MAX, &arena) != ERR_OK)
        abort();
    if (kmip_decode(KMIP_JSON, bytes_of(data, size), NULL, arena, &root, NULL) == ERR_OK) {
        kmip_same_again(KMIP_JSON, root, arena);
        kmip_same_again(KMIP_TTLV, root, arena);
        kmip_use(root, arena);
    }
    arena_reset(arena);
    return 0;
}

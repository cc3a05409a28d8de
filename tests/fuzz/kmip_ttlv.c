#include "fuzz/kmip_codec.h"
#include "fuzz/target.h"

/* Bytes that are TTLV come back byte for byte, are framed as they are, and can be written in the
 * other encodings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    struct kmip_node *root = NULL;
    struct buf out = {0};
    size_t len = 0;
    if (arena == NULL && arena_new(ARENA_MAX, &arena) != ERR_OK)
        abort();
    if (kmip_decode(KMIP_TTLV, bytes_of(data, size), NULL, arena, &root, NULL) == ERR_OK) {
        if (kmip_encode(KMIP_TTLV, root, &out) != ERR_OK ||
            !bytes_equal(buf_view(&out), bytes_of(data, size)) || kmip_ttlv_len(root) != size)
            abort();
        if (root->type == KMIP_STRUCTURE &&
            (kmip_frame_len(bytes_of(data, size), size, &len) != ERR_OK || len != size))
            abort();
        kmip_same_again(KMIP_JSON, root, arena);
        out.len = 0;
        if (kmip_encode(KMIP_XML, root, &out) != ERR_OK)
            abort();
        kmip_use(root, arena);
    }
    buf_done(&out);
    arena_reset(arena);
    return 0;
}

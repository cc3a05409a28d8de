#include "fuzz/target.h"

#include <stdlib.h>

#include "fleet/manifest.h"

/* Whatever is accepted is written again as it was, up to the MAC, which is not checked here. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest_reader reader;
    struct bytes input = {data, size};
    enum manifest_event event = MANIFEST_MORE;
    uint64_t id = 0;
    struct buf again = {0};
    manifest_reader_init(&reader);
    do {
        if (manifest_reader_next(&reader, &input, &event, &id, NULL) != ERR_OK)
            break;
        if (event == MANIFEST_HEADER && manifest_write_header(&reader.manifest, &again) != ERR_OK)
            abort();
        if (event == MANIFEST_ID &&
            manifest_write_id(id, reader.manifest.id_bits, &again) != ERR_OK)
            abort();
    } while (event != MANIFEST_MORE);
    if (manifest_reader_finish(&reader, NULL) == ERR_OK &&
        (again.len != reader.signed_len || memcmp(again.data, data, again.len) != 0))
        abort();
    buf_done(&again);
    return 0;
}

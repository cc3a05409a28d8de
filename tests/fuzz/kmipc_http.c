#include <assert.h>
#include <stdlib.h>

#include "fuzz/target.h"
#include "kmipc/http.h"

/* An HTTP answer, as it arrives: framed, then opened. The body lies within the frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t need = 0;
    if (size == 0 || kmipc_http_len(data, size, &need) != ERR_OK || need > size)
        return 0;
    uint8_t *frame = malloc(need);
    if (frame == NULL)
        return 0;
    memcpy(frame, data, need);
    struct bytes body = {0};
    bool keep = false;
    if (kmipc_http_body(bytes_of(frame, need), &body, &keep, NULL) == ERR_OK)
        assert(body.data >= frame && body.data + body.len <= frame + need);
    free(frame);
    return 0;
}

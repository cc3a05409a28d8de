#include "fuzz/line_wrapper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_wrapper(&line_wrapper_rht_v2, data, size);
}

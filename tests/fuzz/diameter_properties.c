#include <stdlib.h>

#include "diameter/properties.h"
#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diameter_properties props = {0};
    struct err_detail detail = {0};
    enum err err = diameter_properties_parse("fuzz", bytes_of(data, size), &props, &detail);
    if (err != ERR_OK && (detail.text[0] == '\0' || props.peers != NULL))
        abort();
    diameter_properties_done(&props);
    return 0;
}

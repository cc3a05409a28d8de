#include "fuzz/target.h"

#include <stdlib.h>

#include "fleet/device_xml.h"

struct seen {
    unsigned devices;
    uint64_t ids;
};

static enum err take(void *ctx, const struct fleet_device *device, struct err_detail *detail)
{
    struct seen *seen = ctx;
    (void)detail;
    if (device->id == 0 || device->key.len == 0 || device->key.len > DEVICE_KEY_MAX ||
        strlen(device->recipient) != DEVICE_FINGERPRINT)
        abort();
    seen->devices++;
    seen->ids = seen->ids * 31 + device->id + device->batch + device->key.data[0];
    return ERR_OK;
}

static enum err read_in(const uint8_t *data, size_t size, size_t piece, struct seen *seen)
{
    AUTO(device_xml_freep) struct device_xml *xml = NULL;
    if (device_xml_new(take, seen, &xml) != ERR_OK)
        abort();
    for (size_t at = 0; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        enum err err = device_xml_feed(xml, bytes_of(data + at, len), false, NULL);
        if (err != ERR_OK)
            return err;
    }
    return device_xml_feed(xml, bytes_of(data, 0), true, NULL);
}

/* Wherever the input is cut, it means the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = {0}, pieces = {0};
    enum err err = read_in(data, size, DEVICE_XML_PIECE, &whole);
    enum err again = read_in(data, size, 7, &pieces);
    if ((err == ERR_OK) != (again == ERR_OK) || whole.devices != pieces.devices ||
        whole.ids != pieces.ids)
        abort();
    return 0;
}

#include <assert.h>

#include "factory/package_xml.h"
#include "fuzz/target.h"

/* package.xml: what was read is written, and read again as the same. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = NULL;
    struct package package, again;
    struct buf one = {0}, two = {0};
    struct err_detail detail = {.code = ERR_OK};
    enum err err = arena_new(PACKAGE_MEMORY, &arena);
    assert(err == ERR_OK);
    err = package_xml_read(bytes_of(data, size), arena, &package, &detail);
    assert(err == ERR_OK || detail.text[0] != '\0');
    if (err == ERR_OK) {
        err = package_xml_write(&package, &one, NULL);
        assert(err == ERR_OK);
        err = package_xml_read(buf_view(&one), arena, &again, NULL);
        assert(err == ERR_OK);
        err = package_xml_write(&again, &two, NULL);
        assert(err == ERR_OK && bytes_equal(buf_view(&one), buf_view(&two)));
    }
    buf_done(&one);
    buf_done(&two);
    arena_free(arena);
    return 0;
}

#include <assert.h>

#include "crypto/cms.h"
#include "fuzz/target.h"

struct result {
    enum err err;
    size_t recipients;
    uint64_t data;
    uint64_t sum; /* of the ciphertext, so that pieces compare as one */
    bool tag;
};

static struct result read_in_steps(struct bytes cms, size_t step)
{
    static struct cms_reader reader;
    struct result result = {0};
    cms_reader_init(&reader);
    enum cms_event event = CMS_MORE;
    while (event != CMS_END && cms.len != 0 && result.err == ERR_OK) {
        struct bytes piece = bytes_of(cms.data, cms.len < step ? cms.len : step);
        size_t given = piece.len;
        do {
            struct cms_item item;
            result.err = cms_reader_next(&reader, &piece, &item, NULL);
            if (result.err != ERR_OK)
                break;
            event = item.event;
            result.recipients += event == CMS_RECIPIENT;
            result.tag = result.tag || event == CMS_TAG;
            for (size_t i = 0; event == CMS_DATA && i < item.data.len; i++)
                result.sum = result.sum * 31 + item.data.data[i];
            result.data += event == CMS_DATA ? item.data.len : 0;
        } while (event != CMS_MORE && event != CMS_END);
        assert(result.err != ERR_OK || event == CMS_END || piece.len == 0);
        cms = bytes_of(cms.data + given - piece.len, cms.len - given + piece.len);
    }
    if (result.err == ERR_OK)
        result.err = cms_reader_finish(&reader, NULL);
    return result;
}

/* However the input is split, the reader sees the same message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes cms = bytes_of(data, size);
    struct result whole = read_in_steps(cms, SIZE_MAX);
    assert(whole.data <= size);
    assert(whole.err != ERR_OK || (whole.tag && whole.err != ERR_INTERNAL));
    for (size_t step = 1; step < 40; step += 19) {
        struct result split = read_in_steps(cms, step);
        assert(split.err == whole.err);
        assert(split.recipients == whole.recipients && split.data == whole.data &&
               split.sum == whole.sum && split.tag == whole.tag);
    }
    return 0;
}

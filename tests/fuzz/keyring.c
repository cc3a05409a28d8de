#include <assert.h>

#include "fuzz/target.h"
#include "keeper/keyring_line.h"

/* keyring.csv: first byte is the width of pieces, then the file. A line that was read is written
 * and read again as the same. */

static void one_line(struct bytes text)
{
    struct keyring_line line, again;
    char reason[KEYRING_TEXT_MAX] = "";
    if (keyring_parse(text, 64, &line, reason) != ERR_OK) {
        assert(reason[0] != '\0');
        return;
    }
    uint8_t room[KEYRING_OUT_MAX];
    struct writer w = writer_of(room, sizeof room);
    keyring_format(&w, &line);
    assert(w.err == ERR_OK);
    enum err err = keyring_parse(bytes_of(room, w.len - 1), 64, &again, reason);
    assert(err == ERR_OK);
    assert(line.table == again.table && line.id == again.id && line.batch == again.batch &&
           line.reprovisioned == again.reprovisioned && line.key_len == again.key_len &&
           memcmp(line.key, again.key, line.key_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = (size_t)data[0] + 1;
    struct keyring_split split = {.number = 0};
    struct bytes line = {NULL, 0};
    enum keyring_piece piece;
    for (size_t at = 1; at < size; at += step) {
        struct bytes input = bytes_of(data + at, size - at < step ? size - at : step);
        while ((piece = keyring_split_next(&split, &input, &line)) != KEYRING_MORE)
            if (piece == KEYRING_LINE)
                one_line(line);
        assert(input.len == 0);
    }
    if (keyring_split_end(&split, &line) == KEYRING_LINE)
        one_line(line);
    keyring_split_done(&split);
    return 0;
}

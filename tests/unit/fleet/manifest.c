#include "fleet/manifest.h"

#include <stdio.h>

#include "support/test.h"

static struct manifest sample(void)
{
    struct manifest m = {.network = "metro-east",
                         .realm = "metro-east.example",
                         .batch = 7,
                         .nodes = 3,
                         .id_bits = 32,
                         .file = "batch7.csv.rsa",
                         .created = 1795228740};
    memset(m.sha256, 0xa5, sizeof(m.sha256));
    memset(m.salt, 0x5a, sizeof(m.salt));
    return m;
}

static struct buf written(const struct manifest *m, const uint64_t *ids, size_t count)
{
    struct buf to = {0};
    uint8_t mac[16] = {0xde, 0xad};
    assert_ok(manifest_write_header(m, &to));
    for (size_t i = 0; i < count; i++)
        assert_ok(manifest_write_id(ids[i], m->id_bits, &to));
    assert_ok(manifest_write_cmac(mac, &to));
    return to;
}

static const uint64_t three[] = {0x10200, 0x10201, 0x10203};

/* Reads all of `text` in pieces of `piece` bytes. */
static enum err read_all(struct bytes text, size_t piece, struct manifest_reader *reader,
                         uint64_t *ids, size_t max)
{
    manifest_reader_init(reader);
    size_t count = 0;
    while (text.len > 0) {
        struct bytes input = {text.data, text.len < piece ? text.len : piece};
        text = bytes_of(text.data + input.len, text.len - input.len);
        for (;;) {
            enum manifest_event event;
            uint64_t id;
            TRY(manifest_reader_next(reader, &input, &event, &id, NULL));
            if (event == MANIFEST_MORE)
                break;
            if (event == MANIFEST_ID && count < max)
                ids[count++] = id;
        }
    }
    return manifest_reader_finish(reader, NULL);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct manifest m = sample();
    struct buf text = written(&m, three, 3);
    for (size_t piece = 1; piece < 100; piece++) {
        struct manifest_reader reader;
        uint64_t ids[3] = {0};
        assert_ok(read_all(buf_view(&text), piece, &reader, ids, 3));
        assert_memory_equal(ids, three, sizeof(ids));
        assert_string_equal(reader.manifest.network, m.network);
        assert_string_equal(reader.manifest.realm, m.realm);
        assert_string_equal(reader.manifest.file, m.file);
        assert_int_equal(reader.manifest.batch, 7);
        assert_int_equal(reader.manifest.created, m.created);
        assert_memory_equal(reader.manifest.salt, m.salt, sizeof(m.salt));
        assert_memory_equal(reader.manifest.sha256, m.sha256, sizeof(m.sha256));
        assert_int_equal(reader.signed_len, text.len - 39);
        assert_int_equal(reader.mac[1], 0xad);
    }
    buf_done(&text);
}

static void wide_ids_and_all_batches(void **state)
{
    (void)state;
    struct manifest m = sample();
    m.all = true;
    m.id_bits = 64;
    uint64_t wide[] = {1, UINT64_MAX, 0x8000000000000000};
    struct buf text = written(&m, wide, 3);
    struct manifest_reader reader;
    uint64_t ids[3];
    assert_ok(read_all(buf_view(&text), 4096, &reader, ids, 3));
    assert_memory_equal(ids, wide, sizeof(wide));
    assert_true(reader.manifest.all);
    buf_done(&text);
}

/* Every byte has one form: whatever bit is flipped, the text is refused or reads as something else
 * (which the MAC in its last line then shows). */
static void a_flipped_bit_shows(void **state)
{
    (void)state;
    struct manifest m = sample();
    struct buf text = written(&m, three, 3);
    for (size_t bit = 0; bit < text.len * 8; bit++) {
        text.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct manifest_reader reader;
        uint64_t ids[3] = {0};
        if (read_all(buf_view(&text), 4096, &reader, ids, 3) == ERR_OK) {
            struct manifest got = reader.manifest;
            struct buf again = written(&got, ids, 3);
            assert_int_equal(again.len, text.len);
            assert_memory_equal(again.data, text.data, text.len - 39);
            buf_done(&again);
        }
        text.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buf_done(&text);
}

static void a_cut_shows(void **state)
{
    (void)state;
    struct manifest m = sample();
    struct buf text = written(&m, three, 3);
    for (size_t len = 0; len < text.len; len++) {
        struct manifest_reader reader;
        assert_true(read_all(bytes_of(text.data, len), 4096, &reader, NULL, 0) != ERR_OK);
    }
    buf_done(&text);
}

static void counts_must_fit(void **state)
{
    (void)state;
    struct manifest m = sample();
    struct manifest_reader reader;
    m.nodes = 4;
    struct buf text = written(&m, three, 3);
    assert_err(read_all(buf_view(&text), 4096, &reader, NULL, 0), ERR_MISMATCH);
    buf_done(&text);
    m.nodes = 2;
    text = written(&m, three, 3);
    assert_err(read_all(buf_view(&text), 4096, &reader, NULL, 0), ERR_MISMATCH);
    buf_done(&text);
}

static void bad_texts(void **state)
{
    (void)state;
    struct manifest m = sample();
    struct buf good = written(&m, three, 3);
    struct {
        const char *find, *put;
    } cases[] = {
        {"manifest: 1", "manifest: 2"},
        {"network: m", "network: M"},
        {"realm: m", "realm: ."},
        {"batch: 7", "batch: -"},
        {"batch: 7", "batch: 07"},
        {"nodes: 3", "nodes: 99999999"},
        {"bits: 32", "bits: 33"},
        {"file: b", "file: /"},
        {"a5a5", "A5a5"},
        {"created: 2", "created: 1x"},
        {"0x00010200", "0x0010200"},
        {"0x00010200", "0X00010200"},
        {"cmac: de", "cmac: DE"},
        {"realm: ", "realm:  "},
        {"\n\n", "\r\n\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *copy = strndup((const char *)good.data, good.len);
        char *at = strstr(copy, cases[i].find);
        assert_non_null(at);
        struct buf bad = {0};
        assert_ok(buf_append(&bad, bytes_of(copy, (size_t)(at - copy))));
        assert_ok(buf_append(&bad, bytes_str(cases[i].put)));
        assert_ok(buf_append(&bad, bytes_str(at + strlen(cases[i].find))));
        struct manifest_reader reader;
        if (read_all(buf_view(&bad), 4096, &reader, NULL, 0) == ERR_OK)
            fail_msg("accepted: %s", cases[i].put);
        buf_done(&bad);
        free(copy);
    }
    struct manifest_reader reader;
    assert_ok(buf_append(&good, bytes_str("\n")));
    assert_err(read_all(buf_view(&good), 4096, &reader, NULL, 0), ERR_SYNTAX);
    buf_done(&good);
}

static void a_long_line_takes_no_memory(void **state)
{
    (void)state;
    static uint8_t line[1024 * 1024];
    memset(line, 'a', sizeof(line));
    struct manifest_reader reader;
    assert_err(read_all(BYTES(line), 65536, &reader, NULL, 0), ERR_LIMIT);
}

static void bad_file_names_are_not_written(void **state)
{
    (void)state;
    struct manifest m = sample();
    struct buf to = {0};
    snprintf(m.file, sizeof(m.file), "a\nb");
    assert_err(manifest_write_header(&m, &to), ERR_ARGUMENT);
    snprintf(m.file, sizeof(m.file), "../a");
    assert_err(manifest_write_header(&m, &to), ERR_ARGUMENT);
    buf_done(&to);
}

TEST_MAIN(cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(wide_ids_and_all_batches),
          cmocka_unit_test(a_flipped_bit_shows), cmocka_unit_test(a_cut_shows),
          cmocka_unit_test(counts_must_fit), cmocka_unit_test(bad_texts),
          cmocka_unit_test(a_long_line_takes_no_memory),
          cmocka_unit_test(bad_file_names_are_not_written))
